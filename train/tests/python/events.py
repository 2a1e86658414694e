"""Reads a run's event files with tensorboard's own EventAccumulator and holds them against its log.jsonl.

    python events.py RUN

Exits with 1 and says what differs. Every step has to be there once, however often the run was resumed.
"""

import json
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def as_f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def main():
    run = pathlib.Path(sys.argv[1])
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    files = sorted(run.glob("events.out.tfevents.*"))
    resumed = sum(line["kind"] == "resumed" for line in lines)
    assert len(files) == resumed + 1, f"{len(files)} files of {resumed + 1} starts"

    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    tags = events.Tags()

    expected = {}
    for line in lines:
        if line["kind"] == "step":
            values = {f"train/{name}": value for name, value in line["terms"].items()}
            values |= {f"train/{name}": line[name] for name in ("loss", "gradient_norm", "learning_rate")}
            values |= {f"time/{name}": line[name] for name in ("wait_s", "compute_s", "samples_per_s")}
        elif line["kind"] == "validation":
            values = {f"validation/{name}": value for name, value in line["numbers"].items()}
        else:
            continue
        for tag, value in values.items():
            expected.setdefault(tag, []).append((line["step"], as_f32(value)))

    assert set(tags["scalars"]) == set(expected), (sorted(tags["scalars"]), sorted(expected))
    for tag, points in expected.items():
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert found == points, f"{tag}: {found} instead of {points}"

    assert tags["images"] == ["grid"], tags["images"]
    steps = [image.step for image in events.Images("grid")]
    assert steps == [line["step"] for line in lines if line["kind"] == "validation"], steps
    assert all(image.encoded_image_string.startswith(b"\x89PNG") for image in events.Images("grid"))
    print(f"{len(expected)} tags of {len(lines)} lines read back")


if __name__ == "__main__":
    main()
