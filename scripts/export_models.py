"""Published detectors to ONNX files of the contracts, declared in a models.toml.

    pip install -r scripts/requirements.txt
    python scripts/export_models.py --out .cache/models --bolid target/release/bolid

The weights are other people's work under licences of their own, which is why they are fetched by whoever uses them and
never come with this project. Weights that are in --weights already are not downloaded. What cannot be had is named at
the end, with the exit code 3; the rest is there and declared.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("YOLO_AUTOINSTALL", "false")  # nothing is installed behind the user's back

import torch
from torch import nn
from torch.nn import functional as F

OPSET = 17


@dataclass(frozen=True)
class Source:
    """A published model."""

    name: str
    role: str
    weights: str  # the file's name
    url: str
    licence: str


SOURCES = (
    Source(
        "yolo11n-pose", "people", "yolo11n-pose.pt",
        "https://github.com/ultralytics/assets/releases/download/v8.3.0/yolo11n-pose.pt", "AGPL-3.0",
    ),
    Source(
        "yolov11n-face", "faces", "yolov11n-face.pt",
        "https://github.com/akanametov/yolo-face/releases/download/v0.0.0/yolov11n-face.pt", "AGPL-3.0",
    ),
    Source(
        "watermark-convnext-tiny", "watermark", "convnext-tiny_watermarks_detector.pth",
        "https://huggingface.co/boomb0om/watermark-detectors/resolve/main/convnext-tiny_watermarks_detector.pth",
        "none stated; ask github.com/boomb0om/watermark-detection",
    ),
)  # fmt: skip


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of [n, c, h, w]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """A ConvNeXt block (Liu et al. 2022, fig. 4); the names are those of the published weights."""

    def __init__(self, width: int):
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class WatermarkNet(nn.Module):
    """ConvNeXt-tiny with the head of boomb0om/watermark-detection: [n, 3, 256, 256] -> logits [n, 2]."""

    def __init__(self, depths=(3, 3, 9, 3), widths=(96, 192, 384, 768)):
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), ChannelNorm(widths[0], eps=1e-6))]
            + [
                nn.Sequential(ChannelNorm(narrow, eps=1e-6), nn.Conv2d(narrow, wide, 2, 2))
                for narrow, wide in zip(widths, widths[1:])
            ]
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for depth, width in zip(depths, widths)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.head = nn.Sequential(
            nn.Linear(widths[-1], 512), nn.GELU(), nn.Linear(512, 256), nn.GELU(), nn.Linear(256, 2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for smaller, stage in zip(self.downsample_layers, self.stages):
            x = stage(smaller(x))
        return self.head(self.norm(x.mean((2, 3))))


def fetch(source: Source, folder: Path) -> Path:
    """The weights' file, downloaded where it is not there yet."""
    path = folder / source.weights
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with urllib.request.urlopen(source.url, timeout=60) as answer:
            partial.write_bytes(answer.read())
        partial.rename(path)
    return path


def export_yolo(weights: Path, target: Path) -> None:
    """With open axes, so that the input may follow the photo's shape."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / weights.name  # the exporter writes beside the weights
        copy.write_bytes(weights.read_bytes())
        written = YOLO(copy).export(format="onnx", dynamic=True, opset=OPSET, simplify=False, device="cpu")
        target.write_bytes(Path(written).read_bytes())


def export_watermark(weights: Path, target: Path) -> None:
    """With an open batch."""
    net = WatermarkNet()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    torch.onnx.export(
        net.eval(), (torch.rand(2, 3, 256, 256),), str(target), dynamo=False, opset_version=OPSET,
        input_names=["input"], output_names=["logits"], dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}},
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the ONNX files and their models.toml")
    parser.add_argument("--bolid", type=Path, required=True, help="the program, which checks and declares the files")
    parser.add_argument("--weights", type=Path, help="a folder of weights; what is missing is downloaded into it")
    args = parser.parse_args()
    weights = args.weights or args.out / "weights"
    args.out.mkdir(parents=True, exist_ok=True)
    missing = []
    for source in SOURCES:
        try:
            path = fetch(source, weights)
        except (urllib.error.URLError, OSError) as error:
            missing.append(f"{source.name}: {source.url}: {error}; put the file at {weights / source.weights}")
            continue
        target = args.out / f"{source.name}.onnx"
        (export_watermark if source.role == "watermark" else export_yolo)(path, target)
        command = [
            str(args.bolid), "models", "add", str(target), "--role", source.role, "--name", source.name,
            "--licence", source.licence, "--source", source.url, "--models", str(args.out / "models.toml"),
        ]  # fmt: skip
        subprocess.run(command, check=True)
        print(f"{target}: licence {source.licence}")
    for line in missing:
        print(f"not downloaded: {line}", file=sys.stderr)
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
