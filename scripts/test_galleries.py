"""Crawls galleries made by other software, with the profiles of data/sites: every photo of 1000 px or more comes once, byte for
byte, and no preview does. Run by `make test-galleries`.

A generator that is not installed is a failure, unless --allow-missing leaves it out.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

PEOPLE = ["Ada Lovelace", "bea", "Chloé"]
PER_PERSON = 8  # and a small one
SIGAL = """
source = {source!r}
theme = {theme!r}
img_size = (800, 600)
keep_orig = {originals}
ignore_directories = []
ignore_files = []
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # of a photo that is too small, the crawler reads the beginning only


def quietly(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def deal(drawn: pathlib.Path, source: pathlib.Path) -> None:
    """Gives each person eight photos of two sizes and one of 600×800 px; every other name has a blank in it."""
    large = sorted(drawn.glob("1200x1600/*.jpg")) + sorted(drawn.glob("1000x1400/*.jpg"))
    small = sorted(drawn.glob("600x800/*.jpg"))
    for i, person in enumerate(PEOPLE):
        folder = source / person
        folder.mkdir(parents=True)
        own = large[i :: len(PEOPLE)]
        assert len(own) == PER_PERSON, f"{len(own)} photos for {person}"
        for j, photo in enumerate(own):
            shutil.copy(photo, folder / (f"photo {j}.jpg" if j % 2 else f"IMG_{j}.jpg"))
        shutil.copy(small[i], folder / "small.jpg")


def sigal(theme: str, tools: argparse.Namespace, source: pathlib.Path, site: pathlib.Path) -> None:
    settings = site.parent / "sigal.conf.py"
    settings.write_text(SIGAL.format(source=str(source), theme=theme, originals=True))
    quietly(tools.sigal, "build", "--config", settings, source, site)


def lazygal(theme: str, options: list[str], tools: argparse.Namespace, source: pathlib.Path, site: pathlib.Path) -> None:
    quietly(tools.lazygal, "--theme", theme, *options, "--output-directory", site, source)


def igal2(options: list[str], tools: argparse.Namespace, source: pathlib.Path, site: pathlib.Path) -> None:
    shutil.copytree(source, site)  # it writes beside the photos
    for person in PEOPLE:
        quietly(tools.igal2, *options, "-d", site / person)
    # The first page is of a folder with a photo of its own, which belongs to nobody.
    shutil.copy(source / PEOPLE[0] / "small.jpg", site / "cover.jpg")
    quietly(tools.igal2, "--AddSubdir", "-d", site)


def fgallery(tools: argparse.Namespace, source: pathlib.Path, site: pathlib.Path) -> None:
    site.mkdir()
    for person in PEOPLE:
        quietly(tools.fgallery, "-i", "-k", "-d", source / person, site / person, person)


GALLERIES = [
    ("sigal", "colorbox", partial(sigal, "colorbox")),
    ("sigal", "galleria", partial(sigal, "galleria")),
    ("sigal", "photoswipe", partial(sigal, "photoswipe")),
    ("lazygal", "nojs, with originals", partial(lazygal, "nojs", ["--original"])),
    ("lazygal", "image-index, pages of 4", partial(lazygal, "image-index", ["--original", "--thumbs-per-page", "4"])),
    ("lazygal", "inverted, sizes only", partial(lazygal, "inverted", ["--image-size", "medium=800x600,huge=0x0"])),
    ("igal2", "as it is", partial(igal2, [])),
    ("igal2", "smaller slides, pages of 5", partial(igal2, ["--bigy", "500", "--pagination", "5"])),
    ("fgallery", "with originals", fgallery),
]


def serve(site: pathlib.Path) -> Server:
    server = Server(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def digests(folder: pathlib.Path, pattern: str) -> list[str]:
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob(pattern) if path.is_file())


def crawl(bolid: pathlib.Path, engine: str, base: str, workdir: pathlib.Path) -> dict:
    profile = f"data/sites/{engine}.toml"
    command = [bolid, "crawl", "--json", "--site", profile, "--base-url", base, "--workdir", workdir]
    command += ["--set", "rules.min_side=1000", "--delay", "1ms"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bolid crawl failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def complaints(report: dict, source: pathlib.Path, workdir: pathlib.Path) -> list[str]:
    wanted = digests(source, "*/[Ip]*.jpg")
    assert len(wanted) == len(PEOPLE) * PER_PERSON
    stored = digests(workdir / "blobs", "??/*")
    found = []
    if missing := set(wanted) - set(stored):
        found.append(f"{len(missing)} photos did not come, or not byte for byte")
    if others := set(stored) - set(wanted):
        found.append(f"{len(others)} files came that are no photo of the folder: previews")
    if report["photos_stored"] != len(wanted):
        found.append(f"{report['photos_stored']} photos were stored instead of {len(wanted)}: some twice")
    if set(report["photos_failed"]) - {"too_small"}:
        found.append(f"failures: {report['photos_failed']}")
    found += [f"{name}: {report[name]}" for name in ("pages_failed", "left") if report[name]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bolid", type=pathlib.Path, required=True)
    parser.add_argument("--photos", type=pathlib.Path, required=True, help="what synth's example sized_photos wrote")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder that is made anew")
    parser.add_argument("--allow-missing", action="store_true", help="leave out generators that are not installed")
    for tool in ("sigal", "lazygal", "igal2", "fgallery"):
        parser.add_argument(f"--{tool}", default=tool, help="the generator's program")
    tools = parser.parse_args()
    shutil.rmtree(tools.out, ignore_errors=True)
    source = tools.out.resolve() / "source"
    deal(tools.photos, source)
    tried, bad, missing = 0, 0, set()
    for i, (engine, variant, make) in enumerate(GALLERIES):
        if shutil.which(getattr(tools, engine)) is None:
            missing.add(engine)
            continue
        place = source.parent / f"{i}-{engine}"
        place.mkdir()
        make(tools, source, place / "site")
        server = serve(place / "site")
        report = crawl(tools.bolid, engine, f"http://127.0.0.1:{server.server_port}/", place / "work")
        server.shutdown()
        found = complaints(report, source, place / "work")
        tried, bad = tried + 1, bad + bool(found)
        mark = "✗" if found else "✓"
        print(f"{mark} {engine} ({variant}): {report['photos_stored']} photos stored {'; '.join(found)}".rstrip())
    for engine in sorted(missing):
        print(f"– {engine}: not tried, it is not installed (see CONTRIBUTING.md)")
    print(f"{tried - bad} of {tried} galleries are well")
    sys.exit(1 if bad or not tried or (missing and not tools.allow_missing) else 0)


if __name__ == "__main__":
    main()
