"""Photos per second of `bolid prepare` against other ways to the same tensors, in one run, on the same files and one core.

    python scripts/bench_prepare.py --bolid target/release/bolid --photos DIR [--speed target/release/examples/speed]

DIR has a subfolder of JPEGs for each size (`synth`, example `sized_photos`). Every way reads a file, decodes it, brings it
into the middle of a square of 1024 px, weighs it by eqs. 11–13 with the same joints, σ and α, and writes both as u8
[3, 1024, 1024]:

  bolid            JPEG at 1/2, 1/4 or 1/8 where 1.9 px remain for each px of the square, Lanczos3, one .safetensors
  OpenCV           whole JPEG, INTER_AREA; NumPy, per joint the product of a factor per row and one per column; .safetensors
  OpenCV, reduced  the same, the JPEG decoded as small as by bolid (IMREAD_REDUCED_COLOR_2, …)
  plain            whole JPEG with Pillow, LANCZOS; NumPy, the formula with an exponential per pixel and joint; two .npy

The people and joints are those that `bolid measure` found; photos in which it did not find exactly one person are left out
of every way. Not counted: starting Python; starting bolid and reading its catalog, which is the time of a second
`bolid prepare` that finds nothing to do. CPU time is the steadier figure where other programs run.
"""

import argparse
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

SIZE, SIGMA, ALPHA, LANCZOS = 1024, 64.0, 0.1, Image.Resampling.LANCZOS  # the defaults of a recipe's [prepare]
DECODED = 1.9  # curate::prepare
# Every photo of one person is kept.
RULES = [
    "rules.min_photos=1", "rules.min_side=100", "rules.duplicates.max_distance=0", "rules.watermark.max_score=1",
]  # fmt: skip


def placed(square: np.ndarray, small: np.ndarray) -> np.ndarray:
    """The photo in the middle of the square, as planes."""
    top, left = (SIZE - small.shape[0]) // 2, (SIZE - small.shape[1]) // 2
    square[:, top : top + small.shape[0], left : left + small.shape[1]] = small.transpose(2, 0, 1)
    return square


def side(width: int, height: int) -> tuple[int, int]:
    scale = SIZE / max(width, height)
    return round(width * scale), round(height * scale)


def separable(joints: np.ndarray) -> np.ndarray:
    """W_norm: a joint's Gaussian is a factor per row times a factor per column, no pixel needs an exponential."""
    at = np.arange(SIZE, dtype=np.float64)
    columns, rows = (at - joints[:, :1]) ** 2, (at - joints[:, 1:2]) ** 2
    least = columns.min(1) + rows.min(1)
    columns -= columns.min(1, keepdims=True)
    rows += (least - rows.min(1) - least.min())[:, None]
    half = -0.5 / SIGMA**2
    columns, rows = np.exp(columns * half).astype(np.float32), np.exp(rows * half).astype(np.float32)
    weights, product = np.zeros((SIZE, SIZE), np.float32), np.empty((SIZE, SIZE), np.float32)
    for column, row in zip(columns, rows):
        np.multiply(row[:, None], column[None, :], out=product)
        np.maximum(weights, product, out=weights)
    return weights


