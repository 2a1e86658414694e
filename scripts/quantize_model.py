"""An int8 variant of an ONNX model, calibrated on inputs that `bolid models quantize` writes.

    python scripts/quantize_model.py --model float.onnx --inputs DIR --output int8.onnx

DIR holds the model's input for one photo in each .npy file. What lies between the last convolutions and the output (the
places of boxes and joints, the probabilities) stays in floats: one scale for pixels and probabilities would lose both. So
do those convolutions themselves where they are 1 x 1, attention, and the branches of a detector that lead to boxes and
joints but not to scores: `bolid` runs those on few cells only.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Inputs(CalibrationDataReader):
    """The files, one after the other."""

    def __init__(self, folder: Path, name: str):
        self.files, self.name = iter(sorted(folder.glob("*.npy"))), name

    def get_next(self):
        file = next(self.files, None)
        return None if file is None else {self.name: np.load(file)}


class Graph:
    """Which node makes which tensor, and what convolutions weigh with."""

    def __init__(self, graph: onnx.GraphProto):
        self.outputs = [output.name for output in graph.output]
        self.nodes = list(graph.node)
        self.weights = {tensor.name: tensor for tensor in graph.initializer}
        self.makers = {output: node for node in graph.node for output in node.output}

    def is_convolution(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv":
            return False
        weight = numpy_helper.to_array(self.weights[node.input[1]]) if node.input[1] in self.weights else None
        # YOLO takes the mean of a box side's distribution by a convolution with the weights 0, 1, 2, …
        return weight is None or not np.array_equal(weight.ravel(), np.arange(weight.size))

    def shape(self, convolution: onnx.NodeProto) -> list[int]:
        weight = self.weights.get(convolution.input[1])
        return [] if weight is None else list(weight.dims)

    def before(self, tensors: list[str], is_end=lambda node: False) -> dict[str, onnx.NodeProto]:
        """The nodes that make these tensors, by name; not asking what ends were made of."""
        found, open_ends = {}, list(tensors)
        while open_ends:
            node = self.makers.get(open_ends.pop())
            if node is None or node.name in found:
                continue
            found[node.name] = node
            if not is_end(node) and node.op_type != "Shape":  # the size of a map says nothing of what is in it
                open_ends += node.input
        return found


def kept_in_floats(graph: Graph) -> list[str]:
    """The last convolutions, the nodes between them and the output, attention, and what boxes and joints alone need."""
    tail = graph.before(graph.outputs, graph.is_convolution)
    last = [node for node in tail.values() if graph.is_convolution(node)]
    many_cells = [node.name for node in last if graph.shape(node)[2:] != [1, 1]]
    kept = tail.keys() - many_cells
    scores = [node.output[0] for node in last if graph.shape(node)[:1] == [1]]
    if scores:
        kept |= graph.before([node.output[0] for node in last]).keys() - graph.before(scores).keys()
    for node in graph.nodes:
        multiplies_two_activations = node.op_type == "MatMul" and not any(i in graph.weights for i in node.input)
        if node.op_type == "Softmax" or multiplies_two_activations:
            kept.add(node.name)
    return sorted(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)  # advice on preprocessing, which is done below
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(args.model, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        quantize_static(
            prepared,
            args.output,
            Inputs(args.inputs, graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # 7 bits for weights: without VNNI, pairs of products of 8 bits overflow.
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=kept_in_floats(Graph(graph)),
            calibrate_method=CalibrationMethod.MinMax,
        )


if __name__ == "__main__":
    main()
