"""How long many photos take: prepare, create, verify and export a snapshot of them, and the memory of each.

    python scripts/bench_snapshot.py --bolid target/release/bolid --people DIR --photos 50000 --out DIR

PEOPLE has a few JPEGs of 300 x 400 px (`synth`, example `sized_photos`). They are measured by the demo models. Every photo
of the benchmark is one of them in another light, so that no two are alike, and takes over what was measured of it: running
the models on all would take most of an hour and is no part of what is timed. Tensors have 64 px. Beside the times stands
that of `cp` of the same snapshot in the same run: what the disk takes.
"""

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

PHOTOS_OF_A_PERSON = 100  # the paper's
LIGHTS = (5, 4)  # cells of the light's grid: what a perceptual hash looks at
# Half of the range: with less, photos of one person are near duplicates, which is another rule's business.
STRENGTH = 110
RECIPE = """
name = "many"
models = "{models}"

[[imports]]
path = "{photos}"
name = "many"

[rules]
min_side = 100
min_photos = 1

[prepare]
size_px = 64
"""


def run(command: list[str]) -> tuple[float, float]:
    """Seconds, and MiB of its own at most: pages of the catalog and of shards, which are mapped, are the system's cache."""
    started = time.monotonic()
    most_kib = 0
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process:
        while process.poll() is None:
            with contextlib.suppress(OSError, ValueError, StopIteration):
                status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                most_kib = max(most_kib, int(next(line for line in status if line.startswith("RssAnon")).split()[1]))
            time.sleep(0.02)
        seconds = time.monotonic() - started
        if process.returncode != 0:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read().decode()}")
    return seconds, most_kib / 1024


def lit(person: np.ndarray, random: np.random.Generator) -> bytes:
    """The photo in another light, as a JPEG."""
    light = random.uniform(-STRENGTH, STRENGTH, LIGHTS).astype(np.float32)
    height, width = person.shape[:2]
    spread = np.asarray(Image.fromarray(light).resize((width, height), Image.Resampling.BICUBIC))
    image = Image.fromarray((person + spread[..., None]).clip(0, 255).astype(np.uint8))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return data.getvalue()


def measured(bolid: str, recipe: Path, work: Path) -> tuple[list[dict], pa.Schema]:
    """What the models say of the photos of a recipe's import."""
    run([bolid, "measure", "--recipe", str(recipe), "--workdir", str(work)])
    run([bolid, "measurements", "export", str(work / "all.parquet"), "--workdir", str(work)])
    table = pq.read_table(work / "all.parquet")
    return [row for row in table.to_pylist() if row["kind"] != "image"], table.schema


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def of_one_person(people: Path, rows: list[dict]) -> list[tuple[np.ndarray, list[dict]]]:
    """The photos that the rules would keep, as pixels, each with what was measured of it."""
    kept = []
    for path in sorted(people.rglob("*.jpg")):
        of = [row for row in rows if row["sha256"] == digest(path.read_bytes())]
        value = {"people": None} | {row["kind"]: json.loads(row["value"]) for row in of}  # a word where no model was asked
        if isinstance(value["people"], list) and [person["score"] > 0.6 for person in value["people"]] == [True]:
            kept.append((np.asarray(Image.open(path).convert("RGB"), np.float32), of))
    return kept


def draw(kept: list[tuple[np.ndarray, list[dict]]], count: int, folder: Path) -> list[dict]:
    """Writes the photos of the benchmark; what was measured of each."""
    random = np.random.default_rng(1)
    rows: list[dict] = []
    for index in range(count):
        person, of = kept[index % len(kept)]
        data = lit(person, random)
        path = folder / f"person-{index // PHOTOS_OF_A_PERSON:05}" / f"{index:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        rows += [row | {"sha256": digest(data)} for row in of]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bolid", required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=50_000)
    parser.add_argument("--out", type=Path, required=True, help="emptied first")
    parser.add_argument("--models", type=Path, default=Path("data/models/models.toml"))
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    few, many = args.out / "few", args.out / "many"
    for folder, photos in ((few, args.people.resolve()), (many, "photos")):
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(RECIPE.format(photos=photos, models=args.models.resolve()))
    run([args.bolid, "import", str(args.people), "--name", "many", "--workdir", str(few / "work")])
    rows, schema = measured(args.bolid, few / "recipe.toml", few / "work")
    kept = of_one_person(args.people, rows)
    if not kept:
        raise SystemExit(f"{args.people}: the demo models find no photo of exactly one person there")
    rows = draw(kept, args.photos, many / "photos")
    pq.write_table(pa.Table.from_pylist(rows, schema), many / "measured.parquet")

    common = ["--recipe", str(many / "recipe.toml"), "--workdir", str(many / "work")]
    work = ["--workdir", str(many / "work")]
    timed("import", [args.bolid, "import", str(many / "photos"), "--name", "many", *work])
    timed("measurements import", [args.bolid, "measurements", "import", str(many / "measured.parquet"), *work])
    timed("measure (facts of images alone)", [args.bolid, "measure", *common])
    seconds = timed("prepare", [args.bolid, "prepare", *common])
    seconds += timed("snapshot create", [args.bolid, "snapshot", "create", *common])
    (snapshot,) = (many / "work" / "snapshots").iterdir()
    table = pq.read_metadata(snapshot / "photos.parquet")
    print(f"{'both':34} {seconds:8.1f} s   {table.num_rows} of {args.photos} photos are in it")
    timed("snapshot verify", [args.bolid, "snapshot", "verify", str(snapshot), *work])
    export = ["snapshot", "export", str(snapshot), "--format", "webdataset", "--out", str(args.out / "exported")]
    timed("snapshot export webdataset", [args.bolid, *export, *work])
    timed("cp -r of the snapshot", ["cp", "-r", str(snapshot), str(args.out / "copied")])


def timed(name: str, command: list[str]) -> float:
    """Runs it, and prints a row."""
    seconds, most_mib = run(command)
    print(f"{name:34} {seconds:8.1f} s   {most_mib:6.0f} MiB", flush=True)
    return seconds


if __name__ == "__main__":
    main()
