"""Mixes pictures for MarkNet: marks are laid over regions of photos and over textures, both new in every epoch.

Since ground and mark are mixed here, the pixels that the mark changed are known. Grounds that were taken for marked
before are drawn more often: nearly all clean pictures are easy, and what is left to learn is in the others.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from dataset import Pictures, Recolour
from network import MARK_INPUT
from prints import printed

CHANGED = 2.5  # mean difference, in levels of 255, from which a cell of 8x8 pixels belongs to a mark
SEEN = (10.0, 0.8)  # a mark is seen where it changes more: levels of 255, deviations of what is below in a cell
FEWEST, SHARE = 4, 0.4  # cells and share of its cells where a mark has to be seen, or nobody could say that it is there
MARKED = 0.45  # share of marked pictures
TEXTURES = 0.45  # share of grounds that are no synthetic photos
OWN_MARKS = 0.55  # share of marks as `synth` draws them; the others are `overlays.py`'s
HARD = 0.6  # share of clean pictures drawn by how much they were taken for marked
UPRIGHT = 0.07  # share of marks that read upwards or downwards
TURNED = 0.2  # share of marks whose light and dark are swapped: most are drawn light, and the dark ones are missed more
PRINTED = 0.2  # share of clean pictures with letters that belong to the scene
PICTURES = 6_400  # an epoch
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
SMALL = ("corner", "logo")  # marks that are too small in the whole frame, unless strong; tiles have to find them


def shown(row: dict) -> bool:
    """Whether a layer's mark is to be found in its region."""
    return row["region"] != "frame" or row["kind"] not in SMALL or row["strength"] > 0.6


