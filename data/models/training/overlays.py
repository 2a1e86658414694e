"""Draws watermarks that `synth` does not: real fonts, soft shadows, logos, plates, thin lines. Layers to lay over pictures.

    python overlays.py --seed 7 --count 6000 --out DIR

Writes layers.u8 (RGBA, 256 x 256, colours times opacity) and layers.jsonl as `training_set --layers` does. The fonts
are those that come with matplotlib (DejaVu, STIX, Computer Modern), and OpenCV's.
"""

import argparse
import json
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from network import MARK_INPUT as SIDE

FONTS = sorted(
    path
    for path in (Path(matplotlib.__file__).parent / "mpl-data/fonts/ttf").glob("*.ttf")
    if not any(part in path.name for part in ("LastResort", "STIXNon", "STIXSiz", "cmex", "cmmi", "cmsy", "Display"))
)
HERSHEY = range(8)
PARTS = "al ba ca do el fi go ha in jo ka li mo ne or pa qui ro sa ti ul va we xo ya ze".split()
WORDS = ["photo", "studio", "images", "press", "gallery", "stock", "archive", "media", "agency", "art", "magazine"]
CLAIMS = ["SAMPLE", "PREVIEW", "DRAFT", "PROOF", "DO NOT COPY", "COPYRIGHT", "Not for sale", "All rights reserved"]
ENDS = [".com", ".net", ".org", ".de", ".co.uk", ".fr", ".io", ".tv", ".ru"]


def words(rng: np.random.Generator) -> str:
    """A site, a signature, a claim."""
    name = "".join(rng.choice(PARTS, rng.integers(1, 4)))
    form = rng.integers(7)
    text = [
        f"www.{name}{rng.choice(WORDS)}{rng.choice(ENDS)}",
        f"{name}{rng.choice(ENDS)}",
        f"© {rng.integers(1995, 2027)} {name.title()}",
        f"{name.title()} {rng.choice(WORDS).title()}",
        str(rng.choice(CLAIMS)),
        f"@{name}_{rng.choice(WORDS)}",
        f"{name.title()}",
    ][form]
    text = text.upper() if rng.random() < 0.3 else text
    return " ".join(text) if rng.random() < 0.08 else text


