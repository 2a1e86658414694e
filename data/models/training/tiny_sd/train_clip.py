"""Trains the demo base's CLIP by contrast within a batch, its text half being the base's text encoder, which stays as it is.

    python train_clip.py --data DIR --work DIR --minutes 12
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import vocabulary
from clip import Clip, contrast, look, shares
from loop import Run
from portraits import Portraits

BATCH = 256
WORDS = 32  # longest caption with begin and end; the text half looks back only, so what follows changes nothing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="with tokenizer/ and unet.pt; clip.pt comes here")
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = Portraits(args.data)
    tokenizer = vocabulary.tokenizer(args.work / "tokenizer", data.captions)
    ids = vocabulary.ids(tokenizer, data.captions)[:, :WORDS]
    model = Clip(tokenizer)
    base = torch.load(args.work / "unet.pt")["average"]
    model.text.load_state_dict({key[5:]: value for key, value in base.items() if key.startswith("text.")})
    model.text.text_model.requires_grad_(False)
    plain = ("embedding", "projection", "scale")
    run = Run(model, args.work / "clip.pt", args.minutes, args.rate, plain, memory=100)
    np.random.seed(run.step)
    while not run.is_over:
        index = np.random.choice(len(data), BATCH, replace=False)
        image = look(data.batch(index))
        image = image.flip(3) if np.random.rand() < 0.5 else image
        logits = run.model(ids[index], image)
        loss = contrast(logits)
        first, five = shares(logits.detach())
        run.descend(loss, {"loss": loss, "first": torch.tensor(first), "five": torch.tensor(five)})


if __name__ == "__main__":
    main()
