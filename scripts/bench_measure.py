"""Photos per second of `bolid measure` against other ways to the same verdicts, in one run, on the same files.

    python scripts/bench_measure.py --bolid target/release/bolid --photos DIR [--models DIR | models.toml]

DIR has a subfolder of photos for each size (`synth`, example `sized_photos`). The ways:

  floor        nothing but the sessions' time, on inputs that are ready: one thread per session, one photo per core
  bolid        `bolid measure --all` with the same square inputs and the same models
  onnxruntime  bare sessions, OpenCV and NumPy before and after, one photo per core
  ultralytics  a loop on the ultralytics API for the two detectors, and onnxruntime for the watermark
  bolid, less  `bolid measure` as it is meant: open axes, models on demand, with --calibration int8 variants before them

Every way sees each photo once; loading models is not counted. All run the ONNX Runtime that this Python has.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parent))

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
TILE = 0.4  # photo::tiles
# The default rules (photo::rules)
MARK, FACE, PERSON, PERSON_WITH_FACE, JOINT = 0.5, 0.4, 0.5, 0.25, 0.5
RULES = ["rules.min_photos=1", "rules.min_side=100", "rules.duplicates.max_distance=0"]


class Models:
    """The three models of a models.toml, one session each per thread."""

    def __init__(self, registry: Path):
        entries = tomllib.loads(registry.read_text())["model"]
        self.files = {entry["role"]: registry.parent / entry["file"] for entry in entries}
        self.normalise = {entry["role"]: entry["normalisation"] == "imagenet" for entry in entries}
        self.sides = {entry["role"]: entry["input_size"] for entry in entries}

    def sessions(self) -> dict:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        return {
            role: onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            for role, file in self.files.items()
        }

    def planes(self, role: str, image: np.ndarray) -> np.ndarray:
        image = image.astype(np.float32) / 255
        if self.normalise[role]:
            image = (image - MEAN) / STD
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def run(session, values: np.ndarray) -> np.ndarray:
    return session.run(None, {session.get_inputs()[0].name: values})[0]


def letterbox(image: np.ndarray, size: list[int]) -> tuple[np.ndarray, float, int, int]:
    height, width = image.shape[:2]
    ratio = min(size[0] / width, size[1] / height)
    small = cv2.resize(image, (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_LINEAR)
    top, left = (size[1] - small.shape[0]) // 2, (size[0] - small.shape[1]) // 2
    out = np.full((size[1], size[0], 3), 114, np.uint8)
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out, ratio, left, top


def tiles(image: np.ndarray) -> list[np.ndarray]:
    height, width = image.shape[:2]
    high, wide = round(height * TILE), round(width * TILE)
    places = [((height - high) * i // 2, (width - wide) * j // 2) for i in range(3) for j in range(3)]
    return [image] + [image[y : y + high, x : x + wide] for y, x in places]


def inputs(models: Models, image: np.ndarray) -> dict:
    """Every model's inputs of one photo."""
    boxed = {role: letterbox(image, models.sides[role])[0] for role in ("faces", "people")}
    side = tuple(models.sides["watermark"])
    squeezed = [cv2.resize(tile, side, interpolation=cv2.INTER_AREA) for tile in tiles(image)]
    return {
        "watermark": [models.planes("watermark", tile) for tile in squeezed],
        **{role: [models.planes(role, box)] for role, box in boxed.items()},
    }


def suppressed(head: np.ndarray, least: float, overlap: float) -> np.ndarray:
    """Rows of a head above a score, without those that overlap a better one."""
    rows = head.T[head[4] > least]
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]], 1)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), rows[:, 4].tolist(), least, overlap)
    return rows[np.asarray(kept, int).reshape(-1)]


def keep(mark: float, faces: np.ndarray, people: np.ndarray) -> bool:
    """The verdict by the default rules (curate::judge, curate::people)."""

    def inside(face, person) -> bool:
        low = np.maximum(face[:2] - face[2:4] / 2, person[:2] - person[2:4] / 2)
        high = np.minimum(face[:2] + face[2:4] / 2, person[:2] + person[2:4] / 2)
        return np.clip(high - low, 0, None).prod() > 0.5 * face[2] * face[3]

    faces = faces[faces[:, 4] >= FACE]
    counted = [
        person
        for person in people
        if person[4] >= PERSON or (person[4] >= PERSON_WITH_FACE and any(inside(face, person) for face in faces))
    ]
    faces = [face for face in faces if any(inside(face, person) for person in counted)]
    if mark > MARK or len(counted) != 1 or len(faces) != 1:
        return False
    return bool((counted[0][7::3] >= JOINT).any())


