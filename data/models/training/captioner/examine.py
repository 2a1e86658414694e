"""How well the demo captioner names what people wear, on whole galleries of seeds that it never saw.

    python examine.py --model ../../captioner --seeds 4242 5151

Photos are drawn at full size and read from their files, as a crawl finds them. With --captions the figures are those of captions
that another program made of the same files (`train`'s example `caption`). Exits with 1 if a figure misses its goal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch
from PIL import Image, ImageOps
from transformers import BlipForConditionalGeneration, BlipImageProcessor

import vocabulary
import words

ROOT = Path(__file__).resolve().parents[4]
BATCH = 32
GOALS = {"colours and garments": 0.80}


def draw(seed: int, identities: int, photos: int, out: Path) -> None:
    """A gallery's files, with truth.jsonl."""
    command = ["cargo", "run", "--release", "-q", "-p", "synth", "--example", "write_collection", "--", f"--seed={seed}"]
    command += [f"--identities={identities}", f"--photos-per-identity={photos}", f"--out={out}"]
    subprocess.run(command, cwd=ROOT, check=True)


def known(folder: Path) -> dict[str, str]:
    """The true caption of each photo that is one: path below the folder to caption."""
    rows = [json.loads(line) for line in open(folder / "truth.jsonl")]
    return {f"{row['identity']}/{row['photo']['file_name']}": row["truth"]["caption"] for row in rows if row["truth"]}


@torch.inference_mode()
def say(model: Path, folder: Path, files: list[str]) -> dict[str, str]:
    """What the model says of files, by greedy decoding."""
    blip = BlipForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
    processor, made = BlipImageProcessor.from_pretrained(model), vocabulary.load(model)
    said = {}
    for first in range(0, len(files), BATCH):
        part = files[first : first + BATCH]
        images = [ImageOps.exif_transpose(Image.open(folder / file)).convert("RGB") for file in part]
        pixels = processor(images=images, return_tensors="pt").pixel_values
        ids = blip.generate(pixels, max_new_tokens=vocabulary.MOST - 1, do_sample=False, num_beams=1)
        said |= zip(part, (text.strip() for text in made.batch_decode(ids, skip_special_tokens=True)))
        print(f"{len(said)} of {len(files)}", file=sys.stderr, flush=True)
    return said


def tally(pairs: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """(true caption, caption) to (right, of how many) of each figure. People are compared from left to right; somebody whom
    the caption leaves out has every word missed."""
    right, of = Counter(), Counter()

    def count(name: str, is_right: bool) -> None:
        right[name] += is_right
        of[name] += 1

    for true, said in pairs:
        truth, found = words.people(true), words.people(said)
        count("whole captions", true == said)
        count("number of people", len(truth) == len(found))
        for i in range(max(len(truth), len(found))):
            (body, clothes), (told_body, told) = ((part[i] if i < len(part) else ("", "")) for part in (truth, found))
            worn, named = words.named(clothes), words.named(told)
            main = {kind: {item for item in kind_set if words.kind(item[1]) in ("colours", "garments")}
                    for kind, kind_set in (("worn", worn), ("named", named))}
            for item in sorted(worn):
                count(words.kind(item[1]), item in named)
                if item in main["worn"]:
                    count("colours and garments", item in named)
                    count(f"  {item[0]}: {words.kind(item[1])}", item in named)
            for item in main["named"]:
                count("of those named, true", item in worn)
            if i < len(truth):
                count("all colours and garments of a person", main["worn"] == main["named"])
                count("all clothes of a person", worn == named)
                for name, a, b in zip(("height", "build"), words.height_and_build(body), words.height_and_build(told_body)):
                    count(f"{name} (or none)", a == b and told_body != "")
                count("woman or man", ("woman" in body.split()) == ("woman" in told_body.split()) and told_body != "")
                count("hair and beard", body.partition(" with ")[2] == told_body.partition(" with ")[2])
    return {name: (right[name], of[name]) for name in of}


def show(title: str, figures: dict[str, tuple[int, int]]) -> None:
    print(f"{title}\n" + "".join(f"  {name:38} {a / n:.3f} of {n}\n" for name, (a, n) in sorted(figures.items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[4242])
    parser.add_argument("--identities", type=int, default=12)
    parser.add_argument("--photos", type=int, default=24, help="of each identity")
    parser.add_argument("--galleries", type=Path, help="where SEED/ are, or are drawn to and kept")
    parser.add_argument("--captions", type=Path, help="a .jsonl of {file, caption}, files below --galleries")
    parser.add_argument("--examples", type=int, default=0, help="captions to print")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pairs: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        galleries = args.galleries or Path(temporary)
        for seed in args.seeds:
            folder = galleries / str(seed)
            if not (folder / "truth.jsonl").exists():
                draw(seed, args.identities, args.photos, folder)
            truth = {f"{seed}/{file}": caption for file, caption in known(folder).items()}
            if args.captions:
                rows = [json.loads(line) for line in open(args.captions)]
                said = {row["file"]: row["caption"] for row in rows}
            else:
                said = say(args.model, galleries, list(truth))
            part = [(truth[file], said[file]) for file in truth]
            show(f"seed {seed}, {len(part)} photos", tally(part))
            pairs += part
    for true, said in pairs[: args.examples]:
        print(f"true  {true}\nsaid  {said}\n")
    single = tally([pair for pair in pairs if len(words.people(pair[0])) == 1])
    show("all seeds, photos of one person", single)
    figures = tally(pairs)
    show("all seeds, all photos", figures)
    missed = [name for name, goal in GOALS.items() if figures[name][0] < goal * figures[name][1]]
    if missed:
        sys.exit(f"below its goal: {', '.join(missed)}")


if __name__ == "__main__":
    main()
