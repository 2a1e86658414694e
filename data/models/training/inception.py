"""Exports InceptionV3 of 2015-12-05, whose features the Fréchet Inception distance is defined by, for `bolid evaluate --inception`.

    pip install torch torchvision pytorch-fid onnx onnxscript
    python inception.py --out inception-2015-12-05.onnx

Weights and network are pytorch-fid's (Apache-2.0), converted from TensorFlow's; they are downloaded (91 MB) unless --weights
names the file. Input: pictures f32 [n, 3, height, width] in 0..1 of any size, resized to 299 x 299 as pytorch-fid does it
(bilinear, no alignment of corners, no smoothing). Outputs: `features` [n, 2048] after the last pool, and `logits` [n, 1008]
without the bias, as the Inception score takes them (Salimans et al. 2016, their code).
"""

import argparse
from pathlib import Path
from unittest import mock

import torch
from pytorch_fid import inception
from torch import nn
from torch.nn import functional as F


class Network(nn.Module):
    """Features and logits of pictures in 0..1."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.blocks = inception_blocks(network)
        self.weight = network.fc.weight

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = F.interpolate(images, size=(299, 299), mode="bilinear", align_corners=False)
        features = self.blocks(2 * x - 1).flatten(1)
        return features, features @ self.weight.T


def inception_blocks(network: nn.Module) -> nn.Sequential:
    """pytorch-fid's blocks up to the last pool, with the given network's weights."""
    with mock.patch.object(inception, "fid_inception_v3", lambda: network):
        blocks = inception.InceptionV3([3], resize_input=False, normalize_input=False).blocks
    return nn.Sequential(*blocks)


def load(weights: Path | None) -> nn.Module:
    """The network, with downloaded weights or those of a file."""
    if weights is None:
        return inception.fid_inception_v3()
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights)):
        return inception.fid_inception_v3()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("inception-2015-12-05.onnx"))
    parser.add_argument("--weights", type=Path, help="pt_inception-2015-12-05-6726825d.pth")
    args = parser.parse_args()
    network = Network(load(args.weights)).eval()
    open_sizes = {0: "n", 2: "height", 3: "width"}
    torch.onnx.export(
        network, (torch.zeros(2, 3, 96, 80),), args.out, input_names=["images"], output_names=["features", "logits"],
        dynamic_axes={"images": open_sizes, "features": {0: "n"}, "logits": {0: "n"}}, dynamo=False,
    )


if __name__ == "__main__":
    main()
