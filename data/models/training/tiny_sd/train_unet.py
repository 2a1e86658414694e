"""Trains the demo base's UNet on latents, and its text encoder with it.

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
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

import networks
import principal
import vocabulary
from loop import Run
from muon import HAS_BF16
from portraits import DRAWN, Portraits

BATCH = 48
JOINTS = 5.0  # weight of their heat maps' error: at first a twentieth of the loss
COLOURS = 0.1  # weight of the error of colours at joints: it reaches the text encoder alone
SHOWN = 6  # numbers of a cell that its colour is in: the first of the principal components
PERSON = 3.0  # a cell of the person's box counts so much more than one of the ground: captions say nothing of the ground
SHORT = 0.15  # share of captions that are shortened
EMPTY = 0.1  # share of captions that are left out, for guidance
GAMMA = 5  # Hang et al., 2023: levels with a higher signal-to-noise ratio count no more than at this
# one, and noise alone counts as well: there the picture as a whole is decided


class Base(nn.Module):
    """UNet and text half, and two readers that are not part of the base. One reads joints from the features that the last
    level starts with: that these have to tell where a body is teaches bodies much sooner (as REPA does with another
    network's features; Yu et al., 2024). The other reads from the text alone which colours are at the joints: without it
    half an hour teaches the text encoder next to nothing, for noise says more of a picture than its caption does."""

    def __init__(self, tokenizer: CLIPTokenizer):
        super().__init__()
        self.unet = networks.unet()
        self.text = networks.text(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
        self.joints = nn.Conv2d(self.unet.config.block_out_channels[1], 17, 1)
        self.colours = nn.Linear(networks.WIDTH, 17 * SHOWN)
        self.features = None
        self.unet.up_blocks[1].register_forward_hook(self.keep)
        if HAS_BF16:
            # PyTorch's fused attention has no fast backward pass in bf16 on processors: it alone took a third of a step
            self.unet.set_attn_processor(AttnProcessor())
            self.text.set_attn_implementation("eager")

    def keep(self, _block: nn.Module, _given: tuple, features: torch.Tensor) -> None:
        self.features = features

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The velocity [n, 16, 16, 16], heat maps of joints [n, 17, 16, 16], and colours at joints [n, 17, 6]."""
        states = self.text(ids).last_hidden_state
        # pixel by pixel in memory: a tenth faster on processors
        velocity = self.unet(noisy.contiguous(memory_format=torch.channels_last), times, states).sample
        # the last token has seen all others
        colours = self.colours(states[:, -1]).unflatten(1, (17, SHOWN))
        return velocity.float(), self.joints(self.features).float(), colours.float()


class Latents:
    """The latents, and what goes with them."""

    def __init__(self, work: Path, data: Portraits, ids: torch.Tensor, kept: np.ndarray | None = None):
        shards = [load_file(path) for path in sorted((work / "latents").glob("*.safetensors"))]
        # as they are, then mirrored
        self.mean = torch.stack([torch.cat([s[key] for s in shards]) for key in ("mean", "mirrored")])
        count = self.mean.shape[1]
        self.ids = ids[:, :count]
        self.joints = torch.tensor([row["joints"] for row in data.rows[:count]])
        self.joints[..., :2] *= networks.SIDE / DRAWN / networks.CELL
        self.weight = weights(data.rows[:count])
        self.scale = float((work / "scale.json").read_text())
        self.kept = np.arange(count) if kept is None else kept[kept < count]

    def batch(self, n: int) -> tuple[torch.Tensor, ...]:
        """Samples of latents, how much each cell counts, token ids, joints [n, 17, 3] in cells."""
        index = torch.from_numpy(np.random.choice(self.kept, n, replace=False))
        is_mirrored = torch.rand(n) < 0.5
        mean, weight, joints = self.mean[is_mirrored.long(), index], self.weight[index], self.joints[index]
        weight = torch.where(is_mirrored[:, None, None, None], weight.flip(3), weight)
        joints = torch.where(is_mirrored[:, None, None], mirrored(joints), joints)
        sample = mean + principal.NOISE * torch.randn_like(mean)
        said = torch.where(torch.rand(n) < SHORT, torch.randint(1, len(self.ids), (n,)), 0)
        return sample * self.scale, weight, self.ids[said, index], joints


def mirrored(joints: torch.Tensor) -> torch.Tensor:
    """Joints of mirrored pictures, in COCO's order: a left hand becomes a right one."""
    x, y, there = joints[:, [0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))]].unbind(2)
    return torch.stack([networks.SIDE // networks.CELL - x, y, there], 2)


def weights(rows: list[dict]) -> torch.Tensor:
    """[n, 1, 16, 16]: PERSON in the person's box, 1 elsewhere, over the mean."""
    weight = torch.ones(len(rows), 1, networks.SIDE // networks.CELL, networks.SIDE // networks.CELL)
    for mask, row in zip(weight, rows):
        left, top, right, bottom = (int(at * networks.SIDE / DRAWN / networks.CELL) for at in row["person"])
        mask[:, top : bottom + 1, left : right + 1] = PERSON
    return weight / weight.mean((1, 2, 3), keepdim=True)


def at_joints(latents: torch.Tensor, joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first numbers of the cells that joints are in [n, 17, 6], and which are in the picture and seen [n, 17]."""
    side = latents.shape[3]
    x, y = joints[..., 0].floor().long(), joints[..., 1].floor().long()
    is_there = (x >= 0) & (x < side) & (y >= 0) & (y < side) & (joints[..., 2] > 0)
    place = y.clamp(0, side - 1) * side + x.clamp(0, side - 1)
    cells = latents[:, :SHOWN].flatten(2).transpose(1, 2)
    return cells.gather(1, place[..., None].expand(-1, -1, SHOWN)), is_there


def heat(joints: torch.Tensor) -> torch.Tensor:
    """A bump of one cell's width at every joint in the picture."""
    side = networks.SIDE // networks.CELL
    at = torch.arange(side) + 0.5
    x, y, there = joints.unbind(2)
    bumps = [(-(at - place[..., None]).square() / 2).exp() for place in (x, y)]
    return bumps[1][..., :, None] * bumps[0][..., None, :] * there[..., None, None]


def loss_of(model: nn.Module, batch: tuple, empty: torch.Tensor, schedule: DDPMScheduler) -> tuple[torch.Tensor, dict]:
    """Error of the predicted velocity; the times of a batch are spread evenly."""
    latents, weight, ids, joints = batch
    n = len(latents)
    times = ((torch.randperm(n) + torch.rand(n)) / n * 1000).long()
    is_empty = torch.rand(n, 1) < EMPTY
    ids = torch.where(is_empty, empty, ids)
    noise = torch.randn_like(latents)
    with torch.autocast("cpu", torch.bfloat16, enabled=HAS_BF16):
        found, bumps, told = model(schedule.add_noise(latents, noise, times), times, ids)
    wanted = schedule.get_velocity(latents, noise, times)
    error = ((found - wanted).square() * weight).mean((1, 2, 3))
    signal = schedule.alphas_cumprod[times]
    ratio = signal / (1 - signal)
    placed = (signal * (bumps - heat(joints)).square().mean((1, 2, 3))).mean()
    seen, is_there = at_joints(latents, joints)
    is_there = is_there & ~is_empty
    coloured = ((told - seen).square().mean(2) * is_there).sum() / is_there.sum()
    loss = (error * (ratio.clamp(max=GAMMA) + 1) / (ratio + 1)).mean() + JOINTS * placed + COLOURS * coloured
    quarters = {f"q{q + 1}": error[times // 250 == q].mean() for q in range(4)}
    return loss, {"loss": loss, "joints": placed, "colours": coloured, **quarters}


def start(model: Base, tokenizer: CLIPTokenizer, work: Path) -> None:
    """Begins where the training of another folder ended, or with a base as export.py wrote it; its readers begin anew then.
    Words keep what was learned of them, whatever their ids."""
    if (work / "unet.pt").exists():
        state = torch.load(work / "unet.pt")["average"]
    else:
        files = {"unet.": "unet/diffusion_pytorch_model.safetensors", "text.": "text_encoder/model.safetensors"}
        state = {part + key: value.float() for part, path in files.items() for key, value in load_file(work / path).items()}
    name = "text.text_model.embeddings.token_embedding.weight"
    known, ours = CLIPTokenizer.from_pretrained(work / "tokenizer").get_vocab(), model.state_dict()[name].clone()
    for token, index in tokenizer.get_vocab().items():
        if token in known:
            ours[index] = state[name][known[token]]
    model.load_state_dict(model.state_dict() | state | {name: ours})


def train(rank: int, args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    if args.workers > 1:
        address = f"tcp://127.0.0.1:{args.port}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=args.workers)
    torch.manual_seed(1)
    portraits = Portraits(args.data)
    tokenizer = vocabulary.tokenizer(args.work / "tokenizer", portraits.captions)
    captions = [(whole, *vocabulary.shorter(whole)) for whole in portraits.captions]
    ids = torch.stack([vocabulary.ids(tokenizer, list(kind)) for kind in zip(*captions)])
    empty = vocabulary.ids(tokenizer, [""])
    model = Base(tokenizer)
    if args.start:
        start(model, tokenizer, args.start)
    model.unet.to(memory_format=torch.channels_last)
    model.text.text_projection.requires_grad_(False)  # says nothing here
    if args.plain:
        model.text.requires_grad_(False)
    plain = ("embedding", "conv_in", "conv_out", "projection")
    run = Run(model, args.work / "unet.pt", args.minutes, args.rate, plain, memory=args.memory)
    np.random.seed(run.step * 10 + rank)
    torch.manual_seed(run.step * 10 + rank)
    schedule = DDPMScheduler(**networks.SCHEDULE)
    data = Latents(args.work, portraits, ids, portraits.plain() if args.plain else None)
    forward = torch.compile(run.model) if args.compile else run.model
    while not run.is_over:
        loss, parts = loss_of(forward, data.batch(BATCH), empty, schedule)
        run.descend(loss, parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="with latents/ and scale.json; tokenizer/ is made here if missing")
    parser.add_argument("--start", type=Path, help="another work folder, or an exported base, that it begins with")
    parser.add_argument("--plain", action="store_true",
                        help="only the easiest half of the pictures (portraits.py), the text encoder as it is")
    parser.add_argument("--minutes", type=float, default=65)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--memory", type=int, default=400, help="steps over which the averaged weights forget")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="a third faster after four minutes of compiling; needs g++")
    parser.add_argument("--port", type=int, default=29613, help="on which workers meet, on this machine")
    args = parser.parse_args()
    vocabulary.tokenizer(args.work / "tokenizer", Portraits(args.data).captions)  # before workers would each make it
    if args.workers == 1:
        train(0, args)
    else:
        torch.multiprocessing.spawn(train, (args,), nprocs=args.workers)


if __name__ == "__main__":
    main()
