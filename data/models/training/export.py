"""Writes faces.onnx, pose.onnx and watermark.onnx, and declares them in models.toml.

    python export.py --people people.pt --marks marks.pt
"""

import argparse
import hashlib
import sys
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.nn import functional as F

from network import INPUT, JOINTS, MARK_INPUT, STRIDE, MarkNet, PeopleNet, cell_centres, decode_boxes, decode_joints

MODELS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(MODELS.parents[1] / "scripts"))
from free_axes import Graph  # noqa: E402

MULTIPLE = 64  # the coarsest grid has a cell per 64 px, and every finer one twice as many
PEOPLE = 20  # rows of the pose model's output
SEARCH = 0.2  # standard deviation of a joint's true place around the first, of the larger side of the box
BELIEVE = 0.1  # a cell that is less sure than this does not move the joint
LARGEST = 4_000_000  # bytes of a file in the repository


class Finder(nn.Module):
    """What the two detectors share: [n, 3, 640, 640] in 0..1 -> raw channels, boxes and scores in pixels of 640."""

    def __init__(self, net: PeopleNet, head: nn.Module, shift: float):
        super().__init__()
        self.backbone, self.head, self.shift = net.backbone, head, shift

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """[n, 64, 40, 40]"""
        return self.backbone(F.avg_pool2d(images, 640 // INPUT))

    def boxes(self, raw: torch.Tensor) -> torch.Tensor:
        """[n, 5, 1600] = cx, cy, w, h, score; the score is 0 in cells beside a better one."""
        corners = decode_boxes(raw[:, 1:5]) * 2
        low, high = corners[:, :2], corners[:, 2:]
        peak = raw[:, :1] >= F.max_pool2d(raw[:, :1], 3, 1, 1)
        score = (raw[:, :1] + self.shift).sigmoid() * peak
        return torch.cat([(low + high) / 2, high - low, score], 1).flatten(2)


class Faces(Finder):
    """-> [n, 5, 1600]"""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.boxes(self.head(self.features(images)))


class Pose(Finder):
    """-> [n, 56, 20], best first: more people than that are a crowd.

    A joint is first placed as seen from the person's centre. Then every cell says whether the joint is near it and
    where; the cell that is surest, the less the farther it is from the first place, has the last word.
    """

    def __init__(self, net: PeopleNet, shift: float):
        super().__init__(net, net.people, shift)
        self.field = net.field

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images)
        return self.decode(self.head(features), self.field(features))

    def decode(self, raw: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
        """What the two heads say -> [n, 56, 20]."""
        boxes = self.boxes(raw)
        best = boxes[:, 4].topk(PEOPLE).indices[:, None]  # [n, 1, 20]
        boxes = boxes.gather(2, best.expand(-1, 5, -1))
        first = decode_joints(raw[:, 5:39]).flatten(3).flatten(1, 2)
        first = first.gather(2, best.expand(-1, JOINTS * 2, -1)).unflatten(1, (JOINTS, 2))  # [n, 17, 2, 20]
        field = field.flatten(2).unflatten(1, (JOINTS, 3))
        sure = field[:, :, 0].sigmoid()  # [n, 17, 1600]
        there = field[:, :, 1:] * STRIDE + cell_centres().flatten(1)  # [n, 17, 2, 1600]
        reach = SEARCH * boxes[:, 2:4].amax(1)[:, None, :, None] / 2  # [n, 1, 20, 1]
        away = (there[:, :, :, None] - first[..., None]).square().sum(2)  # [n, 17, 20, 1600]
        cell = (sure[:, :, None] * torch.exp(away / (-2 * reach * reach))).argmax(3)  # [n, 17, 20]
        believed = sure.gather(2, cell)[:, :, None]
        there = torch.stack([there[:, :, axis].gather(2, cell) for axis in (0, 1)], 2)
        place = torch.where(believed > BELIEVE, there, first) * 2
        visible = raw[:, 39:].flatten(2).gather(2, best.expand(-1, JOINTS, -1)).sigmoid()
        joints = torch.cat([place, visible[:, :, None]], 2).flatten(1, 2)
        return torch.cat([boxes, joints], 1)


class Watermark(nn.Module):
    """-> logits [n, 2] = clean, watermark, scaled and shifted so that 0.5 is the threshold of a photo's ten regions."""

    def __init__(self, net: MarkNet, scale: float, shift: float):
        super().__init__()
        self.net = net
        with torch.no_grad():
            net.out.weight *= scale
            net.out.bias *= scale
            net.out.bias[1] += shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[0]


def write(module: nn.Module, path: Path, name: str, side: int, output: str) -> None:
    """Exports with a dynamic batch and refuses a file that is too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations and traced constants
        torch.onnx.export(
            module.eval(), (torch.rand(2, 3, side, side),), str(path), dynamo=False, opset_version=17,
            input_names=[name], output_names=[output], dynamic_axes={name: {0: "n"}, output: {0: "n"}},
        )  # fmt: skip
    if side == 2 * INPUT:  # a detector: its input may follow the photo's shape
        path.write_bytes(Graph(onnx.load(path)).open().SerializeToString())
    size = path.stat().st_size
    assert size <= LARGEST, f"{path} has {size} bytes, more than {LARGEST}"
    print(f"{path.name}: {size} bytes")


def declare(rows: list[tuple]) -> None:
    """models.toml from (role, file, side, normalisation, output)."""
    text = ("# The demo models, made by training/export.py. One table per model; `role` is watermark, faces, people or "
            "face_embedding.\n")
    for role, file, side, normalisation, output in rows:
        multiple = f"input_multiple = {MULTIPLE}\n" if side == 2 * INPUT else ""
        digest = hashlib.sha256((MODELS / file).read_bytes()).hexdigest()
        text += (
            f'\n[[model]]\nname = "demo-{role}"\nrole = "{role}"\nfile = "{file}"\nsha256 = "{digest}"\n'
            f"input_size = [{side}, {side}]\n{multiple}"
            f'normalisation = "{normalisation}"\noutput = "{output}"\n'
            f'licence = "Apache-2.0"\nsource = "data/models/training"\n'
        )
    (MODELS / "models.toml").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=Path, help="checkpoint of PeopleNet; left out: its two files stay")
    parser.add_argument("--marks", type=Path, help="checkpoint of MarkNet; left out: its file stays")
    parser.add_argument("--face-shift", type=float, default=0.0, help="added to the faces' score logits")
    parser.add_argument("--person-shift", type=float, default=0.0, help="added to the people's score logits")
    parser.add_argument("--mark-scale", type=float, default=1.0, help="the watermark logits are multiplied by it")
    parser.add_argument("--mark-shift", type=float, default=0.0, help="then added to the watermark's logit")
    args = parser.parse_args()
    if args.people:
        net = PeopleNet()
        net.load_state_dict(torch.load(args.people, map_location="cpu")["average"])
        write(Faces(net, net.faces, args.face_shift), MODELS / "faces.onnx", "images", 640, "output0")
        write(Pose(net, args.person_shift), MODELS / "pose.onnx", "images", 640, "output0")
    if args.marks:
        net = MarkNet()
        net.load_state_dict(torch.load(args.marks, map_location="cpu")["average"])
        module = Watermark(net, args.mark_scale, args.mark_shift)
        write(module, MODELS / "watermark.onnx", "input", MARK_INPUT, "logits")
    declare(
        [
            ("watermark", "watermark.onnx", MARK_INPUT, "imagenet", "logits[n,2]"),
            ("faces", "faces.onnx", 640, "unit", "yolo[n,5,anchors]"),
            ("people", "pose.onnx", 640, "unit", "yolo[n,56,anchors]"),
        ]
    )


if __name__ == "__main__":
    main()
