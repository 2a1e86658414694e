"""Reads the portraits that `synth`'s example `training_set` writes: small squares of one person with captions."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from networks import SIDE

DRAWN = 128  # pixels of a portrait in the file


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

    def batch(self, index: np.ndarray) -> torch.Tensor:
        """f32 [n, 3, 64, 64] in -1..1."""
        raw = torch.from_numpy(self.pixels[index]).permute(0, 3, 1, 2)
        return F.avg_pool2d(raw.contiguous().float(), DRAWN // SIDE) / 127.5 - 1

    def pictures(self, count: int) -> list[np.ndarray]:
        """The first ones as u8 [64, 64, 3]."""
        whole = (self.batch(np.arange(min(count, len(self)))) + 1) * 127.5
        return list(whole.round().byte().permute(0, 2, 3, 1).numpy())
