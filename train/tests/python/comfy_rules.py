"""The rules by which ComfyUI's IPAdapter nodes take an adapter file, checked on a file.

    python comfy_rules.py FILE CROSS_DIM WIDTH…

WIDTH… are the widths of the UNet's cross-attention layers in the order of its blocks down, up, middle. Only the
standard library is needed. The rules, as ComfyUI_IPAdapter_plus applies them when it loads and patches:

1. A `.safetensors` file is split by its keys: `image_proj.…` and `ip_adapter.…`, nothing else.
2. A projection with `proj.weight` and none of `latents`, `perceiver_resampler.…`, `proj.0.weight`, `proj.3.weight`,
   `proj.2.weight` is the plain one: a linear layer and a norm.
3. The plain one makes four tokens: `proj.weight` is [4 · cross, embed], `norm.weight` is [cross]. The number is not
   read from the file, so another number of tokens fails there.
4. The width of the context, the cross dimension, is read off `ip_adapter.1.to_k_ip.weight`, axis 1.
5. Layers are patched in the order input blocks, output blocks, middle block, and take the numbers 1, 3, 5, … :
   `ip_adapter.N.to_k_ip.weight` and `.to_v_ip.weight`, each [width of the layer, cross].
"""

import json
import struct
import sys
from pathlib import Path


def shapes(path: Path) -> dict[str, list[int]]:
    """The shape of every tensor of a safetensors file."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: entry["shape"] for name, entry in header.items()}


def check(path: Path, cross: int, widths: list[int]) -> None:
    """Raises AssertionError where a rule is broken."""
    found = shapes(path)
    projection = {name.removeprefix("image_proj."): shape for name, shape in found.items() if name.startswith("image_proj.")}
    layers = {name.removeprefix("ip_adapter."): shape for name, shape in found.items() if name.startswith("ip_adapter.")}
    assert len(projection) + len(layers) == len(found), f"keys of neither part: {sorted(found)}"
    others = [name for name in projection if name.startswith(("latents", "perceiver_resampler", "proj.0", "proj.2", "proj.3"))]
    assert "proj.weight" in projection and not others, f"not the plain projection: {sorted(projection)}"
    rows, embed = projection["proj.weight"]
    assert rows == 4 * cross, f"{rows} rows are not four tokens of {cross}"
    assert projection["proj.bias"] == [rows] and projection["norm.weight"] == projection["norm.bias"] == [cross]
    assert layers["1.to_k_ip.weight"][1] == cross, "the first layer does not tell the cross dimension"
    expected = {f"{2 * i + 1}.to_{kv}_ip.weight": [width, cross] for i, width in enumerate(widths) for kv in "kv"}
    assert layers == expected, f"layers differ: {sorted(set(map(str, layers.items())) ^ set(map(str, expected.items())))}"
    print(f"{path.name}: four tokens of an embedding of {embed}, {len(widths)} layers")


if __name__ == "__main__":
    check(Path(sys.argv[1]), int(sys.argv[2]), [int(width) for width in sys.argv[3:]])
