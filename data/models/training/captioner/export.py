"""Writes the demo captioner as transformers lays a BLIP out, weights as f16.

    python export.py --work DIR --out ../../captioner
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import BlipImageProcessor

import vocabulary
from network import Taught
from squares import SIDE


def write(work: Path, out: Path) -> None:
    """The folder from a work folder's tokenizer and averaged weights. A card that is there stays."""
    made = vocabulary.load(work / "tokenizer")
    model = Taught(len(made))
    model.load_state_dict(torch.load(work / "blip.pt")["average"])
    out.mkdir(parents=True, exist_ok=True)
    model.blip.half().save_pretrained(out)
    made.save_pretrained(out)
    config = json.loads((out / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "model.safetensors").chmod(0o644)
    (out / "generation_config.json").unlink(missing_ok=True)  # says nothing that config.json does not say
    BlipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="the folder with train.py's files")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write(args.work, args.out)
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
