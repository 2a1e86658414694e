"""Finds the shifts and scales that export.py folds into the scores, on pictures the networks were not trained on.

    python calibrate.py --data DIR      (the models as exported without any)

The rules keep a photo whose watermark score is at most 0.5 and count faces and people from 0.4: these have to be the
scores where mistakes of both kinds are fewest.
"""

import argparse
from pathlib import Path

import numpy as np

import evaluate


BELL = 0.7  # standard deviation of a margin, in logits


def logit(p: np.ndarray) -> np.ndarray:
    """Of probabilities."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def mark_shift(folders: list[Path]) -> float:
    """What to add to the watermark's logit so that a gallery has as many false alarms as missed marks.

    Precision and recall are equal then. Where few photos are marked, the share of clean photos that may be lost is
    small. Each margin counts as a bell around itself, so that the place does not hang on single photos.
    """
    photos = sum((evaluate.photo_margins(folder, "gallery", evaluate.MODELS, 1) for folder in folders), [])
    truth = np.array([kind != "clean" for kind, _ in photos])
    margin = np.array([margin for _, margin in photos])
    shifts = np.arange(-10, 10, 0.05)
    above = 1 / (1 + np.exp(-np.clip((margin[:, None] + shifts) * 1.7 / BELL, -50, 50)))  # about a normal's integral
    marked = evaluate.PREVALENCE
    missed, false = marked * (1 - above[truth]).mean(0), (1 - marked) * above[~truth].mean(0)
    return float(shifts[np.abs(missed - false).argmin()])


def count_shift(folder: Path, model: str, truth_of) -> float:
    """What to add to the logits so that the count 0, 1 or 2+ is right most often; the middle of the best shifts."""
    net = evaluate.Model(evaluate.MODELS / model, 1)
    rows, pictures = evaluate.read(folder, "people", 320)
    shifts = np.arange(-1.5, 1.51, 0.1)
    right = np.zeros(len(shifts))
    for row, picture in zip(rows, pictures):
        image = np.asarray(picture).transpose(2, 0, 1).astype(np.float32)[None] / 255
        output = net(np.ascontiguousarray(image.repeat(2, 2).repeat(2, 3)))[0]
        scores = logit(output[4])
        for i, shift in enumerate(shifts):
            output[4] = 1 / (1 + np.exp(-scores - shift))
            right[i] += min(len(evaluate.detections(output)), 2) == min(truth_of(row["people"]), 2)
    print(model, dict(zip(shifts.round(1).tolist(), (right / len(rows)).round(4).tolist())))
    smooth = np.convolve(np.pad(right, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    return float(shifts[smooth >= smooth.max() - 1e-9].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders that training_set wrote")
    args = parser.parse_args()
    for folder in (folder for folder in args.data if (folder / "people.jsonl").stat().st_size):
        faces = count_shift(folder, "faces.onnx", lambda people: sum(p["face"] is not None for p in people))
        persons = count_shift(folder, "pose.onnx", len)
        print(f"--face-shift {faces:.2f} --person-shift {persons:.2f}")
    galleries = [folder for folder in args.data if (folder / "gallery.jsonl").exists()]
    if galleries:
        print(f"--mark-shift {mark_shift(galleries):.2f}")


if __name__ == "__main__":
    main()
