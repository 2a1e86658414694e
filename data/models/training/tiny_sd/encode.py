"""Portraits to latents, as they are and mirrored, in shards: an interrupted run goes on.

    python encode.py --data DIR --work DIR
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import principal
from networks import SIDE
from portraits import DRAWN, Portraits

SHARD = 1024


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="latents/ and scale.json come here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = Portraits(args.data)
    components = principal.fit(data)
    content = data.content()
    folder = args.work / "latents"
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(data), SHARD):
        path = folder / f"{first:06}.safetensors"
        index = np.arange(first, min(first + SHARD, len(data)))
        if not path.exists():
            image = data.batch(index)
            shard = {"mean": principal.encode(image, *components), "content": content[index],
                     "mirrored": principal.encode(image.flip(3), *components),
                     "clutter": clutter(image, [data.rows[i] for i in index])}
            save_file(shard, path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)
        if first == 0:
            measure(path, args.work / "scale.json")
        print(f"{index[-1] + 1} of {len(data)}", flush=True)


def clutter(image: torch.Tensor, rows: list[dict]) -> torch.Tensor:
    """How busy the ground behind each person is: mean difference of neighbouring pixels outside the person's box."""
    grey = image.mean(1)
    steps = (grey[:, 1:, 1:] - grey[:, :-1, 1:]).abs() + (grey[:, 1:, 1:] - grey[:, 1:, :-1]).abs()
    outside = torch.zeros_like(steps)
    for mask, row in zip(outside, rows):
        left, top, right, bottom = scaled(row["content"])
        mask[top + 1 : bottom - 1, left + 1 : right - 1] = 1
        left, top, right, bottom = scaled(row["person"])
        mask[top:bottom, left:right] = 0
    return (steps * outside).sum((1, 2)) / outside.sum((1, 2)).clamp(min=1)


def scaled(box: list[float]) -> list[int]:
    """A box of the file in pixels of the picture."""
    return [int(at * SIDE / DRAWN) for at in box]


def measure(path: Path, out: Path) -> None:
    """The factor that gives latents a deviation of 1, from cells that show the photo."""
    held = load_file(path)
    shown = held["content"].expand_as(held["mean"]) > 0
    scale = 1 / held["mean"][shown].std().item()
    print(f"scaling_factor {scale:.5f}")
    out.write_text(json.dumps(round(scale, 5)))


if __name__ == "__main__":
    main()
