"""What the three trainings share: two optimisers, a schedule by the clock, averaged weights, checkpoints.

A run lasts a given number of minutes, however busy the machine is: the rate falls with the share of them that is used.
"""

import copy
import math
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.append(str(Path(__file__).parents[1]))
from muon import Muon  # noqa: E402

WARM_UP = 60  # steps
SAVE_EVERY_S = 120  # what a kill may cost
MEET_EVERY = 8  # steps after which workers average their weights


def save(path: Path, state: dict) -> None:
    """Writes beside the old file first: a kill never leaves half a file."""
    beside = path.with_suffix(".tmp")
    torch.save(state, beside)
    os.replace(beside, path)


def groups(model: torch.nn.Module, plain: tuple[str, ...]) -> tuple[list, list]:
    """Parameters for Muon (kernels and matrices), and for AdamW: vectors, and those whose name has a part of `plain`."""
    kernels, others = [], []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        is_plain = weight.ndim < 2 or any(part in name for part in plain)
        (others if is_plain else kernels).append(weight)
    return kernels, others


class Run:
    """A training that can be stopped at any moment and goes on from its checkpoint."""

    def __init__(self, model: torch.nn.Module, out: Path, minutes: float, rate: float, plain: tuple[str, ...] = (),
                 memory: int = 300):
        self.model, self.out, self.minutes, self.rate, self.memory = model, out, minutes, rate, memory
        self.average = copy.deepcopy(model).eval()
        kernels, others = groups(model, plain)
        self.optimisers = [Muon(kernels, rate, weight_decay=0.01), torch.optim.AdamW(others, rate, weight_decay=0.0)]
        self.step, self.used_s = 0, 0.0  # what the schedule goes by
        if out.exists():
            self.load(torch.load(out))
        self.clock_s = self.used_s
        self.last = self.saved = time.time()
        self.sums: dict[str, float] = {}
        self.count = 0

    def load(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimiser, held in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(held)
        self.step, self.used_s = state["step"], state["used_s"]

    def state(self) -> dict:
        held = [optimiser.state_dict() for optimiser in self.optimisers]
        return {"model": self.model.state_dict(), "average": self.average.state_dict(), "optimisers": held,
                "step": self.step, "used_s": self.used_s}

    @property
    def progress(self) -> float:
        """The share of the run that is over."""
        return min(1.0, self.used_s / 60 / self.minutes)

    @property
    def is_over(self) -> bool:
        return self.progress >= 1

    def descend(self, loss: torch.Tensor, parts: dict[str, torch.Tensor]) -> None:
        """One step; now and then a line on the terminal and a checkpoint."""
        warm = min(1, (self.step + 1) / WARM_UP)
        rate = self.rate * warm * (0.5 + 0.5 * math.cos(math.pi * self.progress))
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self.tick()
        self.follow()
        self.report(parts)

    @torch.no_grad()
    def tick(self) -> None:
        """Takes the time. Workers take the first one's when they meet, so that all stop at the same step."""
        now = time.time()
        self.clock_s, self.last = self.clock_s + now - self.last, now
        if not dist.is_initialized():
            self.used_s = self.clock_s
        elif self.step % MEET_EVERY == 0:
            weights = list(self.model.parameters())
            flat = torch.cat([*(weight.reshape(-1) for weight in weights), torch.tensor([self.clock_s])])
            dist.all_reduce(flat)
            flat /= dist.get_world_size()
            for weight, mean in zip(weights, flat[:-1].split([weight.numel() for weight in weights])):
                weight.copy_(mean.view(weight.shape))
            self.used_s = self.clock_s = flat[-1].item()

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the averaged weights towards the current ones, faster in the beginning."""
        keep = min(1 - 1 / self.memory, self.step / (self.step + 10))
        ours, theirs = list(self.average.parameters()), list(self.model.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - keep)

    def report(self, parts: dict[str, torch.Tensor]) -> None:
        if dist.is_initialized() and dist.get_rank() > 0:
            return
        self.count += 1
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item()
        if self.count == 50 or self.is_over:
            means = "  ".join(f"{name} {value / self.count:.4f}" for name, value in self.sums.items())
            print(f"{self.used_s / 60:.1f}/{self.minutes:g} min  step {self.step}  {means}", flush=True)
            self.sums, self.count = {}, 0
        if self.last - self.saved > SAVE_EVERY_S or self.is_over:
            save(self.out, self.state())
            self.saved = self.last
