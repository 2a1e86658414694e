"""An int8 variant of an ONNX model, calibrated on inputs that `bolid models quantize` writes.

    python scripts/quantize_model.py --model float.onnx --inputs DIR --output int8.onnx

DIR holds the model's input for one photo in each .npy file. What lies between the last convolutions and the output (the
places of boxes and joints, the probabilities) stays in floats: one scale for pixels and probabilities would lose both. So
do those convolutions themselves where they are 1 x 1, and attention.
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


def kept_in_floats(graph: onnx.GraphProto) -> list[str]:
    """The last convolutions, the nodes between them and the output, and attention."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}

    def is_convolution(node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv":
            return False
        weight = numpy_helper.to_array(weights[node.input[1]]) if node.input[1] in weights else None
        # YOLO takes the mean of a box side's distribution by a convolution with the weights 0, 1, 2, …
        return weight is None or not np.array_equal(weight.ravel(), np.arange(weight.size))

    kept, open_ends = set(), [output.name for output in graph.output]
    while open_ends:
        node = makers.get(open_ends.pop())
        if node is None or node.name in kept:
            continue
        if not is_convolution(node):
            kept.add(node.name)
            open_ends += node.input
        elif node.input[1] in weights and list(weights[node.input[1]].dims[2:]) == [1, 1]:
            kept.add(node.name)  # costs next to nothing
    for node in graph.node:
        multiplies_two_activations = node.op_type == "MatMul" and not any(name in weights for name in node.input)
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
            nodes_to_exclude=kept_in_floats(graph),
            calibrate_method=CalibrationMethod.MinMax,
        )


if __name__ == "__main__":
    main()
