"""Opens .ipadpt files as ComfyUI's IPAdapterLoadEmbeds does, and compares them with what was written.

    python ipadpt.py EXPECTED.json

EXPECTED.json: {path: {"shape": [...], "values": [...]}}. torch saves the same tensor as well: both files must have the
same entries at the same alignment.
"""
import json
import sys
import tempfile
import zipfile

import torch


def entries(path):
    """The entries that carry the tensor, without the folder's name: whether stored, and where in 64 bytes each begins."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        assert archive.testzip() is None, path
        found = {}
        for info in archive.infolist():
            file.seek(info.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            at = info.header_offset + 30 + name + extra
            found[info.filename.split("/", 1)[1]] = (info.compress_type == zipfile.ZIP_STORED, at % 64)
        return {name: found[name] for name in ("data.pkl", "byteorder", "data/0", "version")}


for path, expected in json.load(open(sys.argv[1])).items():
    tensor = torch.load(path, weights_only=True).cpu()
    want = torch.tensor(expected["values"], dtype=torch.float32).reshape(expected["shape"])
    assert type(tensor) is torch.Tensor and tensor.dtype == torch.float32, (path, type(tensor), tensor.dtype)
    assert tensor.shape == want.shape and tensor.is_contiguous() and not tensor.requires_grad, (path, tensor.shape)
    assert torch.equal(tensor, want), path
    assert torch.equal(torch.load(path, weights_only=True, mmap=True), want), path
    with tempfile.NamedTemporaryFile(suffix=".ipadpt") as theirs:
        torch.save(want, theirs.name)
        assert entries(path) == entries(theirs.name), (entries(path), entries(theirs.name))
