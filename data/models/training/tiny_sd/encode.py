"""Portraits to latents, in shards: an interrupted run goes on, and train_unet.py can start on the first ones.

    python encode.py --data DIR --work DIR
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import networks
from portraits import Portraits

SHARD = 1024
ENOUGH = 4096  # latents that the scale is measured on


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="with vae.pt; latents/ and scale.json come here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = Portraits(args.data)
    vae = networks.vae().eval()
    vae.load_state_dict(torch.load(args.work / "vae.pt")["average"])
    content = data.content()
    folder = args.work / "latents"
    folder.mkdir(exist_ok=True)
    for first in range(0, len(data), SHARD):
        path = folder / f"{first:06}.safetensors"
        index = np.arange(first, min(first + SHARD, len(data)))
        if not path.exists():
            moments = [vae.encode(data.batch(part)).latent_dist for part in np.array_split(index, 64)]
            shard = {"mean": torch.cat([m.mean for m in moments]), "std": torch.cat([m.std for m in moments])}
            shard["content"] = content[index]
            save_file(shard, path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)
        if first == 0:
            measure(path, args.work / "scale.json")
        print(f"{index[-1] + 1} of {len(data)}", flush=True)


def measure(shard: Path, out: Path) -> None:
    """The factor that gives latents a deviation of 1, from cells that show the photo."""
    from safetensors.torch import load_file

    held = load_file(shard)
    sample = held["mean"] + held["std"] * torch.randn(held["mean"].shape, generator=torch.Generator().manual_seed(1))
    shown = held["content"].expand_as(sample) > 0
    scale = 1 / sample[shown].std().item()
    print(f"scaling_factor {scale:.5f}, mean {sample[shown].mean():.3f}, by channel "
          f"{[round(s.std().item() * scale, 2) for s in sample.unbind(1)]}")
    out.write_text(json.dumps(round(scale, 5)))


if __name__ == "__main__":
    main()