class Marks:
    """Folders with grounds.u8, textures.u8 and layers.u8 of `training_set`, layers.u8 of `overlays.py`."""

    def __init__(self, folders: list[Path]):
        self.grounds = [Pictures(folders, name, MARK_INPUT) for name in ("grounds", "textures")]
        self.layers = Pictures(folders, "layers", MARK_INPUT, 4)
        rows = self.layers.rows
        kept = [i for i, row in enumerate(rows) if shown(row)]
        self.own = np.array([i for i in kept if not rows[i].get("font")])
        self.other = np.array([i for i in kept if rows[i].get("font")])
        # how much each ground was last taken for marked; unseen ones come first
        self.suspicion = [np.ones(len(grounds)) for grounds in self.grounds]
        self.recolour = Recolour(MARK_INPUT, 0.15)

    def __len__(self) -> int:
        return PICTURES

    def batch(self, index: np.ndarray) -> dict:
        """image [n, 3, 256, 256], label [n], changed [n, 32, 32] in 0..1; `ground` says what lies below, -1 below a print."""
        rng = np.random.default_rng(int(torch.randint(1 << 30, ())))
        n = len(index)
        label = (rng.random(n) < MARKED).astype(np.int64)
        which = (rng.random(n) < TEXTURES).astype(np.int64)
        images, changes, grounds = [], [], []
        for marked, kind in zip(label, which):
            place = self.draw(rng, kind, hard=not marked and rng.random() < HARD)
            image = self.ground(rng, kind, place)
            change = np.zeros(image.shape[:2], np.float32)
            if marked:
                image, change = self.mark(rng, image)
            elif rng.random() < PRINTED:
                image, place = printed(rng, image, self.layers[int(rng.choice(self.other))]), -1
            images.append(filed(rng, image))
            changes.append(change)
            grounds.append(place)
        image = self.recolour(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
        changed = F.avg_pool2d(torch.from_numpy(np.stack(changes))[:, None], 8)[:, 0] > CHANGED
        image = (image - MEAN[:, None, None]) / STD[:, None, None]
        return {
            "image": image.contiguous(memory_format=torch.channels_last),
            "label": torch.from_numpy(label),
            "changed": changed.float(),
            "ground": (which, np.array(grounds)),
        }

    def learned(self, batch: dict, logits: torch.Tensor) -> None:
        """Remembers which clean pictures were taken for marked."""
        probability = logits.detach().float().softmax(1)[:, 1].numpy()
        which, places = batch["ground"]
        for label, kind, place, p in zip(batch["label"].tolist(), which, places, probability):
            if not label and place >= 0:
                self.suspicion[kind][place] = p + 0.002

    def draw(self, rng: np.random.Generator, kind: int, hard: bool) -> int:
        """A ground; a hard one is the most suspicious of sixteen, nearly."""
        suspicion = self.suspicion[kind]
        if not hard:
            return int(rng.integers(len(suspicion)))
        some = rng.integers(len(suspicion), size=16)
        weight = suspicion[some] ** 1.5
        return int(rng.choice(some, p=weight / weight.sum()))

    def ground(self, rng: np.random.Generator, kind: int, place: int) -> np.ndarray:
        """u8 [256, 256, 3], mirrored and cut a little; textures may stand on their head as well."""
        image = self.grounds[kind][place]
        if kind == 1 and rng.random() < 0.5:
            image = np.rot90(image, rng.integers(4))
        zoom = 1.0 if rng.random() < 0.5 else rng.uniform(1.0, 1.3)
        return moved(rng, np.ascontiguousarray(image), zoom, rng.random() < 0.5, cv2.BORDER_REFLECT)

    def mark(self, rng: np.random.Generator, ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lays a mark that can be seen over a ground: the picture, and by how much each pixel changed."""
        while True:
            layers = self.own if rng.random() < OWN_MARKS or not len(self.other) else self.other
            layer = self.layers[int(rng.choice(layers))]
            if rng.random() < UPRIGHT:
                layer = np.ascontiguousarray(np.rot90(layer, 1 + 2 * rng.integers(2)))
            zoom = 1.0 if rng.random() < 0.6 else rng.uniform(0.9, 1.12)
            layer = moved(rng, layer, zoom, rng.random() < 0.15, cv2.BORDER_CONSTANT).astype(np.float32)
            if rng.random() < TURNED:
                layer[..., :3] = layer[..., 3:] - layer[..., :3]  # colours are times opacity
            if rng.random() < 0.5:
                layer *= min(rng.uniform(0.9, 1.4), 255 / max(layer[..., 3].max(), 1.0))
            image = ground * (1 - layer[..., 3:] / 255) + layer[..., :3]
            red, green, blue = cv2.split(np.abs(image - ground))
            change = np.maximum(np.maximum(red, green), blue)
            if is_seen(ground, change):
                return image.round().clip(0, 255).astype(np.uint8), change


def is_seen(ground: np.ndarray, change: np.ndarray) -> bool:
    """Whether a mark stands out from its ground in enough of its cells."""
    mean, square = (
        cv2.resize(plane, (32, 32), interpolation=cv2.INTER_AREA)
        for plane in (ground[..., 1].astype(np.float32), np.square(ground[..., 1], dtype=np.float32))
    )
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    most = change.reshape(32, 8, 32, 8).max((1, 3))
    seen = (most > np.maximum(SEEN[0], SEEN[1] * deviation)).sum()
    return bool(seen >= max(FEWEST, SHARE * (most > CHANGED).sum()))


def moved(rng: np.random.Generator, image: np.ndarray, zoom: float, mirror: bool, border: int) -> np.ndarray:
    """The picture enlarged around some point, and mirrored."""
    if zoom != 1.0:
        side = image.shape[0]
        x, y = rng.uniform(0, side, 2)
        matrix = np.float32([[zoom, 0, x * (1 - zoom)], [0, zoom, y * (1 - zoom)]])
        image = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    return image[:, ::-1] if mirror else image


def filed(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """A quarter of the pictures is saved once more, as small photos are."""
    if rng.random() < 0.75:
        return np.ascontiguousarray(image)
    _, file = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 97))])
    return cv2.imdecode(file, cv2.IMREAD_COLOR)