def weighed(planes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weights *= 1 - ALPHA
    weights += ALPHA
    scaled = planes * weights
    return np.rint(scaled, out=scaled).astype(np.uint8)


def opencv(path: Path, joints: np.ndarray, target: Path, flag: int = cv2.IMREAD_COLOR) -> None:
    image = cv2.cvtColor(cv2.imread(str(path), flag), cv2.COLOR_BGR2RGB)
    small = cv2.resize(image, side(image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
    planes = placed(np.zeros((3, SIZE, SIZE), np.uint8), small)
    save_file({"image": planes, "weighted": weighed(planes, separable(joints))}, target.with_suffix(".safetensors"))


def opencv_reduced(path: Path, joints: np.ndarray, target: Path) -> None:
    longer = max(Image.open(path).size)  # reads the header alone
    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    flag = next((flag for part, flag in flags.items() if longer // part >= DECODED * SIZE), cv2.IMREAD_COLOR)
    opencv(path, joints, target, flag)


def plain(path: Path, joints: np.ndarray, target: Path) -> None:
    image = Image.open(path).convert("RGB")
    small = np.asarray(image.resize(side(*image.size), LANCZOS))
    planes = placed(np.zeros((3, SIZE, SIZE), np.uint8), small)
    y, x = np.mgrid[:SIZE, :SIZE]
    weights = np.max([np.exp(-((x - jx) ** 2 + (y - jy) ** 2) / (2 * SIGMA**2)) for jx, jy in joints], axis=0)
    weights /= weights.max()
    np.save(target.with_suffix(".image.npy"), planes)
    np.save(target.with_suffix(".weighted.npy"), np.rint(planes * (ALPHA + (1 - ALPHA) * weights)).astype(np.uint8))


class Bolid:
    """A work folder in which the photos of one size are measured and judged."""

    def __init__(self, program: Path, models: Path, photos: Path, work: Path):
        recipe = work / "recipe.toml"
        recipe.write_text(
            f'name = "bench"\nmodels = "{models.resolve()}"\n\n[[imports]]\nname = "bench"\npath = "{photos.resolve()}"\n'
        )
        self.program, self.work = program, work / "work"
        self.recipe = ["--recipe", recipe, *(part for rule in RULES for part in ("--set", rule))]
        self.command("import", photos, "--name", "bench")
        self.command("measure", *self.recipe)

    def command(self, *parts) -> np.ndarray:
        begin = clocks()
        done = subprocess.run(
            [self.program, *parts, "--workdir", self.work, "--threads", "1", "--json"], capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, parts))}: {done.stderr}")
        return clocks() - begin

    def prepare(self) -> np.ndarray:
        """Seconds for all photos, without those of starting."""
        seconds = self.command("prepare", *self.recipe)
        return seconds - self.command("prepare", *self.recipe)

    def prepared(self) -> list[tuple[str, np.ndarray, Path]]:
        """Each photo's file name, the joints in px of the square, the file of its tensors."""
        rows = sqlite3.connect(self.work / "catalog.db").execute(
            "SELECT source_url, sha256, value FROM prepared JOIN fetch USING (sha256) JOIN photo ON photo.id = photo_id"
        )
        files = {path.stem: path for path in (self.work / "prepared").rglob("*.safetensors")}
        found = []
        for url, sha256, value in rows:
            joints = np.float64([joint for joint in json.loads(value)["joints"] if joint[2] > 0])
            found.append((url.removeprefix("file:").rsplit("/", 1)[-1], joints[:, :2], files[sha256]))
        return sorted(found, key=lambda photo: photo[0])


def clocks() -> np.ndarray:
    """Seconds that passed, and seconds that this process and those it started computed."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return np.float64([time.perf_counter(), sum(of.ru_utime + of.ru_stime for of in used)])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))


def timed(way, photos: Path, prepared: list, out: Path) -> np.ndarray:
    out.mkdir()
    first, joints, _ = prepared[0]
    way(photos / first, joints, out / first)  # warm
    begin = clocks()
    for name, joints, _ in prepared:
        way(photos / name, joints, out / name)
    return clocks() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bolid", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path("data/models/models.toml"))
    parser.add_argument("--speed", type=Path, help="curate's example of that name: the weighting alone beside NumPy's")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # for every way, programs that are started as well
    ways = {"OpenCV, NumPy": opencv, "OpenCV reduced, NumPy": opencv_reduced, "plain: Pillow, NumPy": plain}
    for photos in sorted(folder for folder in args.photos.iterdir() if folder.is_dir()):
        with tempfile.TemporaryDirectory(dir=args.photos.parent) as scratch:
            scratch = Path(scratch)
            bolid = Bolid(args.bolid.resolve(), args.models, photos, scratch)
            seconds = {"bolid prepare": bolid.prepare()}
            prepared = bolid.prepared()
            for name, way in ways.items():
                seconds[name] = timed(way, photos, prepared, scratch / "out")
                if way is opencv:
                    first, _, ours = prepared[0]
                    ours, theirs = load_file(ours), load_file(scratch / "out" / Path(first).with_suffix(".safetensors"))
                    alike = {key: psnr(ours[key], theirs[key]) for key in ("image", "weighted")}
                shutil.rmtree(scratch / "out")
        print(f"\n{photos.name}: {len(prepared)} photos of one person, one core")
        print(f"{'':24} {'photos/s':>9} {'bolid is':>9} {'CPU ms a photo':>15} {'bolid takes 1/':>15}")
        for name, taken in seconds.items():
            (rate, _), (_, cpu_ms) = len(prepared) / taken, 1e3 * taken / len(prepared)
            wall, cpu = taken / seconds["bolid prepare"]
            print(f"{name:24} {rate:9.1f} {wall:8.2f}× {cpu_ms:15.1f} {cpu:15.2f}")
        print("one photo by bolid and OpenCV: " + ", ".join(f"{key} {db:.1f} dB PSNR" for key, db in alike.items()))
    if args.speed:
        compare_weighting(args.speed)


def compare_weighting(speed: Path) -> None:
    """The weighted image of 17 joints alone."""
    said = subprocess.run([speed], capture_output=True, text=True, check=True).stdout
    ours = float(re.search(r"weights and weighted image.*?([\d.]+) ms", said)[1])
    joints = np.random.default_rng(1).uniform(0, SIZE, (17, 2))
    planes = np.random.default_rng(2).integers(0, 256, (3, SIZE, SIZE), np.uint8)
    rounds = []
    for _ in range(20):
        begin = time.perf_counter()
        weighed(planes, separable(joints))
        rounds.append(1e3 * (time.perf_counter() - begin))
    print(f"\nweighted image of 17 joints, 1024² × 3: bolid {ours:.2f} ms, separable NumPy {min(rounds):.2f} ms, "
          f"{min(rounds) / ours:.0f} times as long")  # fmt: skip


if __name__ == "__main__":
    main()
