"""How well the demo base draws what captions ask for, and a sheet of its pictures.

    cargo run --release -p synth --example training_set -- --seed 4343 --portraits 200 --out unseen
    python examine.py --model ../../tiny-sd --captions unseen --sheet sheet.jpg

Exits with 1 if a figure misses its goal.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from judge import Judge, show
from networks import SIDE
from portraits import Portraits

BATCH = 16
GOALS = {"person found": 0.90, "colour right, of 11": 0.80}


def draw(model: Path, captions: list[str], steps: int, guidance: float, seed: int) -> list[np.ndarray]:
    """A picture of each caption, u8 [64, 64, 3]. The noise of each is its own, whatever the batch."""
    pipeline = StableDiffusionPipeline.from_pretrained(str(model), torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    drawn = []
    for first in range(0, len(captions), BATCH):
        part = captions[first : first + BATCH]
        noise = [torch.Generator().manual_seed(seed * 100_000 + first + i) for i in range(len(part))]
        drawn += list(
            pipeline(
                part, height=SIDE, width=SIDE, num_inference_steps=steps, guidance_scale=guidance, generator=noise,
                output_type="np",
            ).images
        )
        print(f"{len(drawn)} of {len(captions)}", file=sys.stderr, flush=True)
    return [(image * 255).round().astype(np.uint8) for image in drawn]


def sheet(images: list[np.ndarray], across: int) -> Image.Image:
    """Pictures in rows."""
    rows = [np.concatenate(images[i : i + across], 1) for i in range(0, len(images) // across * across, across)]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the folder of the demo base")
    parser.add_argument("--captions", type=Path, required=True, help="a folder of portraits")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=1, help="of the noise")
    parser.add_argument("--sheet", type=Path, help="where the first 48 pictures go")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    captions = Portraits(args.captions, args.count).captions
    images = draw(args.model, captions, args.steps, args.guidance, args.seed)
    if args.sheet:
        sheet(images[:48], 8).save(args.sheet, quality=88)
        args.sheet.with_suffix(".txt").write_text("".join(f"{caption}\n" for caption in captions[:48]))
    figures = Judge().figures(images, captions)
    show(figures)
    missed = [name for name, goal in GOALS.items() if figures[name] < goal]
    if missed:
        sys.exit(f"below its goal: {', '.join(missed)}")


if __name__ == "__main__":
    main()
