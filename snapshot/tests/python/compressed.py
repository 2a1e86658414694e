"""Reads a compressed snapshot as its own card and docs/python-reader.md say, and holds it against the plain one.

    python compressed.py PLAIN COMPRESSED PYTHON_READER_MD

Exits with 1 and says what differs. Needs pandas, pyarrow, safetensors, torch, zstandard, pyzstd.
"""

import os
import pathlib
import re
import sys

import numpy as np
import pandas as pd
import pyzstd
import safetensors.numpy
import zstandard
from safetensors import safe_open

ENDING = ".zst"


def blocks(page: pathlib.Path):
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def check_frames(plain: pathlib.Path, compressed: pathlib.Path):
    """`zstd -d` makes the plain shard; readers of the seekable format, which are not ours, find a photo by the table."""
    whole = plain.read_bytes()
    with open(compressed, "rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == whole, f"{compressed.name} becomes another file"
    tensors = safetensors.numpy.load(whole)
    with pyzstd.SeekableZstdFile(compressed) as file:
        header = 8 + int.from_bytes(file.read(8), "little")
        photos, *shape = tensors["weighted"].shape
        length = int(np.prod(shape))
        for row in reversed(range(photos)):
            file.seek(header + photos * 17 * 4 * 4 + (photos + row) * length)
            found = np.frombuffer(file.read(length), "u1").reshape(shape)
            assert np.array_equal(found, tensors["weighted"][row]), f"{compressed.name}: row {row}"


def check_card(plain: pathlib.Path, compressed: pathlib.Path):
    """The code of the card, as it stands there."""
    (code,) = blocks(compressed / "README.md")
    found, before = {}, os.getcwd()
    os.chdir(compressed)
    exec(code, found)
    os.chdir(before)
    photo = found["photo"]
    assert photo.shard.endswith(ENDING)
    with safe_open(plain / photo.shard.removesuffix(ENDING), "np") as shard:
        assert np.array_equal(found["image"], shard.get_slice("image")[photo.row]), "the card reads another image"
        assert np.array_equal(found["joints"], shard.get_slice("joints")[photo.row]), "the card reads other joints"


def check_data_set(plain: pathlib.Path, compressed: pathlib.Path, page: pathlib.Path):
    """The two readers of the page: one for each snapshot."""
    found = {}
    for code in blocks(page):
        exec(code, found)
    splits = set(pd.read_parquet(plain / "photos.parquet").split)
    read = 0
    for split in splits:
        expected, photos = found["Photos"](plain, split), found["CompressedPhotos"](compressed, split)
        assert len(expected) == len(photos) > 0
        for a, b in zip((expected[i] for i in range(len(expected))), (photos[i] for i in range(len(photos)))):
            assert a[0] == b[0]
            for ours, theirs in zip(a[1:], b[1:]):
                assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs), f"{a[0]} in {split}"
            read += 1
    return read


def main():
    plain, compressed, page = (pathlib.Path(path).resolve() for path in sys.argv[1:4])
    shards = sorted(compressed.glob(f"shards/*{ENDING}"))
    assert shards
    for shard in shards:
        check_frames(plain / "shards" / shard.name.removesuffix(ENDING), shard)
    check_card(plain, compressed)
    print(f"{check_data_set(plain, compressed, page)} photos of {len(shards)} people, read as the pages say")


if __name__ == "__main__":
    main()
