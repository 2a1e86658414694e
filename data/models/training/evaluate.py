"""How good the models are on pictures they never saw. Needs numpy and onnxruntime only.

    cargo run --release -p synth --example training_set -- --seed 4242 --people 1000 --marks 200 --gallery 200 --out DIR
    python evaluate.py --data DIR

Prints one line per figure and exits with 1 if one of them misses its goal.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

MODELS = Path(__file__).resolve().parents[1]
MIN_SCORE = 0.4  # of a face and of a person: the default of the rules
OVERLAP = 0.6  # boxes that overlap more are one object
VISIBLE = 0.5  # confidence from which a joint counts as visible
PREVALENCE = 0.1  # share of the demo gallery's photos that are marked
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
GOALS = {
    "watermark accuracy": 0.97,
    "people 0/1/2+ accuracy": 0.97,
    "joints PCK@0.1": 0.90,
}


class Model:
    """A network in a file."""

    def __init__(self, path: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: batch})[0]


def read(folder: Path, name: str, side: int) -> tuple[list[dict], np.ndarray]:
    """Rows of `name`.jsonl and pictures u8 [n, side, side, 3] of `name`.u8."""
    rows = [json.loads(line) for line in open(folder / f"{name}.jsonl")]
    return rows, np.memmap(folder / f"{name}.u8", np.uint8, "r", shape=(len(rows), side, side, 3))


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of cx, cy, w, h [4] with [k, 4]."""
    low = np.maximum(box[:2] - box[2:4] / 2, others[:, :2] - others[:, 2:4] / 2)
    high = np.minimum(box[:2] + box[2:4] / 2, others[:, :2] + others[:, 2:4] / 2)
    inner = np.clip(high - low, 0, None).prod(1)
    return inner / (box[2] * box[3] + others[:, 2:4].prod(1) - inner)


def detections(output: np.ndarray) -> list[np.ndarray]:
    """[5 or 56, anchors] of one picture -> one row per object, best first."""
    rows = output.T[output[4] >= MIN_SCORE]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    kept = []
    while len(rows):
        kept.append(rows[0])
        rows = rows[1:][overlap(rows[0], rows[1:]) <= OVERLAP]
    return kept


def pck(people: list[dict], found: list[np.ndarray]) -> tuple[int, int, int, int]:
    """Visible joints within a tenth of max(width, height) of their person's box; visible joints;
    joints whose visibility is told right; joints. Each person is matched with the best overlapping detection."""
    near = visible = told = joints = 0
    for person in people:
        truth, box = np.array(person["joints"]), np.array(person["box"])
        shown = truth[:, 2] > 0.5
        size = box[2:] - box[:2]
        visible, joints = visible + shown.sum(), joints + len(truth)
        if not found:
            continue
        centred = np.concatenate([(box[:2] + box[2:]) / 2, size])
        best = found[int(np.argmax(overlap(centred, np.stack(found))))]
        pose = best[5:].reshape(17, 3)
        distance = np.linalg.norm(pose[:, :2] - truth[:, :2], axis=1)
        near += (distance[shown] <= 0.1 * size.max()).sum()
        told += ((pose[:, 2] >= VISIBLE) == shown).sum()
    return near, visible, told, joints