def verdict(outputs: dict) -> bool:
    logits = np.concatenate(outputs["watermark"])
    marks = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    faces, people = suppressed(outputs["faces"][0][0], 0.1, 0.5), suppressed(outputs["people"][0][0], 0.1, 0.7)
    return keep(float(marks.max()), faces, people)


def on_all_cores(work, photos: list, start) -> tuple[float, list]:
    """Seconds, and what `work(state, photo)` gives; `start` makes each thread's state."""
    threads = os.cpu_count() or 1
    states = [start() for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda state: work(state, photos[0]), states))  # warm
        free = list(states)

        def one(photo):
            state = free.pop()
            try:
                return work(state, photo)
            finally:
                free.append(state)

        begin = time.perf_counter()
        found = list(pool.map(one, photos))
        return time.perf_counter() - begin, found


def floor(models: Models, photos: list[Path]) -> float:
    ready = [inputs(models, cv2.imread(str(path))[:, :, ::-1]) for path in photos[:4]]

    def sessions_alone(sessions, of_photo) -> None:
        for role, values in of_photo.items():
            for value in values:
                run(sessions[role], value)

    # Inputs of few photos again and again: sessions take as long for any, and all of them would not fit in memory.
    return on_all_cores(sessions_alone, [ready[i % len(ready)] for i in range(len(photos))], models.sessions)[0]


def bare(models: Models, photos: list[Path]) -> tuple[float, list[bool]]:
    def one(sessions, path) -> bool:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        return verdict({r: [run(sessions[r], v) for v in values] for r, values in inputs(models, image).items()})

    cv2.setNumThreads(1)
    return on_all_cores(one, photos, models.sessions)


def ultralytics(models: Models, photos: list[Path]) -> float | str:
    """Seconds, or why there are none."""
    try:
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        from ultralytics import YOLO
    except ImportError:
        return "not installed"
    with tempfile.TemporaryDirectory() as folder:
        files = {role: Path(folder) / f"{role}.onnx" for role in ("faces", "people")}
        for role, file in files.items():
            shutil.copy(models.files[role], file)
        size = models.sides["people"][0]
        faces = YOLO(files["faces"], task="detect")
        people = YOLO(files["people"], task="pose")
        session = models.sessions()["watermark"]

        def one(path: Path) -> None:
            image = cv2.imread(str(path))
            side = tuple(models.sides["watermark"])
            for tile in tiles(image[:, :, ::-1]):
                run(session, models.planes("watermark", cv2.resize(tile, side, interpolation=cv2.INTER_AREA)))
            for model in (faces, people):
                model.predict(image, imgsz=size, conf=0.1, rect=False, verbose=False, device="cpu")

        try:
            one(photos[0])
        except Exception as error:  # a file that names no classes, such as the demo models', is not understood
            return f"does not take these models: {error}"
        begin = time.perf_counter()
        for path in photos:
            one(path)
        return time.perf_counter() - begin


def runtime_library() -> Path:
    """The library of this Python's ONNX Runtime."""
    return next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))