def written(rng: np.random.Generator, text: str, height: float, outline: float) -> tuple[np.ndarray, np.ndarray]:
    """Ink and outline of a text, f32 in 0..1, about `height` pixels high; drawn three times as large."""
    size = max(int(height * 3 * 1.3), 12)
    width = max(int(round(outline * 3)), 0)
    if rng.random() < 0.2:
        face, thick = int(rng.choice(HERSHEY)), int(rng.integers(1, 4)) * max(size // 40, 1)
        text = text.replace("©", "(c)")
        scale = size / 30
        (w, h), base = cv2.getTextSize(text, face, scale, thick)
        pad = thick + width + 4
        canvas = np.zeros((h + base + 2 * pad, w + 2 * pad), np.uint8)
        ink = cv2.putText(canvas.copy(), text, (pad, pad + h), face, scale, 255, thick, cv2.LINE_AA)
        both = cv2.putText(canvas, text, (pad, pad + h), face, scale, 255, thick + 2 * width, cv2.LINE_AA)
    else:
        font = ImageFont.truetype(str(rng.choice(FONTS)), size)
        left, top, right, bottom = font.getbbox(text, stroke_width=width)
        shape = (max(right - left, 1) + 6, max(bottom - top, 1) + 6)
        ink, both = (Image.new("L", shape) for _ in range(2))
        ImageDraw.Draw(ink).text((3 - left, 3 - top), text, 255, font)
        ImageDraw.Draw(both).text((3 - left, 3 - top), text, 255, font, stroke_width=width)
        ink, both = np.asarray(ink), np.asarray(both)
    ink, both = (image.astype(np.float32) / 255 for image in (ink, both))
    return ink, np.clip(both - ink, 0, 1)


def emblem(rng: np.random.Generator, height: float, outline: float) -> tuple[np.ndarray, np.ndarray]:
    """A sign above or around letters."""
    side = max(int(height * 3), 24)
    ink = np.zeros((side, side), np.uint8)
    middle, radius = (side // 2, side // 2), int(side * 0.46)
    thick = int(rng.choice([-1, max(side // 40, 1), max(side // 20, 1)]))
    corners = int(rng.choice([3, 4, 5, 6, 40, 40]))
    angles = rng.uniform(0, 6.3) + np.arange(corners) * 2 * np.pi / corners
    points = (np.stack([np.cos(angles), np.sin(angles)], 1) * radius + side / 2).astype(np.int32)
    if thick < 0:
        cv2.fillPoly(ink, [points], 255, cv2.LINE_AA)
    else:
        cv2.polylines(ink, [points], True, 255, thick, cv2.LINE_AA)
    letters, _ = written(rng, words(rng)[: rng.integers(1, 4)], height * 0.4, 0)
    letters = cv2.resize(letters, None, fx=min(1.0, side * 0.6 / letters.shape[1]), fy=min(1.0, side * 0.6 / letters.shape[1]))
    y, x = (side - letters.shape[0]) // 2, (side - letters.shape[1]) // 2
    ink = ink.astype(np.float32) / 255
    part = ink[y : y + letters.shape[0], x : x + letters.shape[1]]
    part[:] = np.abs(part - letters[: part.shape[0], : part.shape[1]])
    if outline <= 0:
        return ink, np.zeros_like(ink)
    wide = cv2.dilate(ink, np.ones((2 * int(outline * 3) + 1,) * 2, np.uint8))
    return ink, np.clip(wide - ink, 0, 1)


def place(canvas: list[np.ndarray], sign: tuple, x: float, y: float, angle: float, gain: float = 1 / 3) -> None:
    """Puts ink and outline around (x, y) of the canvases [256, 256]; they are drawn at `1 / gain` of the size."""
    for target, source in zip(canvas, sign):
        source = cv2.GaussianBlur(source, (0, 0), 0.35 / gain)
        cos, sin = np.cos(angle) * gain, np.sin(angle) * gain
        h, w = source.shape
        matrix = np.float32([[cos, -sin, x - cos * w / 2 + sin * h / 2], [sin, cos, y - sin * w / 2 - cos * h / 2]])
        np.maximum(target, cv2.warpAffine(source, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), out=target)


def laid_out(rng: np.random.Generator, kind: str, outline: float) -> tuple[list[np.ndarray], tuple | None]:
    """The ink and the outline of a whole mark, and the plate below it."""
    canvas = [np.zeros((SIDE, SIDE), np.float32) for _ in range(2)]
    plate = None
    if kind == "tiled":
        sign = written(rng, words(rng), rng.uniform(7, 26), outline)
        angle = rng.choice([0.0, -rng.uniform(0, 1.2), rng.uniform(0, 0.8)])
        h, w = np.array(sign[0].shape) / 3
        step_x, step_y = w * rng.uniform(1.05, 1.8) + 8, h * rng.uniform(1.6, 5)
        cos, sin, shift = np.cos(angle), np.sin(angle), rng.uniform(0, 1, 2)
        reach = int(400 / min(step_x, step_y)) + 1
        for i in range(-reach, reach + 1):
            for k in range(-reach, reach + 1):
                u, v = (i + shift[0] + 0.5 * (k % 2)) * step_x, (k + shift[1]) * step_y
                x, y = SIDE / 2 + cos * u - sin * v, SIDE / 2 + sin * u + cos * v
                if -w / 2 < x < SIDE + w / 2 and -w / 2 < y < SIDE + w / 2:
                    place(canvas, sign, x, y, angle)
    elif kind == "lines":
        for _ in range(int(rng.integers(1, 4))):
            a, b = rng.integers(-40, SIDE + 40, 2), rng.integers(-40, SIDE + 40, 2)
            cross = [(a, b), (np.array([SIDE - a[0], a[1]]), np.array([SIDE - b[0], b[1]]))]
            for start, end in cross:
                line = np.zeros((SIDE * 2, SIDE * 2), np.uint8)
                ends = [tuple(int(c) for c in p * 2) for p in (start, end)]
                cv2.line(line, *ends, 255, int(rng.integers(1, 4)), cv2.LINE_AA)
                line = cv2.resize(line, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
                np.maximum(canvas[0], line, out=canvas[0])
        place(canvas, written(rng, words(rng), rng.uniform(12, 40), outline), *rng.uniform(60, 196, 2), 0.0)
    else:
        height = {"corner": rng.uniform(5, 22), "centre": rng.uniform(22, 90), "logo": rng.uniform(26, 110)}[kind]
        sign = emblem(rng, height, outline) if kind == "logo" else written(rng, words(rng), height, outline)
        angle = rng.choice([0.0, -rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)]) if kind == "centre" else 0.0
        angle = -np.pi / 2 if kind == "corner" and rng.random() < 0.06 else angle
        h, w = np.array(sign[0].shape) / 3
        if kind == "corner" and w > SIDE * 1.3 or kind == "centre" and w > SIDE * 1.8:
            sign = tuple(cv2.resize(part, None, fx=SIDE / w, fy=SIDE / w, interpolation=cv2.INTER_AREA) for part in sign)
            h, w = np.array(sign[0].shape) / 3
        reach_x, reach_y = (h / 2, w / 2) if abs(angle) > 1.5 else (w / 2, h / 2)
        margin = rng.uniform(2, 14)
        edge = lambda reach: float(rng.choice([margin + reach, SIDE - margin - reach, rng.uniform(0.3, 0.7) * SIDE]))
        x, y = (edge(reach_x), edge(reach_y)) if kind != "centre" else rng.uniform(0.35, 0.65, 2) * SIDE
        place(canvas, sign, x, y, angle)
        if kind == "logo" and rng.random() < 0.6:
            under = written(rng, words(rng), height * rng.uniform(0.12, 0.3), outline)
            place(canvas, under, x, y + h * 0.62, 0.0)
        if kind == "corner" and angle == 0.0 and rng.random() < 0.2:
            pad = rng.uniform(2, 8)
            left, right = (0, SIDE) if rng.random() < 0.4 else (x - w / 2 - pad, x + w / 2 + pad)
            plate = [int(np.clip(c, 0, SIDE)) for c in (left, y - h / 2 - pad, right, y + h / 2 + pad)]
    return canvas, plate


def layer(rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """u8 [256, 256, 4] and what is known of it."""
    kind = str(rng.choice(["corner", "corner", "corner", "centre", "centre", "tiled", "logo", "lines"]))
    strength = float(rng.random())
    opacity = 0.22 + 0.78 * strength**1.3
    if kind == "corner":
        opacity = max(opacity, 0.4)  # small letters that are weak as well are no longer seen
    outlined = rng.random() < 0.35
    (ink, edge), plate = laid_out(rng, kind, rng.uniform(0.5, 1.6) if outlined else 0.0)
    if outlined and kind in ("centre", "tiled") and rng.random() < 0.3:
        ink, edge = edge, np.zeros_like(edge)  # hollow letters
    dark = rng.random() < 0.22
    grey = rng.uniform(0, 60) if dark else rng.uniform(190, 255)
    colour = rng.uniform(0, 255, 3) if rng.random() < 0.2 else np.full(3, grey)
    against = np.full(3, 240.0 if dark else 12.0)
    alpha, paint = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE, 3), np.float32)

    def over(cover: np.ndarray, shade: np.ndarray) -> None:
        nonlocal alpha, paint
        paint = paint * (1 - cover[..., None]) + shade * cover[..., None]
        alpha = alpha * (1 - cover) + cover

    if plate:
        cover = np.zeros((SIDE, SIDE), np.float32)
        cover[plate[1] : plate[3], plate[0] : plate[2]] = rng.uniform(0.3, 1.0)
        over(cover, against)
    if rng.random() < 0.35:
        shift = np.float32([[1, 0, rng.uniform(0.4, 3)], [0, 1, rng.uniform(0.4, 3)]])
        shadow = cv2.warpAffine(cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.5, 2.5)), shift, (SIDE, SIDE))
        over(np.clip(shadow, 0, 1) * opacity * rng.uniform(0.4, 0.9), against)
    over(edge * opacity * rng.uniform(0.5, 1.0), against)
    over(ink * opacity, colour)
    picture = np.concatenate([paint, alpha[..., None] * 255], 2)
    facts = {"region": "tile", "kind": kind, "strength": round(strength, 4), "font": True}
    return picture.round().clip(0, 255).astype(np.uint8), facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "layers.u8", "wb") as pixels, open(args.out / "layers.jsonl", "w") as lines:
        for index in range(args.count):
            picture, facts = layer(np.random.default_rng([args.seed, index]))
            pixels.write(picture.tobytes())
            lines.write(json.dumps({"index": index} | facts) + "\n")


if __name__ == "__main__":
    main()
