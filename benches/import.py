"""`bolid import` against img2dataset on the same large photos from the same loopback server, in one run.

CPU seconds are those of the program and its children; the server's are not counted. The slope between a short and a
long list is the cost of one photo in steady state, without start-up.

    python benches/import.py --bolid target/release/bolid --server target/release/examples/loopback --python PYTHON

PYTHON has img2dataset installed (PyPI). Its thread and process counts are its defaults: 256 and 1.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHORT, LONG = 500, 4000
ROUNDS = 3

# Full speed against loopback is allowed because this says so; without it a host is asked once a second.
PROFILE = "[pace]\ndelay_ms = 0\nin_flight = 16\n"

IMG2DATASET = """
import sys
from img2dataset import download
if __name__ == "__main__":
    download(url_list=sys.argv[1], input_format="csv", url_col="url", caption_col="caption", output_folder=sys.argv[2],
             output_format="files", resize_mode="no", disable_all_reencoding=True)
"""


def measure(command):
    """Wall and CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed with {done.returncode}:\n{done.stdout[-3000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def photos_below(folder, endings):
    return sum(1 for path in Path(folder).rglob("*") if path.is_file() and (endings is None or path.suffix in endings))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bolid", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()

    server = subprocess.Popen([args.server, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = server.stdout.readline().strip()
    root = Path(tempfile.mkdtemp())
    (root / "pace.toml").write_text(PROFILE)
    (root / "img2dataset_run.py").write_text(IMG2DATASET)
    results = {}
    try:
        for count in (SHORT, LONG):
            rows = [f"http://127.0.0.1:{port}/l/{count}/{i}.jpg,photo {i}" for i in range(count)]
            (root / f"{count}.csv").write_text("url,caption\n" + "\n".join(rows) + "\n")
        # Each run has a folder of its own, and all are removed in the end: file systems are slow to give out again
        # what was freed a moment ago.
        for turn in range(ROUNDS):
            for count in (SHORT, LONG):
                target = root / f"work-{turn}-{count}"
                command = [args.bolid, "--workdir", str(target), "import", str(root / f"{count}.csv"),
                           "--name", "bench", "--profile", str(root / "pace.toml")]
                results.setdefault(("bolid", count), []).append(measure(command))
                found = photos_below(target / "blobs", None)
                assert found == count, f"bolid stored {found} of {count}"
                target = root / f"images-{turn}-{count}"
                command = [args.python, str(root / "img2dataset_run.py"), str(root / f"{count}.csv"), str(target)]
                results.setdefault(("img2dataset", count), []).append(measure(command))
                found = photos_below(target, {".jpg"})
                assert found == count, f"img2dataset stored {found} of {count}"
    finally:
        server.stdin.close()
        server.wait()
        shutil.rmtree(root, ignore_errors=True)

    best = {key: (min(wall for wall, _ in runs), min(cpu for _, cpu in runs)) for key, runs in results.items()}
    slope = {}
    print(f"{os.cpu_count()} cores; photos of some 380 KB; the best of {ROUNDS} rounds")
    for name in ("bolid", "img2dataset"):
        (wall_short, cpu_short), (wall_long, cpu_long) = best[name, SHORT], best[name, LONG]
        slope[name] = (cpu_long - cpu_short) / (LONG - SHORT)
        print(f"  {name:12} {SHORT} as run: {SHORT / wall_short:7.0f} photos/s, {cpu_short / SHORT * 1e3:6.2f} ms CPU each;"
              f"  {LONG}: {LONG / wall_long:7.0f} photos/s;  steady state {slope[name] * 1e3:5.2f} ms CPU each")
    faster = best["img2dataset", SHORT][0] / best["bolid", SHORT][0]
    print(f"bolid: {faster:.1f} times img2dataset's photos/s for {SHORT} as run; "
          f"{slope['bolid'] / slope['img2dataset']:.0%} of its CPU per photo in steady state")


if __name__ == "__main__":
    main()
