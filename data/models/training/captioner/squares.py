"""Reads the small photos that `synth`'s example `training_set` writes for the captioner, and varies them."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import vocabulary
import words

SIDE = 144  # pixels of a photo in the file, and of what the captioner looks at
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)  # CLIP's, as BLIP uses them
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
MOST_PEOPLE = 3  # of whom a photo's points are taken
PLACES = ["upper", "lower", "head"]
# Shares of the way between joints, where clothes are looked for.
ACROSS, DOWN, ALONG = (0.3, 0.5, 0.7), (0.15, 0.4, 0.65), (0.35, 0.65)
POINTS = len(ACROSS) * len(DOWN) + 4 * len(ALONG) + 1


def points(person: dict) -> list[tuple[float, float, int]]:
    """x and y as shares of the photo's sides, and the index of the place whose words hold there."""
    at = [(x, y) for x, y, _ in person["joints"]]
    seen = [bool(confidence) for _, _, confidence in person["joints"]]
    found = [(*at[0], 2)] if seen[0] else []
    if (seen[5] or seen[6]) and (seen[11] or seen[12]):
        for u in ACROSS:
            for v in DOWN:
                top, bottom = ([a + (b - a) * u for a, b in zip(at[left], at[left + 1])] for left in (5, 11))
                found.append((*(a + (b - a) * v for a, b in zip(top, bottom)), 0))
    lower = words.worn(person["clothes"])
    is_long = lower.get("lower", [""])[-1] in ("jeans", "trousers")
    for side in (0, 1):
        for first, last in ((11, 13), (13, 15)):
            if (seen[first + side] or seen[last + side]) and (first == 11 or is_long):
                pair = list(zip(at[first + side], at[last + side]))
                found += [(*(a + (b - a) * t for a, b in pair), 1) for t in ALONG]
    return [(x, y, place) for x, y, place in found if 0 <= x < 1 and 0 <= y < 1]


def told(person: dict) -> list[str]:
    """The words that hold at each place of a person; a dress is worn at both places of clothes."""
    worn = words.worn(person["clothes"])
    upper, lower, over, eyes = (worn.get(place, []) for place in ("upper", "lower", "over", "eyes"))
    said = [upper + over, upper if "dress" in upper else lower, [person["body"]] + eyes]
    return [words.spelled(part) for part in said]


class Squares:
    """A folder's `captions.u8` and `captions.jsonl`. Files that still grow are read as far as they are whole."""

    def __init__(self, folder: Path):
        size = (folder / "captions.u8").stat().st_size // (SIDE * SIDE * 3)
        rows = []
        for line in open(folder / "captions.jsonl"):
            if len(rows) == size or not line.endswith("\n"):
                break
            rows.append(json.loads(line))
        self.pixels = np.memmap(folder / "captions.u8", np.uint8, "r", shape=(len(rows), SIDE, SIDE, 3))
        self.rows, self.captions = rows, [row["caption"] for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def prepare(self, made) -> None:
        """Captions as ids, in both directions, and the words at points of the people."""
        turned = [words.caption_of(words.people(caption)[::-1]) for caption in self.captions]
        self.ids = [vocabulary.ids(made, captions) for captions in (self.captions, turned)]
        n = len(self)
        self.points = np.full((n, MOST_PEOPLE * POINTS, 2), -1, np.float32)
        self.places = np.zeros((n, MOST_PEOPLE * POINTS), np.int64)
        self.words = np.zeros((n, MOST_PEOPLE * len(PLACES), len(made)), bool)
        for i, row in enumerate(self.rows):
            count = 0
            for k, person in enumerate(row["people"][:MOST_PEOPLE]):
                for x, y, place in points(person):
                    self.points[i, count], self.places[i, count] = (x, y), k * len(PLACES) + place
                    count += 1
                for place, text in enumerate(told(person)):
                    said = made(text, add_special_tokens=False).input_ids
                    self.words[i, k * len(PLACES) + place, said] = True

    def batch(self, index: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Photos of these indices, mirrored and cut at random, with what is taught of them."""
        image = torch.from_numpy(self.pixels[index]).permute(0, 3, 1, 2).float() / 255
        at = torch.from_numpy(self.points[index])
        is_mirrored = rng.random() < 0.5
        ids = self.ids[is_mirrored][torch.from_numpy(index)].long()
        if is_mirrored:
            image, at = image.flip(3), torch.where(at < 0, at, torch.stack([1 - at[..., 0], at[..., 1]], -1))
        if rng.random() < 0.5:
            image, at = cut(image, at, rng)
        ids = ids[:, : int((ids != vocabulary.PAD).sum(1).max())]
        return {"image": (image - MEAN) / STD, "ids": ids, "points": at, "places": torch.from_numpy(self.places[index]),
                "words": torch.from_numpy(self.words[index])}


def cut(image: torch.Tensor, at: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A part of each photo, stretched: 85 to 100 % of each side. Points outside become negative."""
    n = len(image)
    size = torch.from_numpy(rng.uniform(0.85, 1.0, (n, 2)).astype(np.float32))
    start = torch.from_numpy(rng.random((n, 2)).astype(np.float32)) * (1 - size)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = size[:, 0], size[:, 1]
    theta[:, :, 2] = 2 * start + size - 1
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    moved = (at - start[:, None]) / size[:, None]
    is_inside = (at >= 0).all(-1) & (moved >= 0).all(-1) & (moved < 1).all(-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False), torch.where(is_inside[..., None], moved, -1.0)
