"""The autoencoder's encoder, computed instead of trained: the principal components of cells of pictures.

A cell of 4 x 4 pixels has 48 numbers; those along which cells differ most are its latent. The encoder of `AutoencoderKL` can
compute them: its residual branches are left at nothing, its strided convolutions take cells apart, and what its last SiLU
bends is put straight by having each number twice, with both signs, for silu(x) - silu(-x) = x.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from networks import CELL, LATENTS
from portraits import Portraits

ENOUGH = 3000  # pictures whose cells are looked at
LOUD = 100.0  # constants beside the numbers, so large that the last normalisation divides by them alone
NOISE = 0.02  # standard deviation of a sample of a latent around its mean; latents' own is 1


def fit(data: Portraits) -> tuple[torch.Tensor, torch.Tensor]:
    """[16, 3, 4, 4] and [16]: a linear map from cells, and what it adds. Components are divided by the fourth root of their
    variance: details are smaller than colours, as in the picture, but not by as much, so that noise drowns both in time."""
    index = np.linspace(0, len(data) - 1, min(ENOUGH, len(data))).astype(int)
    cells = torch.cat([F.unfold(data.batch(part), CELL, stride=CELL) for part in np.array_split(index, 30)])
    cells = cells.permute(0, 2, 1).flatten(0, 1).double()
    mean = cells.mean(0)
    cells -= mean
    axes, variances, _ = torch.linalg.svd(cells.T @ cells / len(cells))
    axes, variances = axes[:, :LATENTS], variances[:LATENTS]
    axes = axes * axes.sum(0).sign()  # the sign of a component is nobody's choice: bright is more
    rows = (axes / variances**0.25).T
    rows = rows / (variances**0.5).mean() ** 0.5
    added = -rows @ mean
    return rows.float().reshape(LATENTS, 3, CELL, CELL), added.float()


def of(work: Path, data: Portraits) -> tuple[torch.Tensor, torch.Tensor]:
    """The map of a work folder, fitted the first time: latents and the decoder that reads them have to share it."""
    path = work / "components.safetensors"
    if not path.exists():
        rows, added = fit(data)
        save_file({"rows": rows.contiguous(), "added": added}, path)
    held = load_file(path)
    return held["rows"], held["added"]


@torch.no_grad()
def put(vae: AutoencoderKL, rows: torch.Tensor, added: torch.Tensor) -> None:
    """Sets the encoder's weights."""
    encoder = vae.encoder
    resnets = [resnet for block in encoder.down_blocks for resnet in block.resnets] + list(encoder.mid_block.resnets)
    for resnet in resnets:
        resnet.conv2.weight.zero_()
        resnet.conv2.bias.zero_()
    first, second, last = encoder.down_blocks
    kernels = [encoder.conv_in, first.downsamplers[0].conv, second.resnets[0].conv_shortcut,
               second.downsamplers[0].conv, last.resnets[0].conv_shortcut, encoder.conv_out, vae.quant_conv,
               vae.post_quant_conv]
    for kernel in kernels:
        kernel.weight.zero_()
        kernel.bias.zero_()
    for colour in range(3):
        encoder.conv_in.weight[colour, colour, 1, 1] = 1
        for y in range(2):
            for x in range(2):
                part = (2 * y + x) * 3 + colour
                first.downsamplers[0].conv.weight[part, colour, y, x] = 1
                second.downsamplers[0].conv.weight[:LATENTS, part, :2, :2] = rows[:, colour, y::2, x::2]
    second.downsamplers[0].conv.bias[:LATENTS] = added
    for part in range(12):
        second.resnets[0].conv_shortcut.weight[part, part] = 1
    groups = encoder.conv_norm_out.num_groups
    width, each = encoder.conv_norm_out.num_channels // groups, LATENTS // groups
    shortcut = last.resnets[0].conv_shortcut
    for group in range(groups):
        for i in range(each):
            number, at = group * each + i, group * width + 2 * i
            shortcut.weight[at, number], shortcut.weight[at + 1, number] = 1, -1
            encoder.conv_out.weight[number, at, 1, 1], encoder.conv_out.weight[number, at + 1, 1, 1] = 1, -1
        loud = group * width + 2 * each
        shortcut.bias[loud], shortcut.bias[loud + 1] = LOUD, -LOUD
    encoder.conv_norm_out.weight.fill_(LOUD * (2 / width) ** 0.5)
    encoder.conv_norm_out.bias.zero_()
    encoder.conv_out.bias[LATENTS:] = 2 * torch.tensor(NOISE).log()
    for number in range(2 * LATENTS):
        vae.quant_conv.weight[number, number] = 1
    for number in range(LATENTS):
        vae.post_quant_conv.weight[number, number] = 1


def encode(image: torch.Tensor, rows: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """What the encoder computes, in one step: [n, 3, height, width] -> means [n, 16, height / 4, width / 4]."""
    return F.conv2d(image, rows, added, stride=CELL)