def bolid(program: Path, registry: Path, folder: Path, *arguments: str) -> tuple[float, dict[str, bool]]:
    """Seconds of the measuring itself, and the verdicts by file name."""
    with tempfile.TemporaryDirectory() as work:
        recipe = Path(work) / "recipe.toml"
        recipe.write_text(
            f'name = "bench"\nmodels = "{registry.resolve()}"\n\n[[imports]]\nname = "bench"\npath = "{folder.resolve()}"\n'
        )
        common = ["--workdir", f"{work}/work", "--json"]
        rules = [part for rule in RULES for part in ("--set", rule)]

        def command(*parts: str) -> dict:
            done = subprocess.run([program, *parts, *common], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{' '.join(map(str, parts))}: {done.stderr}")
            return json.loads(done.stdout.splitlines()[-1])

        command("import", str(folder), "--name", "bench")
        measured = command("measure", "--recipe", str(recipe), *rules, *arguments)
        all_asked = ["--set", "measure.all=true"] if "--all" in arguments else []
        command("judge", "--recipe", str(recipe), *rules, *all_asked)
        rows = sqlite3.connect(f"{work}/work/catalog.db").execute(
            "SELECT source_url, keep FROM verdict JOIN photo ON photo.id = photo_id"
        )
        return measured["seconds"], {url.removeprefix("file:"): bool(kept) for url, kept in rows}


def registries(program: Path, models: Path, photos: Path, int8: bool, scratch: Path) -> tuple[Path, Path]:
    """The models as they are, all of them square; and with open axes and, where wanted, as int8 variants."""
    from free_axes import Graph, onnx

    given = tomllib.loads(models.read_text())["model"]
    paths = []
    for name, is_open in (("square", False), ("open", True)):
        folder = scratch / name
        folder.mkdir()
        registry = folder / "models.toml"
        for entry in given:
            source, target = models.parent / entry["file"], folder / f"{entry['role']}.onnx"
            if is_open and entry["role"] != "watermark" and "input_multiple" not in entry:
                target.write_bytes(Graph(onnx.load(source)).open().SerializeToString())
            else:
                shutil.copy(source, target)
            arguments = [program, "models", "add", target, "--role", entry["role"], "--models", registry]
            subprocess.run(arguments, check=True, capture_output=True)
        paths.append(registry)
    if not int8:
        return paths[0], paths[1]
    chosen = []
    for entry in tomllib.loads(paths[1].read_text())["model"]:
        command = [
            program, "models", "quantize", entry["name"], "--photos", photos, "--python", sys.executable,
            "--models", paths[1], "--json",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        said = ("agree", "compared_on", "asked_twice", "mean_difference", "joints_moved", "time_share")
        print(found["model"]["name"], {key: found[key] for key in said})
        # A variant that is in doubt of more than a third, as those of the demo detectors, costs more than it saves.
        often = found["asked_twice"] > found["compared_on"] / 3
        chosen.append(entry["name"] if often else found["model"]["name"])
    print("less work is done by", ", ".join(chosen))
    tables = paths[1].read_text().split("[[model]]")[1:]
    less = scratch / "open" / "less.toml"
    less.write_text("".join("[[model]]" + table for table in tables if tomllib.loads(table)["name"] in chosen))
    return paths[0], less


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bolid", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, help="photos for the int8 variants; without, there are none")
    parser.add_argument("--models", type=Path, default=Path("data/models/models.toml"))
    parser.add_argument("--count", type=int, default=10_000, help="photos of each size at most")
    args = parser.parse_args()
    program = args.bolid.resolve()
    os.environ["ORT_DYLIB_PATH"] = str(runtime_library())
    with tempfile.TemporaryDirectory() as scratch:
        square, less = registries(program, args.models, args.calibration, args.calibration is not None, Path(scratch))
        models = Models(square)
        for size in sorted(folder for folder in args.photos.iterdir() if folder.is_dir()):
            photos = sorted(size.glob("*.jpg"))[: args.count]
            folder = Path(scratch) / size.name
            folder.mkdir()
            for photo in photos:
                shutil.copy(photo, folder)
            alone = floor(models, photos)
            same, same_verdicts = bolid(program, square, folder, "--all")
            onnx_seconds, verdicts = bare(models, photos)
            api = ultralytics(models, photos)
            quick, quick_verdicts = bolid(program, less, folder)
            expected = dict(zip((photo.name for photo in photos), verdicts))
            rows = [
                ("floor: sessions alone", alone, None),
                ("bolid, same inputs", same, same_verdicts),
                ("onnxruntime, OpenCV, NumPy", onnx_seconds, expected),
                ("ultralytics API", api, None),
                ("bolid, less work", quick, quick_verdicts),
            ]
            print(f"\n{size.name}: {len(photos)} photos, {os.cpu_count()} cores, {sum(verdicts)} kept by onnxruntime")
            print(f"{'':28} {'photos/s':>9} {'of floor':>9} {'× onnxruntime':>14} {'same verdicts':>14}")
            for name, seconds, found in rows:
                if isinstance(seconds, str):
                    print(f"{name:28} {seconds}")
                    continue
                agree = "" if found is None else f"{np.mean([found[k] == expected[k] for k in expected]):14.1%}"
                ratios = f"{alone / seconds:9.1%} {onnx_seconds / seconds:14.2f}"
                print(f"{name:28} {len(photos) / seconds:9.2f} {ratios} {agree}")


if __name__ == "__main__":
    main()
