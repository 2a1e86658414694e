"""Whether a picture shows a person in the clothes that its caption asks for.

    python judge.py --calibrate DIR      # what colours look like in drawn photos -> colours.json
    python judge.py --ceiling DIR        # what the judge says of other drawn photos

The person is the demo detector's. A garment's colour is the median over the part of the body that wears it, by the
detector's joints; its word is that of the nearest colour, as clothes of that colour look in drawn photos.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from portraits import Portraits

sys.path.append(str(Path(__file__).parents[1]))
from evaluate import MODELS, Model, detections  # noqa: E402

INPUT = 640  # the detector's, pixels
SURE = 0.5  # of a joint that a region hangs on
COLOURS_FILE = Path(__file__).with_name("colours.json")
# synth's words for colours of clothes, by the basic terms of English (Berlin and Kay, 1969)
BASIC = {
    "white": "white", "cream": "white", "black": "black", "charcoal": "black", "grey": "grey", "navy": "blue",
    "blue": "blue", "light blue": "blue", "teal": "green", "green": "green", "olive": "green", "red": "red",
    "burgundy": "red", "pink": "pink", "orange": "orange", "yellow": "yellow", "purple": "purple", "lilac": "purple",
    "brown": "brown", "beige": "brown",
}
ONE = "(" + "|".join(sorted(BASIC, key=len, reverse=True)) + ")"
TOPS = r"(?:shirt|tank top|turtleneck|T-shirt|sweater)"
KINDS = r"(?:(?: and " + ONE + r")? striped| pinstriped)? "


@dataclass
class Garment:
    """A part of the body, and the words that are right for it."""

    region: str
    words: set[str]


def garments(caption: str) -> list[Garment]:
    """What a caption of `synth` says of colours. Tops under a jacket are hardly seen: there the jacket counts. Jeans
    have no colour of their own. Stripes cover half of the cloth, so either colour is right; checks, dots, flowers and
    prints mix in a colour that the caption does not tell, so such cloth is not judged."""
    found = []
    for region, name in (("jacket", "jacket"), ("torso", TOPS), ("dress", "dress"), ("legs", "trousers"),
                         ("short", "shorts"), ("skirt", "skirt")):
        match = re.search(rf"\b{ONE}{KINDS}{name}\b", caption)
        if match:
            found.append(Garment(region, {word for word in match.groups() if word}))
    if "jacket" in caption:
        found = [garment for garment in found if garment.region != "torso"]
    return found


def between(a: np.ndarray, b: np.ndarray, along: tuple[float, float], n: int = 12) -> list[np.ndarray]:
    """Points on a part of a line."""
    return [a + (b - a) * t for t in np.linspace(*along, n)]


def points(region: str, joints: np.ndarray) -> list[np.ndarray]:
    """Where a garment is, in the pixels of the joints [17, 3]; nothing where the joints are not seen."""
    at = joints[:, :2]
    shoulders, hips, knees = at[5:7], at[11:13], at[13:15]
    needed = {"torso": [5, 6, 11, 12], "jacket": [5, 6, 11, 12], "dress": [5, 6, 11, 12]}.get(region, [11, 12, 13, 14])
    # hips are hidden by cloth, and the detector says so
    if (joints[needed, 2] < [0.2 if i in (11, 12) else SURE for i in needed]).any():
        return []
    if region == "jacket":
        across, along = [0.06, 0.12, 0.88, 0.94], (0.2, 0.8)
    elif region in ("torso", "dress"):
        across, along = np.linspace(0.25, 0.75, 9), (0.25, 0.8)
    else:
        across = [0.0, 0.5, 1.0] if region == "skirt" else [0.0, 1.0]
        along = {"legs": (0.2, 0.9), "short": (0.1, 0.35), "skirt": (0.15, 0.6)}[region]
    low, high = (shoulders, hips) if region in ("torso", "jacket", "dress") else (hips, knees)
    lines = [between(low[0] + (low[1] - low[0]) * s, high[0] + (high[1] - high[0]) * s, along) for s in across]
    return [point for line in lines for point in line]


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..255 [..., 3] -> CIE L*a*b*."""
    c = rgb / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    xyz = xyz / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


