"""Reads the portraits that `synth`'s example `training_set` writes: small squares of one person with captions."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from networks import SIDE

DRAWN = 128  # pixels of a portrait in the file
EDGE = 0.18  # of 2: a step between neighbours that no shade of a studio's wall has
PLAIN = 0.01  # share of such steps on a wall with nothing before it
FLOOR = 52  # pixels from the top, of 64: below are floor and shadow


class Portraits:
    """A folder's `portraits.u8` and `portraits.jsonl`. Files that still grow are read as far as they are whole."""

    def __init__(self, folder: Path, most: int | None = None):
        size = (folder / "portraits.u8").stat().st_size // (DRAWN * DRAWN * 3)
        self.rows: list[dict] = []
        for line in open(folder / "portraits.jsonl"):
            if len(self.rows) == min(size, most or size) or not line.endswith("\n"):
                break
            self.rows.append(json.loads(line))
        shape = (len(self.rows), DRAWN, DRAWN, 3)
        self.pixels = np.memmap(folder / "portraits.u8", np.uint8, "r", shape=shape)
        self.captions = [row["caption"] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def plain(self) -> np.ndarray:
        """Indices of those whose arms hang, whose knees are straight, and who stand before a plain ground: the easiest half."""
        joints = np.array([row["joints"] for row in self.rows])[..., :2]
        shoulders, hips = joints[:, 5:7].mean(1), joints[:, 11:13].mean(1)
        torso = np.linalg.norm(shoulders - hips, axis=1)
        wrists, knees = joints[:, 9:11], joints[:, 13:15]
        hang = (wrists[..., 1] > (shoulders[:, 1] + 0.45 * torso)[:, None]).all(1)
        near = (np.abs(wrists[..., 0] - hips[:, :1]) < torso[:, None]).all(1)
        straight = (knees[..., 1] - joints[:, 11:13, 1] > 0.7 * torso[:, None]).all(1)
        level = np.abs(knees[:, 0, 1] - knees[:, 1, 1]) < 0.3 * torso
        upright = np.abs(shoulders[:, 0] - hips[:, 0]) < 0.25 * torso
        stands = np.flatnonzero(hang & near & straight & level & upright)
        return np.array([i for i in stands if self.ground_edges(i) < PLAIN])

    def ground_edges(self, index: int) -> float:
        """The share of pixels of the ground, above the floor, that differ much from a neighbour."""
        image = self.batch(np.array([index]))[0]
        edges = torch.maximum((image[:, 1:, :-1] - image[:, :-1, :-1]).abs(), (image[:, :-1, 1:] - image[:, :-1, :-1]).abs())
        is_ground = torch.ones(SIDE - 1, SIDE - 1, dtype=torch.bool)
        left, top, right, bottom = (int(at * SIDE / DRAWN) for at in self.rows[index]["person"])
        is_ground[max(0, top - 2) : bottom + 3, max(0, left - 3) : right + 4] = False
        is_ground[FLOOR:] = False
        edges = edges.amax(0)[is_ground]
        return (edges > EDGE).float().mean().item() if len(edges) > 50 else 1.0

    def batch(self, index: np.ndarray) -> torch.Tensor:
        """f32 [n, 3, 64, 64] in -1..1."""
        raw = torch.from_numpy(self.pixels[index]).permute(0, 3, 1, 2)
        return F.avg_pool2d(raw.contiguous().float(), DRAWN // SIDE) / 127.5 - 1

    def pictures(self, count: int) -> list[np.ndarray]:
        """The first ones as u8 [64, 64, 3]."""
        whole = (self.batch(np.arange(min(count, len(self)))) + 1) * 127.5
        return list(whole.round().byte().permute(0, 2, 3, 1).numpy())