def people(folder: Path, models: Path, threads: int) -> dict:
    """Figures of the face and the pose model."""
    faces_model, pose_model = Model(models / "faces.onnx", threads), Model(models / "pose.onnx", threads)
    rows, pictures = read(folder, "people", 320)
    right, total = {}, {}

    def count(name: str, hits: int, of: int = 1) -> None:
        right[name], total[name] = right.get(name, 0) + int(hits), total.get(name, 0) + int(of)

    for start in range(0, len(rows), 16):
        images = np.asarray(pictures[start : start + 16]).transpose(0, 3, 1, 2).astype(np.float32) / 255
        images = np.ascontiguousarray(images.repeat(2, 2).repeat(2, 3))
        for row, faces, pose in zip(rows[start : start + 16], faces_model(images), pose_model(images)):
            truth = row["people"]
            with_face = sum(person["face"] is not None for person in truth)
            faces, found = detections(faces), detections(pose)
            class_of = min(len(truth), 2)
            count("people 0/1/2+ accuracy", min(len(found), 2) == class_of)
            count(f"people, of {class_of}{'+' * (class_of == 2)}", min(len(found), 2) == class_of)
            count("faces 0/1/2+ accuracy", min(len(faces), 2) == min(with_face, 2))
            if len(truth) == 1 and with_face == 1:
                count("good photos kept", len(found) == 1 and len(faces) == 1)
            elif len(truth) != 1:
                count("0 or 2+ people dropped", len(found) != 1 or len(faces) != 1)
            near, visible, told, joints = pck(truth, found)
            count("joints PCK@0.1", near, visible)
            count("joints' visibility", told, joints)
    return {name: right[name] / max(total[name], 1) for name in sorted(right)}


def photo_margins(folder: Path, name: str, models: Path, threads: int) -> list[tuple[str, float]]:
    """The mark's kind, "clean" if there is none, and the largest logit(watermark) - logit(clean) of the regions."""
    model = Model(models / "watermark.onnx", threads)
    rows, pictures = read(folder, name, 256)
    margins = {}
    for start in range(0, len(rows), 32):
        images = (np.asarray(pictures[start : start + 32]).astype(np.float32) / 255 - MEAN) / STD
        logits = model(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        for row, margin in zip(rows[start : start + 32], logits[:, 1] - logits[:, 0]):
            photo = (row["photo"], row["kind"] or "clean")
            margins[photo] = max(margins.get(photo, -np.inf), float(margin))
    return [(kind, margin) for (_, kind), margin in margins.items()]


def marks(folder: Path, models: Path, threads: int) -> dict:
    """Figures of the watermark model on photos of any kind; a photo is marked where one of its regions is (p > 0.5)."""
    photos = photo_margins(folder, "marks", models, threads)
    figures = kinds_right(photos, "watermark")
    marked = np.mean([margin > 0 for kind, margin in photos if kind != "clean"])
    figures["watermark accuracy"] = float(marked + figures["watermark, clean"]) / 2  # balanced
    return figures


def gallery(folder: Path, models: Path, threads: int) -> dict:
    """Figures of the watermark model on photos as the demo gallery has them, of which `PREVALENCE` are marked."""
    photos = photo_margins(folder, "gallery", models, threads)
    figures = kinds_right(photos, "gallery")
    found = float(np.mean([margin > 0 for kind, margin in photos if kind != "clean"]))
    false = 1 - figures["gallery, clean"]
    figures["gallery, marks found"] = found
    figures["gallery, precision"] = PREVALENCE * found / max(PREVALENCE * found + (1 - PREVALENCE) * false, 1e-9)
    return figures


def kinds_right(photos: list[tuple[str, float]], name: str) -> dict:
    """The share of right answers for each kind of mark, and for clean photos."""
    margins = {kind: np.array([margin for k, margin in photos if k == kind]) for kind in sorted({k for k, _ in photos})}
    return {f"{name}, {kind}": float(((m > 0) == (kind != "clean")).mean()) for kind, m in margins.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder that training_set wrote")
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder of the .onnx files")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    figures = {}
    for name, judge in (("people", people), ("marks", marks), ("gallery", gallery)):
        rows = args.data / f"{name}.jsonl"
        if rows.exists() and rows.stat().st_size:
            figures |= judge(args.data, args.models, args.threads)
    for name, value in figures.items():
        goal = f"  goal {GOALS[name]:.2f}" if name in GOALS else ""
        print(f"{name:28} {value:.4f}{goal}")
    missed = [name for name, goal in GOALS.items() if figures.get(name, goal) < goal]
    if missed:
        sys.exit(f"below its goal: {', '.join(missed)}")


if __name__ == "__main__":
    main()
