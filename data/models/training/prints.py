"""Letters that belong to the scene: slogans on shirts, signs, posters. Clean pictures that look most like marked ones.

What tells them from a mark: they are bent and foreshortened with their surface, they share its light, folds and grain,
and they are as blurred as it is.
"""

import cv2
import numpy as np


def printed(rng: np.random.Generator, ground: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """A ground u8 [256, 256, 3] with the letters of a layer u8 [256, 256, 4] printed on it, or on a sign before it."""
    side = ground.shape[0]
    cover = layer[..., 3].astype(np.float32)
    rows, columns = (np.flatnonzero(cover.max(axis) > 20) for axis in (1, 0))
    if len(rows) < 4 or len(columns) < 4:
        return ground
    cover = cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cover = cover / max(cover.max(), 1) * rng.uniform(0.75, 1.0)
    corners, placed = quad(rng, cover.shape[1] / cover.shape[0], side)
    matrix = cv2.getPerspectiveTransform(box(cover.shape[1], cover.shape[0]), corners)
    ink = cv2.warpPerspective(cover, matrix, (side, side), flags=cv2.INTER_AREA)
    bend = smooth(rng, side, 2) * rng.uniform(1.0, 6.0)
    light = 1 + rng.uniform(0.1, 0.6) * smooth(rng, side, 1)
    image = ground.astype(np.float32)
    # the surface's own grain shows in the print
    relief = (image + 12) / (cv2.GaussianBlur(image, (0, 0), 7) + 12)
    if rng.random() < 0.6:
        plate = np.zeros((side, side), np.float32)
        cv2.fillConvexPoly(plate, np.int32(placed), 1.0, cv2.LINE_AA)
        plate = bent(cv2.GaussianBlur(plate, (0, 0), 0.6), bend)[..., None]
        image = image * (1 - plate) + colour(rng) * light * relief ** rng.uniform(0, 0.6) * plate
    elif rng.random() < 0.5:
        image = image * light
    ink = bent(ink, bend)[..., None]
    image = image * (1 - ink) + colour(rng) * light * relief * ink
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    return image.round().clip(0, 255).astype(np.uint8)


def colour(rng: np.random.Generator) -> np.ndarray:
    """Black, white, or anything."""
    return rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.choice([15.0, 235.0]))


def box(width: float, height: float) -> np.ndarray:
    """The corners of a picture."""
    return np.float32([[0, 0], [width, 0], [width, height], [0, height]])


def quad(rng: np.random.Generator, aspect: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the corners of the letters go, turned and foreshortened, and those of a sign around them."""
    width = side * rng.uniform(0.2, 0.9)
    height = min(width / aspect, side * 0.8)
    half = np.float32([width, height]) / 2
    unit = np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    angle = rng.normal(0, 0.25)
    turn = np.float32([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    squeeze = np.float32([rng.uniform(0.6, 1.0), rng.uniform(0.8, 1.1)])
    tilt = 1 + np.float32(unit @ rng.uniform(-0.25, 0.25, 2))[:, None]
    middle = rng.uniform(0.2, 0.8, 2) * side
    place = lambda grown: np.float32((unit * (half + grown) * squeeze * tilt) @ turn + middle)
    return place(0), place(rng.uniform(4, 24))


def smooth(rng: np.random.Generator, side: int, planes: int) -> np.ndarray:
    """Folds: slow noise in -1..1, [256, 256, planes]."""
    coarse = rng.uniform(-1, 1, (int(rng.integers(3, 9)), int(rng.integers(3, 9)), planes)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).reshape(side, side, planes)


def bent(plane: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """A plane moved by some pixels here and there."""
    rows, columns = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]].astype(np.float32)
    return cv2.remap(plane, columns + bend[..., 0], rows + bend[..., 1], cv2.INTER_LINEAR)
