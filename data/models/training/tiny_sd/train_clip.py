"""Trains the demo base's CLIP by contrast within a batch, its text half being the base's text encoder, which stays as it is.

    python train_clip.py --data DIR --work DIR --minutes 12
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import CLIPTokenizer

import networks
import vocabulary
from clip import Clip, contrast, look, shares
from loop import Run
from muon import HAS_BF16
from portraits import Portraits
from train_unet import SHOWN, Latents, at_joints, mirrored

BATCH = 256
COLOURS = 0.1  # weight of the error of colours at joints
WORDS = 32  # longest caption with begin and end; the text half looks back only, so what follows changes nothing


class Taught(Clip):
    """CLIP, and a reader of the colours at joints from what is seen: that is most of what captions tell pictures apart by, and
    contrast alone is slow to find it. It is not part of the base."""

    def __init__(self, tokenizer: CLIPTokenizer):
        super().__init__(tokenizer)
        self.colours = nn.Linear(networks.WIDTH, 17 * SHOWN)
        if HAS_BF16:
            # PyTorch's fused attention has no fast backward pass in bf16 on processors
            self.text.set_attn_implementation("eager")
            self.vision.set_attn_implementation("eager")

    def forward(self, ids: torch.Tensor, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [pictures, captions], and colours at joints [pictures, 17, 6]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=HAS_BF16):
            texts, pictures = self.text(ids).text_embeds.float(), self.vision(pixels).image_embeds.float()
        return self.compare(texts, pictures), self.colours(pictures).unflatten(1, (17, SHOWN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="with tokenizer/, latents/ and unet.pt; clip.pt comes here")
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = Portraits(args.data)
    tokenizer = vocabulary.tokenizer(args.work / "tokenizer", data.captions)
    ids = vocabulary.ids(tokenizer, data.captions)[:, :WORDS]
    latents = Latents(args.work, data, ids[None])
    model = Taught(tokenizer)
    base = torch.load(args.work / "unet.pt")["average"]
    model.text.load_state_dict({key[5:]: value for key, value in base.items() if key.startswith("text.")})
    model.text.text_model.requires_grad_(False)
    plain = ("embedding", "projection", "scale")
    run = Run(model, args.work / "clip.pt", args.minutes, args.rate, plain, memory=100)
    np.random.seed(run.step)
    while not run.is_over:
        index = np.random.choice(len(data), BATCH, replace=False)
        image, mean, joints = look(data.batch(index)), latents.mean[0][index], latents.joints[index]
        if np.random.rand() < 0.5:
            image, mean, joints = image.flip(3), latents.mean[1][index], mirrored(joints)
        logits, told = run.model(ids[index], image)
        seen, is_there = at_joints(mean * latents.scale, joints)
        coloured = ((told - seen).square().mean(2) * is_there).sum() / is_there.sum()
        loss = contrast(logits) + COLOURS * coloured
        first, five = shares(logits.detach())
        run.descend(loss, {"loss": loss, "colours": coloured, "first": torch.tensor(first), "five": torch.tensor(five)})


if __name__ == "__main__":
    main()
