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
from portraits import Portraits

SHARD = 1024


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="latents/ and scale.json come here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = Portraits(args.data)
    folder = args.work / "latents"
    folder.mkdir(parents=True, exist_ok=True)
    components = principal.of(args.work, data)
    for first in range(0, len(data), SHARD):
        path = folder / f"{first:06}.safetensors"
        index = np.arange(first, min(first + SHARD, len(data)))
        if not path.exists():
            image = data.batch(index)
            shard = {"mean": principal.encode(image, *components),
                     "mirrored": principal.encode(image.flip(3), *components)}
            save_file(shard, path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)
        if first == 0:
            measure(path, args.work / "scale.json")
        print(f"{index[-1] + 1} of {len(data)}", flush=True)


def measure(path: Path, out: Path) -> None:
    """The factor that gives latents a deviation of 1."""
    scale = 1 / load_file(path)["mean"].std().item()
    print(f"scaling_factor {scale:.5f}")
    out.write_text(json.dumps(round(scale, 5)))


if __name__ == "__main__":
    main()
