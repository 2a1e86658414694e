"""Reads what `synth`'s example `training_set` writes, and varies it: every epoch sees another picture of each.

Pictures are u8 on disk (memory-mapped) and f32 [n, 3, side, side] in 0..1 as batches; lengths are pixels of the
320 px picture, half of what `people.jsonl` says (640 px letterbox).
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from network import INPUT, JOINTS

GREY = 114 / 255  # the letterbox's border
MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]  # COCO joints with left and right swapped
SEEN_ENOUGH = 0.35  # people of whom less is in the picture may be found or not


def lines(path: Path) -> list[dict]:
    """The rows of a JSON Lines file."""
    with open(path) as file:
        return [json.loads(line) for line in file]


class Pictures:
    """The files `name`.u8 of several folders, u8 [count, side, side, channels] each, as one, and the rows of
    `name`.jsonl. Folders without such files are passed over."""

    def __init__(self, folders: list[Path], name: str, side: int, channels: int = 3):
        self.files, self.rows = [], []
        for folder in (folder for folder in folders if (folder / f"{name}.jsonl").exists()):
            rows = lines(folder / f"{name}.jsonl")
            shape = (len(rows), side, side, channels)
            if rows:
                self.files.append(np.memmap(folder / f"{name}.u8", np.uint8, "r", shape=shape))
                self.rows += rows
        self.starts = np.cumsum([0] + [len(file) for file in self.files])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray:
        """u8 [side, side, channels]."""
        which = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.files[which][index - self.starts[which]]

    def batch(self, index: np.ndarray) -> torch.Tensor:
        """u8 [n, channels, side, side]."""
        raw = np.stack([self[i] for i in index])
        return torch.from_numpy(raw).permute(0, 3, 1, 2).contiguous()


def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
    """Random numbers in low..high."""
    return torch.rand(shape) * (high - low) + low


def blend(image: torch.Tensor, share: float) -> torch.Tensor:
    """Moves a picture [3, h, w] towards its 3x3 blur (share > 0) or away from it (sharper)."""
    blurred = image.clone()
    blurred[:, 1:-1] = (image[:, :-2] + image[:, 2:] + 2 * image[:, 1:-1]) / 4
    blurred[:, :, 1:-1] = (blurred[:, :, :-2] + blurred[:, :, 2:] + 2 * blurred[:, :, 1:-1]) / 4
    return image.lerp_(blurred, share)


class Recolour:
    """Other light and another camera, picture by picture. Noise comes from a bank: drawing it costs too much."""

    def __init__(self, side: int, strength: float):
        self.side, self.strength = side, strength
        self.noise = torch.randn(3, side + 64, side + 64, generator=torch.Generator().manual_seed(7))

    def __call__(self, raw: torch.Tensor) -> torch.Tensor:
        """u8 [n, 3, side, side] -> f32 in 0..1. Two pictures in three stay as they are: `synth` varies enough."""
        images = torch.empty(raw.shape)
        for i, plane in enumerate(raw):
            images[i] = self.vary(plane) if torch.rand(()) < 1 / 3 else plane.float() / 255
        return images

    def vary(self, raw: torch.Tensor) -> torch.Tensor:
        """Gain, white balance, contrast and gamma by table; then saturation, sharpness, noise."""
        level = torch.arange(256) / 255
        gain = (1 + self.strength * uniform(-1, 1, 1)) * (1 + self.strength * uniform(-0.4, 0.4, 3, 1))
        contrast, gamma = 1 + self.strength * uniform(-1, 1, 1), 1 + self.strength * uniform(-0.8, 0.8, 1)
        table = ((level * gain - 0.45) * contrast + 0.45).clamp(0, 1) ** gamma
        image = torch.stack([table[c][raw[c].int()] for c in range(3)])
        if torch.rand(()) < 0.5:
            saturation = 0.0 if torch.rand(()) < 0.25 else float(uniform(0.6, 1.3, 1))
            image = image.mean(0, keepdim=True).lerp(image, saturation)
        if torch.rand(()) < 0.4:
            image = blend(image, float(uniform(-0.5, 0.9, 1)))
        if torch.rand(()) < 0.6:
            x, y = torch.randint(0, 64, (2,)).tolist()
            noise = self.noise[:, y : y + self.side, x : x + self.side]
            image.add_(noise, alpha=float(uniform(0, 0.04, 1)))
        return image.clamp_(0, 1)


class People:
    """Pictures of nobody, one or several people with their boxes, joints and faces."""

    def __init__(self, folders: list[Path]):
        self.pictures = Pictures(folders, "people", INPUT)
        self.recolour = Recolour(INPUT, 0.15)
        rows = self.pictures.rows
        most = max(max(len(row["people"]) for row in rows), 1)
        self.boxes = torch.full((len(rows), most, 4), torch.nan)
        self.faces = torch.full((len(rows), most, 4), torch.nan)
        self.joints = torch.full((len(rows), most, JOINTS, 3), torch.nan)
        for i, row in enumerate(rows):
            for k, person in enumerate(row["people"]):
                self.boxes[i, k] = torch.tensor(person["box"]) / 2
                self.joints[i, k] = torch.tensor(person["joints"]) / torch.tensor([2.0, 2.0, 1.0])
                if person["face"] is not None:
                    self.faces[i, k] = torch.tensor(person["face"]) / 2

    def __len__(self) -> int:
        return len(self.pictures.rows)

    def batch(self, index: np.ndarray) -> dict:
        """Varied pictures: image, boxes and faces [n, p, 4], joints [n, p, 17, 3], ignored bool [n, p]."""
        n = len(index)
        image = self.recolour(self.pictures.batch(index))
        rows = torch.from_numpy(index)
        boxes, faces, joints = self.boxes[rows].clone(), self.faces[rows].clone(), self.joints[rows].clone()
        flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
        scale = torch.where(torch.rand(n) < 0.5, 1.0, uniform(0.8, 1.25, n))
        shift = torch.where(torch.rand(n, 1) < 0.5, 0.0, uniform(-0.1, 0.1, n, 2)) * INPUT
        # From the new picture's -1..1 to the old one's, as grid_sample wants it.
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1] = flip / scale, 1 / scale
        theta[:, 0, 2], theta[:, 1, 2] = -shift[:, 0] * flip / scale * 2 / INPUT, -shift[:, 1] / scale * 2 / INPUT
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        image = F.grid_sample(image - GREY, grid, align_corners=False) + GREY

        def move(points: torch.Tensor) -> torch.Tensor:
            """Points [n, m, 2] of the old picture -> the new one's."""
            gain = torch.stack([flip * scale, scale], 1)[:, None]
            return (points - INPUT / 2) * gain + INPUT / 2 + shift[:, None]

        def move_boxes(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            """Boxes cut to the picture, NaN if nothing is left, and the share of each that is left."""
            corners = move(boxes.reshape(n, -1, 2)).reshape(n, -1, 2, 2)
            whole = torch.cat([corners.amin(2), corners.amax(2)], 2)
            cut = whole.clamp(0, INPUT)
            left = (cut[..., 2:] - cut[..., :2]).prod(2) / (whole[..., 2:] - whole[..., :2]).prod(2)
            return torch.where((left > 0.02)[..., None], cut, torch.nan), left.nan_to_num(1.0)

        boxes, seen = move_boxes(boxes)
        faces, face_seen = move_boxes(faces)
        joints[..., :2] = move(joints[..., :2].reshape(n, -1, 2)).reshape(n, -1, JOINTS, 2)
        joints = torch.where((flip < 0)[:, None, None, None], joints[:, :, MIRRORED], joints)
        outside = ((joints[..., :2] < 0) | (joints[..., :2] >= INPUT)).any(3)
        joints[..., 2] = torch.where(outside, 0.0, joints[..., 2])
        self.cover(image, faces, joints)
        ignored = (seen < SEEN_ENOUGH) | (face_seen < SEEN_ENOUGH)
        # Far outside, a place is a guess that only disturbs; places at (0, 0) of people who are not there are NaN.
        far = ((joints[..., :2] < -INPUT / 4) | (joints[..., :2] > INPUT * 5 / 4)).any(3)
        joints[..., :2] = torch.where(far[..., None], torch.nan, joints[..., :2])
        return {"image": image, "boxes": boxes, "faces": faces, "joints": joints, "ignored": ignored}

    @staticmethod
    def cover(image: torch.Tensor, faces: torch.Tensor, joints: torch.Tensor) -> None:
        """Puts a plain patch on a seventh of the pictures; joints under it are hidden. Faces are spared."""
        for i in (torch.rand(len(image)) < 0.15).nonzero().flatten().tolist():
            (width, height), (x, y) = uniform(12, 70, 2).long().tolist(), uniform(0, INPUT - 12, 2).long().tolist()
            face = faces[i]
            if ((face[:, 0] < x + width) & (face[:, 2] > x) & (face[:, 1] < y + height) & (face[:, 3] > y)).any():
                continue
            image[i, :, y : y + height, x : x + width] = uniform(0, 1, 3, 1, 1)
            at = joints[i, ..., :2]
            under = (at[..., 0] >= x) & (at[..., 0] < x + width) & (at[..., 1] >= y) & (at[..., 1] < y + height)
            joints[i, ..., 2] = torch.where(under, 0.0, joints[i, ..., 2])
