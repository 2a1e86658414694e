"""Trains the demo base's image autoencoder.

    python train_vae.py --data DIR --out vae.pt --minutes 25
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import networks
from loop import Run
from portraits import SIDE, Portraits

CROP = 64  # early on, more pictures are worth more than whole ones
WHOLE_FROM = 0.6  # the share of the run after which whole pictures come: normalisations see what they will see
GUIDED_UNTIL = 0.4  # the share of the run in which latents are pulled to mean colours, less and less
KL = 2e-4  # per element: latents stay within a few deviations, and smooth enough to be denoised


def edges(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences of neighbours."""
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]


def loss_of(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Distances of brightness and colour, and of edges at three sizes: outlines of limbs count more than the plain
    walls behind."""
    found, wanted = apart(found), apart(wanted)
    total = (found - wanted).abs().mean() + 2 * (found - wanted).square().mean()
    for size in range(3):
        if size:
            found, wanted = F.avg_pool2d(found, 2), F.avg_pool2d(wanted, 2)
            total = total + 0.5 * (found - wanted).abs().mean()
        for a, b in zip(edges(found), edges(wanted)):
            total = total + 0.5 * (a - b).abs().mean()
    return total


def apart(image: torch.Tensor) -> torch.Tensor:
    """RGB -> brightness and two differences of colours: of RGB, a grey picture would already get most right."""
    r, g, b = image.unbind(1)
    grey = (r + g + b) / 3
    return torch.stack([grey, r - g, b - grey], 1)


def colours(image: torch.Tensor) -> torch.Tensor:
    """What the first three channels of latents are pulled to at first: mean colours of their cells. Without it, latents
    tell nothing but brightness for as long as the decoder reads nothing else from them."""
    return 2 * apart(F.avg_pool2d(image, 8))


def crop(images: torch.Tensor, rows: list[dict]) -> torch.Tensor:
    """A part of each picture near the person."""
    parts = []
    for image, row in zip(images, rows):
        left, top, right, bottom = row["person"]
        x = np.random.uniform(left, right) - CROP / 2 + np.random.uniform(-16, 16)
        y = np.random.uniform(top, bottom) - CROP / 2 + np.random.uniform(-16, 16)
        x, y = (int(np.clip(at, 0, SIDE - CROP)) for at in (x, y))
        parts.append(image[:, y : y + CROP, x : x + CROP])
    return torch.stack(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint; an unfinished one is resumed")
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--rate", type=float, default=3e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = Portraits(args.data)
    run = Run(networks.vae(), args.out, args.minutes, args.rate, plain=("conv_in", "conv_out", "quant_conv"))
    np.random.seed(run.step)
    torch.manual_seed(run.step)
    while not run.is_over:
        is_whole = run.progress > WHOLE_FROM
        index = np.sort(np.random.choice(len(data), 4 if is_whole else 16, replace=False))
        image = data.batch(index)
        if not is_whole:
            image = crop(image, [data.rows[i] for i in index])
        image = image.flip(3) if np.random.rand() < 0.5 else image
        latents = run.model.encode(image).latent_dist
        found = run.model.decode(latents.sample()).sample
        kl = latents.kl().mean() / latents.mean[0].numel()
        loss = loss_of(found, image)
        guide = max(0.0, 1 - run.progress / GUIDED_UNTIL)
        if guide:
            loss = loss + guide * (latents.mean[:, :3] - colours(image)).square().mean()
        psnr = -10 * torch.log10((found - image).square().mean() / 4)
        run.descend(loss + KL * kl, {"loss": loss, "kl": kl, "psnr": psnr})


if __name__ == "__main__":
    main()
