"""Opens the fixed height and width of a detector's ONNX file, so that its input may follow the photo's shape.

    python scripts/free_axes.py fixed.onnx open.onnx

Weights stay as they are. What a square export froze into constants is computed from the input again: the shapes of
reshapes, and the places of the cells, which for a smaller grid are the upper left part of those of the square. The
result is checked: at the full size it gives what the fixed file gives, to the bit, and it runs at smaller sizes.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

STRIDES = (2, 4, 8, 16, 32, 64)


class Graph:
    """A model whose nodes are changed one after the other."""

    def __init__(self, model: onnx.ModelProto):
        self.model, self.graph = model, model.graph
        self.image = self.graph.input[0]
        shape = [axis.dim_value for axis in self.image.type.tensor_type.shape.dim]
        if len(shape) != 4 or shape[2] != shape[3] or not shape[2]:
            raise SystemExit(f"the input is {shape}; a fixed square [n,3,side,side] is expected")
        self.side = shape[2]
        self.grids = {self.side // stride: stride for stride in STRIDES if self.side % stride == 0}
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                value = {a.name: a for a in node.attribute}.get("value")
                if value is not None:
                    self.constants[node.output[0]] = numpy_helper.to_array(value.t)
        self.new: list[onnx.NodeProto] = []
        self.sides: dict[int, str] = {}
        self.count = 0

    def name(self, what: str) -> str:
        self.count += 1
        return f"open_axes/{what}_{self.count}"

    def constant(self, values) -> str:
        name = self.name("constant")
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes) -> str:
        output = self.name(kind.lower())
        self.new.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def cells(self, stride: int) -> str:
        """Height and width of the grid of a stride, i64 [2]."""
        if stride not in self.sides:
            shape = self.node("Shape", [self.image.name], start=2, end=4)
            self.sides[stride] = self.node("Div", [shape, self.constant(np.array([stride], np.int64))])
        return self.sides[stride]

    def cell_counts(self) -> dict[int, list[int]]:
        """How many cells an output of one or of several levels has: the strides of its levels, finest first."""
        counts = {grid * grid: [stride] for grid, stride in self.grids.items()}
        counts[sum((self.side // stride) ** 2 for stride in (8, 16, 32))] = [8, 16, 32]
        return counts

    def open_reshape(self, node: onnx.NodeProto) -> None:
        """A shape of constants: what depends on the input's size is computed, or left to be inferred."""
        target = self.constants.get(node.input[1])
        if target is None:
            return
        target = target.tolist()
        counts = self.cell_counts()
        spatial = [i for i, length in enumerate(target) if i and length in self.grids]
        pairs = [(a, b) for a in spatial for b in spatial if a < b and target[a] == target[b]]
        if pairs:
            high, wide = pairs[-1]
            cells = self.cells(self.grids[target[high]])

            def part(i: int) -> str:
                return self.node("Slice", [cells, *(self.constant(np.array([k], np.int64)) for k in (i, i + 1))])

            # 0 copies the batch from the input
            pieces = [self.constant(np.array([length if i else 0], np.int64)) for i, length in enumerate(target)]
            pieces[high], pieces[wide] = part(0), part(1)
            node.input[1] = self.node("Concat", pieces, axis=0)
        elif any(length in counts for length in target[2:]):
            place = max(i for i, length in enumerate(target) if length in counts)
            opened = [0, *target[1:place], -1, *target[place + 1 :]]
            node.input[1] = self.constant(np.array(opened, np.int64))

    def open_cells(self, node: onnx.NodeProto) -> None:
        """Constants per cell: for each level the upper left part of its grid."""
        counts = self.cell_counts()
        for i, name in enumerate(node.input):
            value = self.constants.get(name)
            if value is None or value.ndim < 2:
                continue
            if value.ndim > 2 and value.shape[-1] == value.shape[-2] and value.shape[-1] in self.grids:
                node.input[i] = self.part_of(value, self.grids[value.shape[-1]])
            elif value.shape[-1] in counts:
                parts, at = [], 0
                for stride in counts[value.shape[-1]]:
                    grid = self.side // stride
                    level = value[..., at : at + grid * grid].reshape(*value.shape[:-1], grid, grid)
                    at += grid * grid
                    flat = self.constant(np.array([*value.shape[:-1], -1], np.int64))
                    parts.append(self.node("Reshape", [self.part_of(level, stride), flat]))
                node.input[i] = parts[0] if len(parts) == 1 else self.node("Concat", parts, axis=-1)

    def part_of(self, value: np.ndarray, stride: int) -> str:
        """The upper left part of [..., grid, grid], as large as the input's grid."""
        axes = self.constant(np.array([value.ndim - 2, value.ndim - 1], np.int64))
        start = self.constant(np.array([0, 0], np.int64))
        return self.node("Slice", [self.constant(value), start, self.cells(stride), axes])

    def open(self) -> onnx.ModelProto:
        nodes = list(self.graph.node)
        opened = []
        for node in nodes:
            if node.op_type == "Reshape":
                self.open_reshape(node)
            elif node.op_type in ("Add", "Sub", "Mul", "Div"):
                self.open_cells(node)
            opened += [*self.new, node]
            self.new.clear()
        del self.graph.node[:]
        self.graph.node.extend(opened)
        for i, axis in ((2, "height"), (3, "width")):
            self.image.type.tensor_type.shape.dim[i].dim_param = axis
        last = self.graph.output[0].type.tensor_type.shape.dim
        if len(last) == 3 and last[2].dim_value in self.cell_counts():
            last[2].dim_param = "anchors"
        del self.graph.value_info[:]  # shapes that held for the square
        used = {name for node in opened for name in node.input}
        for unused in [tensor for tensor in self.graph.initializer if tensor.name not in used]:
            self.graph.initializer.remove(unused)
        for unused in [node for node in self.graph.node if node.op_type == "Constant" and node.output[0] not in used]:
            self.graph.node.remove(unused)
        onnx.checker.check_model(self.model)
        return self.model


def check(fixed: Path, opened: Path, side: int) -> None:
    """The same bits at the full size; another number of cells at a smaller one."""
    random = np.random.default_rng(1)
    sessions = [onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (fixed, opened)]
    image = random.random((1, 3, side, side), np.float32)
    name = sessions[0].get_inputs()[0].name
    before, after = (session.run(None, {name: image})[0] for session in sessions)
    if not np.array_equal(before, after):
        raise SystemExit(f"the opened file differs by {np.abs(before - after).max()} at the full size")
    smaller = sessions[1].run(None, {name: image[:, :, :, : side - 128]})[0]
    print(f"{opened}: {before.shape} at {side}×{side}, {smaller.shape} at {side - 128}×{side}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixed", type=Path)
    parser.add_argument("opened", type=Path)
    args = parser.parse_args()
    graph = Graph(onnx.load(args.fixed))
    args.opened.write_bytes(graph.open().SerializeToString())
    check(args.fixed, args.opened, graph.side)


if __name__ == "__main__":
    main()
