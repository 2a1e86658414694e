"""Runs the commands of README.md and docs/*.md as they stand there. Run by `make test-docs`.

A page's blocks run in order, in one empty folder per page with `bolid` on the PATH, the site profiles under data/sites, the
adapter and its base under data/models, and photos of two people under ~/photos. Commands are what is indented or fenced as `sh` or as nothing; all else that is fenced
has its language. A block that needs a network, a GPU or hours stands under a line `<!-- not run: reason -->`; such blocks
are counted. The first command that fails ends the page, and is named with its line.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LANGUAGES = {"", "sh"}
SKIPPED = re.compile(r"^<!-- not run: (.+) -->$")


def blocks(page: pathlib.Path):
    """Line number, text and reason not to run it, of each block that holds commands."""
    lines = page.read_text().splitlines()
    at, reason = 0, None
    while at < len(lines):
        line = lines[at]
        if marked := SKIPPED.match(line):
            reason = marked.group(1)
        elif line.lstrip().startswith("```"):
            begin = at + 1
            end = next(i for i in range(begin, len(lines)) if lines[i].lstrip().startswith("```"))
            body = lines[begin:end]
            if line.strip().strip("`") in LANGUAGES:
                yield begin + 1, body, reason
            at, reason = end, None
        elif line.startswith("    ") and not lines[at - 1].strip():
            begin = at
            while at + 1 < len(lines) and lines[at + 1].startswith("    "):
                at += 1
            yield begin + 1, [text[4:] for text in lines[begin : at + 1]], reason
            reason = None
        elif line.strip():
            reason = None
        at += 1


def commands(first: int, body: list[str]):
    """The block's commands with their lines: what a backslash continues belongs together."""
    at = 0
    while at < len(body):
        begin = at
        while body[at].rstrip().endswith("\\") and at + 1 < len(body):
            at += 1
        text = "\n".join(body[begin : at + 1])
        at += 1
        if text.strip() and not text.lstrip().startswith("#"):
            yield first + begin, text


def lay_out(folder: pathlib.Path, photos: pathlib.Path) -> None:
    """What the pages speak of: profiles, an adapter, and photos of two people of the user's own."""
    for name in ("sites", "models/adapter", "models/body-vae", "models/tiny-sd"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    for i, photo in enumerate(sorted(photos.glob("1200x1600/*.jpg"))):
        person = folder / "home/photos" / ("ada", "bea")[i % 2]
        person.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, person)


def run_page(page: pathlib.Path, bolid: pathlib.Path, photos: pathlib.Path) -> tuple[int, int, list[str]]:
    ran, skipped, failed, groups = 0, 0, [], []
    name = page.relative_to(ROOT)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        lay_out(folder, photos)
        (folder / "bin").mkdir()
        shutil.copy(bolid, folder / "bin/bolid")
        own = ("BOLID_", "XDG_")  # a reader's settings, which lead out of the folder
        environment = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        environment |= {"HOME": str(folder / "home"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        for first, body, reason in blocks(page):
            if reason:
                skipped += 1
                continue
            for line, text in commands(first, body):
                if failed:
                    break
                started = subprocess.Popen(
                    ["bash", "-c", text], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                )
                groups.append(started.pid)
                said = started.communicate()[0]
                ran += 1
                if started.returncode != 0:
                    tail = "\n".join(said.splitlines()[-12:])
                    failed.append(f"{name}:{line}: exit code {started.returncode}: {text.strip()}\n{tail}")
        for group in groups:  # a server that a page starts ends with the page
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
    return ran, skipped, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bolid", type=pathlib.Path, required=True)
    parser.add_argument("--photos", type=pathlib.Path, required=True, help="what synth's example sized_photos wrote")
    parser.add_argument("pages", nargs="*", type=pathlib.Path, help="only these [default: README.md and docs/*.md]")
    given = parser.parse_args()
    pages = [page.resolve() for page in given.pages] or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    ran, skipped, failed = 0, 0, []
    for page in pages:
        of_page = run_page(page, given.bolid.resolve(), given.photos.resolve())
        print(f"{page.relative_to(ROOT)}: {of_page[0]} commands ran, {of_page[1]} blocks are marked as not run")
        ran, skipped, failed = ran + of_page[0], skipped + of_page[1], failed + of_page[2]
    print("\n".join(failed))
    print(f"{ran} commands ran, {len(failed)} failed, {skipped} blocks are marked as not run")
    sys.exit(1 if failed or not ran else 0)


if __name__ == "__main__":
    main()
