"""Trains the demo base's UNet on latents, and its text half further with it.

    python train_unet.py --data DIR --work DIR --minutes 65 --workers 2

Workers are processes of one thread that average their weights every few steps: on a busy machine one slow core does not
hold the other up at every layer.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from diffusers import DDPMScheduler
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

import networks
import vocabulary
from loop import Run
from portraits import Portraits

BATCH = 32
EMPTY = 0.1  # share of captions that are left out, for guidance
GAMMA = 5  # Hang et al., 2023: levels with a higher signal-to-noise ratio count no more than at this one
FULL = 0.8  # share of pictures without bars: what is asked for when drawing, while bars have only to be borne
LOOK_EVERY = 100  # steps after which new shards of latents are looked for


class Base(nn.Module):
    """UNet and text half."""

    def __init__(self, tokenizer: CLIPTokenizer):
        super().__init__()
        self.unet = networks.unet()
        self.text = networks.text(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        states = self.text(ids).last_hidden_state
        return self.unet(noisy, times, states).sample


class Latents:
    """The shards that are there, and the captions of theirs."""

    def __init__(self, work: Path, ids: torch.Tensor):
        shards = [load_file(path) for path in sorted((work / "latents").glob("*.safetensors"))]
        self.mean, self.std, self.content = (torch.cat([s[key] for s in shards]) for key in ("mean", "std", "content"))
        self.ids = ids[: len(self.mean)]
        full = self.content.flatten(1).all(1).double().numpy()
        self.chances = FULL * full / full.sum() + (1 - FULL) * (1 - full) / (1 - full).sum()
        self.scale = float((work / "scale.json").read_text())

    def batch(self, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Samples of latents, which cells count, token ids."""
        index = torch.from_numpy(np.random.choice(len(self.mean), n, replace=False, p=self.chances))
        sample = self.mean[index] + self.std[index] * torch.randn_like(self.std[index])
        return sample * self.scale, self.content[index], self.ids[index]


def loss_of(model: Base, batch: tuple, empty: torch.Tensor, schedule: DDPMScheduler) -> tuple[torch.Tensor, dict]:
    """Error of the predicted noise over the photo's cells; the times of a batch are spread evenly."""
    latents, content, ids = batch
    n = len(latents)
    times = ((torch.randperm(n) + torch.rand(n)) / n * 1000).long()
    ids = torch.where(torch.rand(n, 1) < EMPTY, empty, ids)
    noise = torch.randn_like(latents)
    found = model(schedule.add_noise(latents, noise, times), times, ids)
    error = ((found - noise).square() * content).sum((1, 2, 3)) / (content.sum((1, 2, 3)) * latents.shape[1])
    signal = schedule.alphas_cumprod[times]
    ratio = signal / (1 - signal)
    loss = (error * ratio.clamp(max=GAMMA) / ratio).mean()
    quarters = {f"q{q + 1}": error[times // 250 == q].mean() for q in range(4)}
    return loss, {"loss": loss, **quarters}


def train(rank: int, args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    if args.workers > 1:
        address = f"tcp://127.0.0.1:{args.port}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=args.workers)
    torch.manual_seed(1)
    tokenizer = CLIPTokenizer.from_pretrained(args.work / "tokenizer")
    ids = vocabulary.ids(tokenizer, Portraits(args.data).captions)
    empty = vocabulary.ids(tokenizer, [""])
    model = Base(tokenizer)
    clip = torch.load(args.work / "clip.pt")["average"]
    model.text.load_state_dict({key[5:]: value for key, value in clip.items() if key.startswith("text.")})
    model.text.text_projection.requires_grad_(False)  # says nothing here
    plain = ("embedding", "conv_in", "conv_out", "projection")
    run = Run(model, args.work / "unet.pt", args.minutes, args.rate, plain, memory=args.memory)
    np.random.seed(run.step * 10 + rank)
    torch.manual_seed(run.step * 10 + rank)
    schedule = DDPMScheduler(**networks.SCHEDULE)
    data = Latents(args.work, ids)
    while not run.is_over:
        if run.step % LOOK_EVERY == 0:
            data = Latents(args.work, ids)
        loss, parts = loss_of(run.model, data.batch(BATCH), empty, schedule)
        run.descend(loss, parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="with clip.pt, tokenizer/, latents/ and scale.json")
    parser.add_argument("--minutes", type=float, default=65)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--memory", type=int, default=400, help="steps over which the averaged weights forget")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, default=29613, help="on which workers meet, on this machine")
    args = parser.parse_args()
    if args.workers == 1:
        train(0, args)
    else:
        torch.multiprocessing.spawn(train, (args,), nprocs=args.workers)


if __name__ == "__main__":
    main()
