"""Reads a snapshot and its exports with the readers they are for, and holds them against the snapshot's own tables.

    python exports.py SNAPSHOT EXPORTS ORIGINALS

EXPORTS holds a folder FORMAT-PIXELS for each format and for `photo`, `image`, `weighted`; ORIGINALS the photos by their digests.
Exits with 1 and says what differs. Needs webdataset, datasets, mlcroissant, pyarrow, pillow, safetensors.
"""

import glob
import io
import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is on this disk

import datasets
import mlcroissant
import numpy as np
import PIL.Image
import PIL.ImageOps
import pyarrow.parquet
import webdataset
from safetensors import safe_open

SPLITS = ["train", "validation", "test", "held_out"]


def side(row):
    return "held_out" if row.get("held_out") else row["split"]


def key(row):
    return f"{pathlib.Path(row['shard']).stem}-{row['row']:05}"


class Expected:
    """What a snapshot says of each photo, and its pixels."""

    def __init__(self, snapshot, originals):
        self.rows = pyarrow.parquet.read_table(snapshot / "photos.parquet").to_pylist()
        self.snapshot, self.originals = snapshot, originals

    def pixels(self, row, source):
        if source == "photo":
            with PIL.Image.open(self.originals / row["sha256"]) as image:
                return np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB"))
        with safe_open(self.snapshot / row["shard"], "np") as shard:
            return shard.get_slice(source)[row["row"]].transpose(1, 2, 0)

    def tolerance(self, row, source):
        """Levels by which two decoders of JPEG differ: a JPEG on its side was decoded by ours, and is compared with Pillow."""
        if source != "photo":
            return 0
        with PIL.Image.open(self.originals / row["sha256"]) as image:
            return 3 if image.format == "JPEG" and image.getexif().get(0x0112, 1) != 1 else 0

    def joints(self, row, source):
        flat = row["joints_in_photo" if source == "photo" else "joints"]
        return np.asarray(flat, np.float32).reshape(17, 3)

    def check(self, row, source, image, joints, text, what):
        pixels, wanted = np.asarray(image.convert("RGB")), self.pixels(row, source)
        assert pixels.shape == wanted.shape, f"{what}: {key(row)} is {pixels.shape}, not {wanted.shape}"
        apart = np.abs(pixels.astype(int) - wanted).max()
        assert apart <= self.tolerance(row, source), f"{what}: pixels of {key(row)} are {apart} levels apart"
        if joints is not None:
            joints = np.asarray(joints, np.float32)
            assert joints.shape == (17, 3) and np.array_equal(joints, self.joints(row, source)), f"{what}: joints of {key(row)}"
        assert text == row["caption"], f"{what}: {text!r} is not the caption {row['caption']!r}"

    def by_side(self, name):
        return {key(row): row for row in self.rows if side(row) == name}


def check_webdataset(expected, folder, source):
    for name in SPLITS:
        rows = expected.by_side(name)
        shards = sorted(glob.glob(f"{folder}/{name}-*.tar"))
        seen = set()
        # `pil` decodes as most trainings do: pictures by Pillow, which does not look at EXIF, `json` and `txt` as such.
        for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("pil"):
            row = rows[sample["__key__"]]
            image = next(sample[ending] for ending in ("jpg", "png", "webp") if ending in sample)
            expected.check(row, source, image, sample["json"]["joints"], sample.get("txt"), folder)
            assert sample["json"]["identity"] == row["identity"] and sample["json"]["sha256"] == row["sha256"]
            assert sample["json"]["split"] == name
            seen.add(sample["__key__"])
        assert seen == set(rows), f"{folder}: {name} has {len(seen)} of {len(rows)} samples"


def check_datasets(expected, folder, source, cache, data_dir=None):
    if data_dir is None:
        loaded = datasets.load_dataset(str(folder), cache_dir=cache)
    else:
        loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=cache)
    sides = [name for name in SPLITS if expected.by_side(name)]
    if data_dir is None:
        assert set(loaded) == set(sides), f"{folder}: {list(loaded)}"
    for name in set(loaded):
        rows = expected.by_side(name)
        assert len(loaded[name]) == len(rows), f"{folder}: {name}"
        for item in loaded[name]:
            row = rows[item["key"]]
            expected.check(row, source, item["image"], item["joints"], item["text"] or None, folder)
            assert item["identity"] == row["identity"] and item["sha256"] == row["sha256"]
            size = (item["width"], item["height"])
            assert item["image"].size == size, f"{folder}: {item['key']} is {item['image'].size}, not {size}"


def check_parquet(expected, folder, source):
    seen = 0
    for path in sorted(folder.glob("data/*.parquet")):
        file = pyarrow.parquet.ParquetFile(path)
        assert b"huggingface" in file.schema_arrow.metadata
        for group in range(file.num_row_groups):
            assert file.metadata.row_group(group).num_rows <= 100, path
            for item in file.read_row_group(group).to_pylist():
                row = expected.by_side(path.name.rsplit("-", 1)[0])[item["key"]]
                image = PIL.Image.open(io.BytesIO(item["image"]["bytes"]))
                expected.check(row, source, image, item["joints"], item["text"], path)
                assert item["image"]["path"].startswith(item["key"])
                seen += 1
    assert seen == len(expected.rows)


