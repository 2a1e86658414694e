"""Trains the decoder of the demo base's autoencoder; its encoder is computed (principal.py).

    python train_vae.py --data DIR --work DIR --minutes 40
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import networks
import principal
from loop import Run
from muon import HAS_BF16
from networks import CELL, SIDE
from portraits import DRAWN, Portraits

BATCH = 12  # whole pictures
CROP = 32  # pixels; early on, more pictures are worth more than whole ones
CROPS = 48  # as many pixels as in a batch of whole ones
WHOLE_FROM = 0.5  # the share of the run after which whole pictures come: normalisations see what they will see
PERSON = 4.0  # a pixel of the person's box counts so much more than one of the ground
BLUR = 0.25  # deviation of noise on latents, at most; their own is 1: what the UNet leaves of it must not become grain


def edges(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences of neighbours."""
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]


def loss_of(found: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Distances of brightness and colour, and of edges: outlines of limbs count more than the plain walls behind.
    `weight` [n, 1, height, width] says which pixels count how much."""
    off = apart(found) - apart(wanted)
    across, down = edges(off)
    of_edges = (weight[..., 1:] * across.abs()).mean() + (weight[..., 1:, :] * down.abs()).mean()
    return (weight * (off.abs() + 2 * off.square())).mean() + 0.5 * of_edges


def apart(image: torch.Tensor) -> torch.Tensor:
    """RGB -> brightness and two differences of colours: of RGB, a grey picture would already get most right."""
    r, g, b = image.unbind(1)
    grey = (r + g + b) / 3
    return torch.stack([grey, r - g, b - grey], 1)


def weights(rows: list[dict]) -> torch.Tensor:
    """[n, 1, 64, 64]: PERSON in the person's box, 1 elsewhere, over the mean."""
    weight = torch.ones(len(rows), 1, SIDE, SIDE)
    for mask, row in zip(weight, rows):
        left, top, right, bottom = (int(at * SIDE / DRAWN) for at in row["person"])
        mask[:, top : bottom + 1, left : right + 1] = PERSON
    return weight / weight.mean()


def crop(image: torch.Tensor, weight: torch.Tensor, rows: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
    """A part of each picture near the person, in whole cells."""
    parts = []
    for i, row in enumerate(rows):
        left, top, right, bottom = (at * SIDE / DRAWN for at in row["person"])
        middle = np.random.uniform(left, right), np.random.uniform(top, bottom)
        x, y = (int(np.clip(at - CROP / 2, 0, SIDE - CROP)) // CELL * CELL for at in middle)
        parts.append((image[i, :, y : y + CROP, x : x + CROP], weight[i, :, y : y + CROP, x : x + CROP]))
    return torch.stack([part for part, _ in parts]), torch.stack([part for _, part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="vae.pt comes here; an unfinished one is resumed")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--rate", type=float, default=3e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = Portraits(args.data)
    args.work.mkdir(parents=True, exist_ok=True)
    components = principal.of(args.work, data)
    model = networks.vae()
    principal.put(model, *components)
    model.encoder.requires_grad_(False)
    model.quant_conv.requires_grad_(False)
    model.post_quant_conv.requires_grad_(False)
    run = Run(model.to(memory_format=torch.channels_last), args.work / "vae.pt", args.minutes, args.rate, ("conv_in", "conv_out"))
    np.random.seed(run.step)
    torch.manual_seed(run.step)
    while not run.is_over:
        is_whole = run.progress > WHOLE_FROM
        index = np.sort(np.random.choice(len(data), BATCH if is_whole else CROPS, replace=False))
        rows = [data.rows[i] for i in index]
        image, weight = data.batch(index), weights(rows)
        if not is_whole:
            image, weight = crop(image, weight, rows)
        if np.random.rand() < 0.5:
            image, weight = image.flip(3), weight.flip(3)
        latents = principal.encode(image, *components)
        latents = latents + BLUR * np.random.rand() * torch.randn_like(latents)
        with torch.autocast("cpu", torch.bfloat16, enabled=HAS_BF16):
            found = run.model.decode(latents.contiguous(memory_format=torch.channels_last)).sample.float()
        loss = loss_of(found, image, weight)
        psnr = -10 * torch.log10((found - image).square().mean() / 4)
        run.descend(loss, {"loss": loss, "psnr": psnr})


if __name__ == "__main__":
    main()