class Judge:
    """The detector, and what colours look like."""

    def __init__(self, models: Path = MODELS):
        self.pose = Model(models / "pose.onnx", 1)
        known = json.loads(COLOURS_FILE.read_text()) if COLOURS_FILE.exists() else {}
        self.words, self.colours = list(known.get("colours", {})), np.array(list(known.get("colours", {}).values()))
        self.spread = np.array(known.get("spread", [1, 1, 1]))

    def people(self, image: np.ndarray) -> list[np.ndarray]:
        """Joints [17, 3] of everyone found in u8 [height, width, 3], surest first, in its pixels."""
        large = np.asarray(Image.fromarray(image).resize((INPUT, INPUT), Image.BICUBIC))
        batch = np.ascontiguousarray(large.transpose(2, 0, 1)[None]).astype(np.float32) / 255
        scale = np.array([image.shape[1] / INPUT, image.shape[0] / INPUT, 1])
        return [row[5:].reshape(17, 3) * scale for row in detections(self.pose(batch)[0])]

    def seen(self, image: np.ndarray, joints: np.ndarray, garment: Garment) -> np.ndarray | None:
        """The colour of a garment in L*a*b*."""
        at = np.array(points(garment.region, joints))
        if not len(at):
            return None
        x, y = np.floor(at).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
        if inside.sum() < 8:
            return None
        return np.median(lab(image[y[inside], x[inside]].astype(float)), axis=0)

    def word(self, colour: np.ndarray) -> str:
        """The nearest colour's word."""
        return self.words[int(np.argmin((((self.colours - colour) / self.spread) ** 2).sum(1)))]

    def figures(self, images: list[np.ndarray], captions: list[str]) -> dict:
        """Shares of pictures with a person, with exactly one, and of garments whose colour is the one asked for."""
        found, one, right, basic, judged, asked, by = [], [], 0, 0, 0, 0, {}
        for image, caption in zip(images, captions):
            people = self.people(image)
            found.append(len(people) > 0)
            one.append(len(people) == 1)
            for garment in garments(caption):
                asked += 1
                colour = self.seen(image, people[0], garment) if people else None
                if colour is None:
                    continue
                word = self.word(colour)
                is_basic = BASIC[word] in {BASIC[asked_word] for asked_word in garment.words}
                judged, right, basic = judged + 1, right + (word in garment.words), basic + is_basic
                hits, of = by.get(garment.region, (0, 0))
                by[garment.region] = (hits + is_basic, of + 1)
        return {
            "pictures": len(found), "person found": np.mean(found), "exactly one": np.mean(one), "garments": asked,
            "garments judged": judged, "colour right, of 11": basic / max(judged, 1),
            "colour right, of 20": right / max(judged, 1),
            **{f"... {region}, of 11": hits / of for region, (hits, of) in sorted(by.items())},
        }


def calibrate(data: Portraits, judge: Judge) -> dict:
    """The median colour of each word's garments of one colour in drawn photos, and how far photos are off it: light
    changes brightness more than hue."""
    seen: dict[str, list[np.ndarray]] = {}
    for image, caption in zip(data.pictures(len(data)), data.captions):
        people = judge.people(image)
        for garment in garments(caption) if people else []:
            colour = judge.seen(image, people[0], garment) if len(garment.words) == 1 else None
            if colour is not None:
                seen.setdefault(*garment.words, []).append(colour)
    colours = {word: np.median(seen[word], axis=0) for word in BASIC}
    off = np.concatenate([np.abs(np.array(seen[word]) - colours[word]) for word in BASIC])
    return {
        "colours": {word: colour.round(1).tolist() for word, colour in colours.items()},
        "spread": np.median(off, axis=0).round(1).tolist(),
    }


def show(figures: dict) -> None:
    """One line per figure."""
    for name, value in figures.items():
        print(f"{name:24} {value:.3f}" if isinstance(value, float) else f"{name:24} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", type=Path, help="a folder of portraits")
    parser.add_argument("--ceiling", type=Path, help="another one")
    parser.add_argument("--count", type=int, default=1500, help="photos to look at")
    args = parser.parse_args()
    if args.calibrate:
        COLOURS_FILE.write_text(json.dumps(calibrate(Portraits(args.calibrate, args.count), Judge())) + "\n")
    if args.ceiling:
        data = Portraits(args.ceiling, args.count)
        show(Judge().figures(data.pictures(args.count), data.captions))


if __name__ == "__main__":
    main()
