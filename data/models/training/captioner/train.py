"""Trains the demo captioner from nothing on small drawn photos with captions.

    python train.py --data DIR --work DIR --minutes 60

Makes WORK/tokenizer and WORK/blip.pt; a run that was stopped goes on from there.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

import vocabulary
from network import ACROSS, Taught
from squares import Squares

sys.path.append(str(Path(__file__).parents[1] / "tiny_sd"))
from loop import Run  # noqa: E402

BATCH = 64
POOL = 16  # batches that are drawn together and sorted by length: captions of several people are three times as long
WORN = 0.1  # weight of the error of words at points
SPARSE = 0.6  # share of the run in which half of the patches is looked at: twice the photos in the same time


def batches(data: Squares, rng: np.random.Generator):
    """Indices of photos whose captions are of about one length, for ever; every photo once before any is drawn again."""
    lengths = (data.ids[0] != vocabulary.PAD).sum(1).numpy()
    while True:
        order = rng.permutation(len(data))
        for first in range(0, len(order), POOL * BATCH):
            pool = order[first : first + POOL * BATCH]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            parts = [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
            yield from (np.sort(parts[i]) for i in rng.permutation(len(parts)))


def tokenizer(work: Path, data: Squares):
    """The one of the work folder, made from the captions if it is not there."""
    folder = work / "tokenizer"
    if not folder.exists():
        vocabulary.tokenizer(data.captions).save_pretrained(folder)
    return vocabulary.load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with captions.u8 and captions.jsonl")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--sparse", type=float, default=SPARSE)
    parser.add_argument("--start", type=Path, help="the blip.pt of another run, whose averaged weights this one begins with")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    args.work.mkdir(parents=True, exist_ok=True)
    data = Squares(args.data)
    made = tokenizer(args.work, data)
    data.prepare(made)
    model = Taught(len(made)).train()
    if args.start:
        model.load_state_dict(torch.load(args.start)["average"])
    plain = ("embedding", "reader", "cls.predictions.decoder")
    run = Run(model, args.work / "blip.pt", args.minutes, args.rate, plain)
    rng = np.random.default_rng(run.step)
    torch.manual_seed(run.step)
    print(f"{len(data)} photos, {len(made)} tokens, {sum(p.numel() for p in model.blip.parameters()) / 1e6:.2f} M parameters")
    drawn = batches(data, rng)
    while not run.is_over:
        patches = ACROSS * ACROSS
        errors = model(data.batch(next(drawn), rng), patches // 2 if run.progress < args.sparse else patches)
        run.descend(errors["words"] + WORN * errors["worn"], errors)


if __name__ == "__main__":
    main()