def check_kohya(expected, folder, source):
    """The rules of kohya-ss/sd-scripts at 48d368f: `generate_dreambooth_subsets_config_by_subdirs` of library/config_util.py,
    and `IMAGE_EXTENSIONS`, `read_caption`, `load_image` of library/train_util.py."""
    for name in SPLITS:
        rows, seen = expected.by_side(name), set()
        for subdir in (folder / name).iterdir():
            tokens = subdir.name.split("_")
            repeats, class_tokens = int(tokens[0]), "_".join(tokens[1:])
            assert repeats == 1, subdir
            for path in sorted(subdir.iterdir()):
                if path.suffix not in (".png", ".jpg", ".jpeg", ".webp", ".bmp"):
                    assert path.suffix == ".txt", path
                    continue
                row = rows[f"{class_tokens}-{path.stem}"]
                caption = path.with_suffix(".txt")
                text = None
                if caption.is_file():
                    lines = caption.read_text(encoding="utf-8").splitlines(keepends=True)
                    assert len(lines) == 1, f"{caption}: one line is read"
                    text = lines[0].strip()
                assert text == (row["caption"] and " ".join(row["caption"].split())), path
                with PIL.Image.open(path) as image:
                    expected.check(row, source, image, None, row["caption"], path)
                seen.add(key(row))
        assert seen == set(rows), f"{folder}/{name}"


def check_ip_adapter(expected, folder, source):
    """The rules of `MyDataset` in tutorial_train.py of tencent-ailab/IP-Adapter at 20c84fe."""
    for name in SPLITS:
        rows = expected.by_side(name)
        data = json.load(open(folder / f"{name}.json"))  # list of dict: [{"image_file": "1.png", "text": "A dog"}]
        by_file = {str(pathlib.PurePath(item["image_file"]).with_suffix("")): item for item in data}
        assert len(by_file) == len(rows)
        for row in rows.values():
            item = by_file[f"{pathlib.Path(row['shard']).stem}/{row['row']:05}"]
            with PIL.Image.open(os.path.join(folder / "images", item["image_file"])) as image:
                expected.check(row, source, image, item["joints"], item["text"] or None, folder)


def same(ours, theirs):
    if isinstance(ours, bytes):
        ours = ours.decode()
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs))
    if isinstance(theirs, float):
        return ours is not None and np.float64(ours) == np.float64(theirs)
    return ours == theirs


def check_croissant(snapshot):
    dataset = mlcroissant.Dataset(str(snapshot / "croissant.json"))  # raises where it is not valid
    metadata = dataset.metadata
    assert not metadata.ctx.issues.errors and not metadata.ctx.issues.warnings, metadata.ctx.issues.report()
    assert metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1", metadata.ctx.conforms_to
    assert metadata.cite_as.startswith("@misc") and metadata.license and metadata.date_published
    said = ["data_collection", "data_biases", "data_limitations", "personal_sensitive_information", "data_use_cases",
            "data_social_impact", "data_collection_type", "data_preprocessing_protocol", "machine_annotation_tools",
            "data_release_maintenance_plan"]
    for name in said:
        assert getattr(metadata, name), f"croissant.json lacks {name}"
    assert {record_set.id for record_set in metadata.record_sets} >= {"splits", "photos", "dropped", "measurements"}
    for name in ("photos", "dropped", "measurements"):
        table = pyarrow.parquet.read_table(snapshot / f"{name}.parquet").to_pylist()
        records = list(dataset.records(name)) if table else []
        assert len(records) == len(table), name
        for record, row in zip(records, table):
            assert set(record) == {f"{name}/{column}" for column in row}, record.keys()
            for column, value in row.items():
                assert same(record[f"{name}/{column}"], value), (name, column, record[f"{name}/{column}"], value)
    assert len(list(dataset.records("splits"))) == 3


def check_folder(expected, snapshot, cache):
    """The snapshot's own folder opens in `datasets`."""
    everything = datasets.load_dataset(str(snapshot), cache_dir=cache)
    assert list(everything) == ["photos"] and len(everything["photos"]) == len(expected.rows), everything
    for item, row in zip(everything["photos"], expected.rows):
        assert item["sha256"] == row["sha256"] and item["joints"] == row["joints"]
    for name in SPLITS:
        one = datasets.load_dataset(str(snapshot), name, split=name, cache_dir=cache)
        assert {(row["identity"], row["sha256"]) for row in one} == {
            (row["identity"], row["sha256"]) for row in expected.by_side(name).values()
        }, name
    dropped = datasets.load_dataset(str(snapshot), "dropped", split="dropped", cache_dir=cache)
    assert len(dropped) == pyarrow.parquet.read_table(snapshot / "dropped.parquet").num_rows


def main():
    snapshot, exports, originals = (pathlib.Path(path) for path in sys.argv[1:4])
    cache = str(exports / "cache")
    expected = Expected(snapshot, originals)
    assert all(expected.by_side(name) for name in SPLITS), "a snapshot with photos of every kind"
    check_croissant(snapshot)
    check_folder(expected, snapshot, cache)
    for source in ("photo", "image", "weighted"):
        folder = lambda name: exports / f"{name}-{source}"
        check_webdataset(expected, folder("webdataset"), source)
        check_datasets(expected, folder("imagefolder"), source, cache)
        check_datasets(expected, folder("imagefolder"), source, cache, data_dir=True)
        check_datasets(expected, folder("parquet"), source, cache)
        check_parquet(expected, folder("parquet"), source)
        check_kohya(expected, folder("kohya"), source)
        check_ip_adapter(expected, folder("ip-adapter"), source)
    print(f"{len(expected.rows)} photos, read by webdataset, datasets, mlcroissant and pyarrow")


if __name__ == "__main__":
    main()
