"""The labelled photos: which they are, and how to get them.

``python benchmarks/perception/photos.py fetch`` takes the listed photos out of the Debian packages and the public git
repositories that ship them, into a cache; only lists are in git. Nothing is installed. `photos/LICENSES.md` says who made them
and what may be done with them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Split = Literal["train", "dry", "heldout", "fluids", "reserve", "judged"]

ROOT = Path(__file__).parents[2]
LISTS = Path(__file__).parent / "photos"
CACHE = ROOT / "build" / "photos"
SIDE_PX = 512  # the longer side of the region maps
SUITES = ("bullseye", "bookworm", "trixie", "forky", "sid")
GIT = "git+"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Photo:
    """One line of a list. ``package``: Debian's name, or `GIT` and a repository's address. ``version``: the package's, or the
    repository's commit, in which the photo was found; another that has the same file does."""

    id: str
    package: str
    version: str
    path: str
    sha256: str
    author: str
    licence: str
    title: str
    kind: str

    @property
    def file(self) -> Path:
        """Where the photo is once fetched."""
        return CACHE / (self.id + Path(self.path).suffix.lower())


def listed(split: Split) -> list[Photo]:
    """The photos of a split, in the list's order."""
    with (LISTS / f"{split}.csv").open(encoding="utf-8", newline="") as lines:
        return [Photo(**line) for line in csv.DictReader(lines)]


def read_rgb(photo: Photo, side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    """The fetched photo, upright, its longer side reduced to ``side_px``.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        At `SIDE_PX` it has the size of the photo's region map.
    """
    image = Image.open(photo.file)
    image.draft("RGB", (2 * side_px, 2 * side_px))
    image = ImageOps.exif_transpose(image).convert("RGB")
    scale = side_px / max(image.size)
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS))


def fetch(photos: list[Photo]) -> list[Photo]:
    """Fetch what is not in the cache yet; answer what could not be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = [photo for photo in photos if not _is_right(photo.file, photo.sha256)]
    by_package = {name: list(group) for name, group in groupby(sorted(wanted, key=_package), key=_package)}
    if any(not name.startswith(GIT) for name in by_package):
        with tempfile.TemporaryDirectory() as scratch:
            apt = _Apt(Path(scratch))
            for name, group in by_package.items():
                if not name.startswith(GIT):
                    _fetch_package(apt, name, group)
    for name, group in by_package.items():
        if name.startswith(GIT):
            _fetch_repository(name.removeprefix(GIT), group)
    return [photo for photo in wanted if not photo.file.exists()]


def _package(photo: Photo) -> str:
    return photo.package


def _fetch_repository(address: str, photos: list[Photo]) -> None:
    """Take the photos out of the commit they were found in, or else out of the newest one: their files alone, where the host
    sends parts of a history."""
    if not shutil.which("git"):
        sys.exit("fetch: expected git, got a machine without it")
    with tempfile.TemporaryDirectory() as scratch:
        git = ["git", "-C", scratch]
        _output([*git, "init", "-q"])
        _output([*git, "remote", "add", "origin", address])
        for commit in [*dict.fromkeys(photo.version for photo in photos), "HEAD"]:
            missing = [photo for photo in photos if not photo.file.exists()]
            if not missing:
                return
            print(f"{address} {commit[:9]}: {len(missing)} photos wanted", flush=True)
            had = subprocess.run(
                [*git, "fetch", "-q", "--depth=1", "--filter=blob:none", "origin", commit], capture_output=True
            )
            for photo in missing if had.returncode == 0 else []:
                shown = subprocess.run([*git, "show", f"FETCH_HEAD:{photo.path}"], capture_output=True)
                if hashlib.sha256(shown.stdout).hexdigest() == photo.sha256:
                    photo.file.write_bytes(shown.stdout)


def _fetch_package(apt: _Apt, package: str, photos: list[Photo]) -> None:
    """Take the photos out of the versions they were found in, then out of any other, until all are there."""
    offered = apt.versions(package)
    listed_first = list(dict.fromkeys([photo.version for photo in photos]))
    for version in [v for v in listed_first if v in offered] + [v for v in offered if v not in listed_first]:
        missing = [photo for photo in photos if not photo.file.exists()]
        if not missing:
            return
        print(f"{package} {version}: {len(missing)} photos wanted", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            unpacked = apt.unpacked(package, version, Path(scratch))
            for photo in missing:
                if _is_right(unpacked / photo.path, photo.sha256):
                    shutil.copyfile(unpacked / photo.path, photo.file)


def _is_right(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


class _Apt:
    """Debian's apt with lists of its own in ``folder``: several suites, whatever the machine's own are."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            sys.exit("fetch: expected Debian's apt-get and dpkg-deb, got a machine without them")
        sites = _output(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Origin: Debian"]).split()
        sites = [site for site in sites if not site.endswith("-security")]
        if not sites:
            sys.exit("fetch: expected a Debian mirror among apt's sources, got none")
        sources = "".join(f"deb [signed-by={KEYRING}] {sites[0]} {suite} main\n" for suite in SUITES)
        (folder / "sources.list").write_text(sources, encoding="ascii")
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        places = {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache": folder / "cache",
        }
        self.options = [f"-o{name}={value}" for name, value in places.items()]
        _output(["apt-get", *self.options, "-q", "update"])

    def versions(self, package: str) -> list[str]:
        """The versions of a package that the suites offer, oldest suite first."""
        lines = _output(["apt-cache", *self.options, "madison", package]).splitlines()
        return list(dict.fromkeys(line.split("|")[1].strip() for line in reversed(lines) if line.endswith("Packages")))

    def unpacked(self, package: str, version: str, folder: Path) -> Path:
        """The package's files, under the answered folder."""
        _output(["apt-get", *self.options, "-q", "download", f"{package}={version}"], cwd=folder)
        (archive,) = folder.glob("*.deb")
        _output(["dpkg-deb", "--extract", archive.name, "files"], cwd=folder)
        return folder / "files"


def _output(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        sys.exit(f"fetch: {' '.join(command[:1] + command[-1:])} failed: {last}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["fetch"])
    parser.add_argument("--split", choices=get_args(Split), action="append", help="default: all but reserve and judged")
    args = parser.parse_args()
    photos = [photo for split in args.split or ["heldout", "fluids", "train", "dry"] for photo in listed(split)]
    missing = fetch(photos)
    for photo in missing:
        print(f"missing: {photo.id}, {photo.path} of {photo.package} {photo.version}: no place has that file any more")
    print(f"{len(photos) - len(missing)} of {len(photos)} photos in {CACHE}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
