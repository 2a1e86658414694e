"""Trains PeopleNet or MarkNet on the CPU; a checkpoint after every epoch, so that a stop loses one epoch at most.

    python train.py people --data DIR --out people.pt --epochs 14
    python train.py marks  --data DIR --out marks.pt  --epochs 24 --batch 32 --start ../watermark.onnx
"""

import argparse
import copy
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

from dataset import People
from losses import mark_loss, people_loss
from marks import Marks
from muon import Muon
from network import MarkNet, PeopleNet
from restore import restore

KINDS = {"people": (People, PeopleNet, people_loss), "marks": (Marks, MarkNet, mark_loss)}
WARM_UP = 150  # steps; batch normalisation needs a moment before full steps do no harm
MEMORY = 400  # steps over which the averaged weights forget


@torch.no_grad()
def follow(average: torch.nn.Module, model: torch.nn.Module, step: int) -> None:
    """Moves the averaged weights towards the current ones, faster in the beginning."""
    keep = min(1 - 1 / MEMORY, step / (step + 10))
    current = model.state_dict()
    for name, value in average.state_dict().items():
        value.lerp_(current[name], 1 - keep) if value.is_floating_point() else value.copy_(current[name])


def save(path: Path, state: dict) -> None:
    """Writes beside the old checkpoint first: a kill never leaves half a file."""
    beside = path.with_suffix(".tmp")
    torch.save(state, beside)
    os.replace(beside, path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders that training_set wrote")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint; an unfinished one is resumed")
    parser.add_argument("--start", type=Path, help="a checkpoint, or watermark.onnx, whose weights to start from")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    dataset, network, loss_of = KINDS[args.kind]
    data = dataset(args.data)
    torch.manual_seed(args.seed)
    model = network()
    if args.start and args.start.suffix == ".onnx":
        model = restore(args.start, torch.cat([data.batch(np.arange(32))["image"] for _ in range(4)]))
    elif args.start:
        model.load_state_dict(torch.load(args.start)["average"])
    model = model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval()
    kernels = [p for p in model.parameters() if p.ndim == 4]
    others = [p for p in model.parameters() if p.ndim < 4]
    optimisers = [Muon(kernels, args.rate), torch.optim.AdamW(others, args.rate, weight_decay=0.0, fused=True)]
    first = 0
    if args.out.exists():
        state = torch.load(args.out)
        model.load_state_dict(state["model"]), average.load_state_dict(state["average"])
        for optimiser, held in zip(optimisers, state["optimisers"]):
            optimiser.load_state_dict(held)
        first = state["epoch"]
    per_epoch = len(data) // args.batch
    total = per_epoch * args.epochs
    for epoch in range(first, args.epochs):
        torch.manual_seed(args.seed * 1000 + epoch)
        order = np.random.default_rng([args.seed, epoch]).permutation(len(data))
        model.train()
        sums, started = {}, time.time()
        for i in range(per_epoch):
            step = epoch * per_epoch + i
            rate = args.rate * min(1, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / total))
            for optimiser in optimisers:
                optimiser.param_groups[0]["lr"] = rate
                optimiser.zero_grad()
            batch = data.batch(order[i * args.batch : (i + 1) * args.batch])
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(batch["image"])
            loss, parts = loss_of(*outputs, batch)
            if args.kind == "marks":
                data.learned(batch, outputs[0])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            for optimiser in optimisers:
                optimiser.step()
            follow(average, model, step)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value.item()
            if i % 50 == 49 or i + 1 == per_epoch:
                means = "  ".join(f"{name} {value / (i + 1):.4f}" for name, value in sums.items())
                speed = (i + 1) * args.batch / (time.time() - started)
                print(f"{epoch + 1}/{args.epochs} {i + 1}/{per_epoch} {speed:.0f}/s  {means}", flush=True)
        state = {"model": model.state_dict(), "average": average.state_dict(), "epoch": epoch + 1}
        save(args.out, state | {"optimisers": [optimiser.state_dict() for optimiser in optimisers]})


if __name__ == "__main__":
    main()
