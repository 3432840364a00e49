"""Models on this machine: fetched whole or not at all, checked against their hashes, each in a folder of its own.

What the hub has is asked through ``huggingface_hub``, which respects ``HF_ENDPOINT`` (mirrors) and knows what its cache holds;
the bytes come by ``urllib``, which respects the proxy variables, into a ``.part`` file from which a later call goes on (the
hub's own client starts anew). Beside each model stands `LOCK_FILE`: the revision and the sha256 of each file as they were
fetched. Whatever is loaded later is held against it.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files.place import make_folder, naming, one_line, replacing
from ..progress import bar
from .registry import ENTRIES, NEEDS, Entry, Task

FOLDER_VARIABLE = "C3DRENDER_MODELS"
LOCK_FILE = "c3drender.json"
BLOCK_BYTES = 1 << 20
TIMEOUT_S = 30.0
SAYS_YES = {"1", "ON", "YES", "TRUE"}  # what huggingface_hub takes for a set switch


def model_folder() -> Path:
    """Where models lie: ``$C3DRENDER_MODELS``, or ``c3drender/models`` in the user's cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "c3drender" / "models"


def get(entry: Entry, folder: Path | None = None, progress: bool = True) -> Path:
    """Fetch a model unless it is there, and check it.

    Parameters
    ----------
    entry
        Which one.
    folder
        Where models lie; None: `model_folder`.
    progress
        Show a bar for each file.

    Returns
    -------
    Path
        The model's own folder.

    Raises
    ------
    OSError
        It cannot be fetched: no connection, no such file, the machine is told to stay offline, the download was cut off (a
        later call goes on from there).
    ValueError
        A file is not what its hash says; it is deleted. Or the hub's client is not installed.
    """
    target = _place(entry, folder)
    if _read_lock(target) is not None:
        return path(entry, folder)
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in SAYS_YES:
        raise OSError(f"models: {entry.name} is not installed, and HF_HUB_OFFLINE forbids fetching it")
    make_folder("models", target)
    if entry.is_on_hub:
        revision, hashes = _fetch_from_hub(entry, target, progress)
    else:
        revision, hashes = None, _fetch_from_address(entry, target, progress)
    lock = {"name": entry.name, "source": entry.source, "revision": revision, "licence": entry.licence, "sha256": hashes}
    with naming("models", "write", target / LOCK_FILE), replacing(target / LOCK_FILE) as part:
        part.write_text(json.dumps(lock, indent=1) + "\n")
    return target


def path(entry: Entry, folder: Path | None = None) -> Path:
    """The folder of an installed model, every file of it checked.

    Raises
    ------
    OSError
        It is not installed, or a file is missing.
    ValueError
        A file is not the one that was fetched.
    """
    target = _place(entry, folder)
    hashes = _read_lock(target)
    if hashes is None:
        raise FileNotFoundError(f"models: {entry.name} is not installed: c3drender models get {entry.name}")
    for name, fetched in hashes.items():
        if not (target / name).is_file():
            raise FileNotFoundError(f"models: {name} of {entry.name} is missing: {_again(entry)}")
        if _sha256(target / name) != fetched:
            raise ValueError(f"models: {name} of {entry.name} has changed since it was fetched: {_again(entry)}")
    return target


def file_of(entry: Entry, folder: Path | None = None) -> Path:
    """The weights of an installed model, checked (see `path`)."""
    return path(entry, folder) / entry.files[-1].name


def remove(entry: Entry, folder: Path | None = None) -> None:
    """Delete a model, or what an interrupted download left of it. OSError where there is nothing."""
    target = _place(entry, folder)
    if not target.is_dir():
        raise FileNotFoundError(f"models: {entry.name} is not installed")
    with naming("models", "remove", target):
        shutil.rmtree(target)


def installed(folder: Path | None = None, task: Task | None = None) -> list[Entry]:
    """The models that are there, the best of each task first. Looks for them only; `path` checks them."""
    known = (entry for entry in ENTRIES if task in (None, entry.task))
    return [entry for entry in known if (_place(entry, folder) / LOCK_FILE).is_file()]


def best(task: Task, folder: Path | None = None) -> Entry | None:
    """The best installed model whose licence allows any use and whose runner is installed too; None where there is none."""
    return next((entry for entry in installed(folder, task) if entry.any_use and can_run(entry)), None)


def can_run(entry: Entry) -> bool:
    modules, _ = NEEDS[entry.runner]
    return not modules or any(importlib.util.find_spec(module) is not None for module in modules)


def check_runner(entry: Entry) -> None:
    """ValueError unless what runs ``entry`` is installed."""
    if not can_run(entry):
        modules, command = NEEDS[entry.runner]
        raise ValueError(f"models: {entry.name} needs the package {modules[0]}: {command}")


def _again(entry: Entry) -> str:
    return f"c3drender models remove {entry.name}, then get it again"


def _place(entry: Entry, folder: Path | None) -> Path:
    return (model_folder() if folder is None else folder) / entry.name


def _read_lock(target: Path) -> dict[str, str] | None:
    """Each file's sha256 as it was fetched; None where the model is not (wholly) there."""
    lock = target / LOCK_FILE
    if not lock.is_file():
        return None
    try:
        hashes = json.loads(lock.read_bytes())["sha256"]
        return {str(name): str(value) for name, value in hashes.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"models: expected what c3drender wrote in {lock}, got something else") from error


def _fetch_from_hub(entry: Entry, target: Path, progress: bool) -> tuple[str, dict[str, str]]:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ValueError(f"models: {entry.name} needs the package huggingface_hub: pip install c3drender[models]")
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    revision = entry.revision
    hashes = {}
    for file in entry.files:
        try:
            said = get_hf_file_metadata(hf_hub_url(entry.source, file.name, revision=revision or "main"))
        except Exception as error:
            # It passes on errors of whichever HTTP client it was built on, which have no common base to name here.
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise OSError(f"models: cannot fetch {file.name} of {entry.source}: {reason}") from error
        revision = revision or said.commit_hash  # all files of one commit
        cached = try_to_load_from_cache(entry.source, file.name, revision=revision)
        part = target / f"{file.name}.part"
        if isinstance(cached, str):
            shutil.copyfile(cached, part)
        else:
            _fetch(hf_hub_url(entry.source, file.name, revision=revision), part, progress)
        hashes[file.name] = _accept(part, target / file.name, file.sha256 or said.etag)
    return str(revision), hashes


def _fetch_from_address(entry: Entry, target: Path, progress: bool) -> dict[str, str]:
    (file,) = entry.files
    part = target / f"{file.name}.part"
    _fetch(entry.source, part, progress)
    return {file.name: _accept(part, target / file.name, file.sha256)}


def _fetch(address: str, part: Path, progress: bool) -> None:
    """Fetch ``address`` into ``part``, again and again for as long as each try brings something."""
    while True:
        before = _size(part)
        try:
            return _resume(address, part, progress)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) or _size(part) == before:
                raise OSError(f"models: cannot fetch {address}: {one_line(error)}") from error


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _resume(address: str, part: Path, progress: bool) -> None:
    """Fetch ``address`` into ``part``, from where an earlier call was cut off."""
    start = _size(part)
    request = urllib.request.Request(address, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return  # it is all there: the hash will tell
    with answer, part.open("ab" if answer.status == http.client.PARTIAL_CONTENT else "wb") as out:
        start = out.tell()
        length = answer.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        with bar(shown=progress, total=total, initial=start, desc=part.stem, unit="B", unit_scale=True) as fetched:
            while block := answer.read(BLOCK_BYTES):
                out.write(block)
                fetched.update(len(block))
        if total is not None and out.tell() < total:
            raise ConnectionError(f"cut off after {out.tell()} of {total} bytes")


def _accept(part: Path, target: Path, expected: str | None) -> str:
    """Move ``part`` to ``target`` once it is what is ``expected`` of it: a sha256, or the id that git gives to small files.
    Returns its sha256."""
    found = _sha256(part)
    if expected is not None and re.fullmatch("[0-9a-f]{64}", expected):
        good = found == expected
    elif expected is not None and re.fullmatch("[0-9a-f]{40}", expected):
        data = part.read_bytes()
        good = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == expected
    else:
        good = True  # a mirror that names its files in a way of its own: the lock holds what came
    if not good:
        part.unlink()
        raise ValueError(f"models: expected {target.name} of hash {expected}, got another file (sha256 {found}); deleted")
    part.replace(target)
    return found


def _sha256(file: Path) -> str:
    with naming("models", "read", file), file.open("rb") as data:
        digest = hashlib.sha256()
        for block in iter(lambda: data.read(BLOCK_BYTES), b""):
            digest.update(block)
    return digest.hexdigest()


def table(entries: Iterable[Entry], folder: Path | None = None) -> list[str]:
    """One line per model: what, how large, under which licence, whether pinned and here."""
    rows: list[tuple[Any, ...]] = [("task", "model", "MB", "licence", "pinned by", "", "source")]
    there = {entry.name for entry in installed(folder)}
    for entry in entries:
        size = "?" if entry.size_mb is None else entry.size_mb
        licence = entry.licence if entry.any_use else f"{entry.licence} (not for commercial use)"
        rows.append(
            (entry.task, entry.name, size, licence, entry.pinned_by, "here" if entry.name in there else "", entry.source)
        )
    widths = [max(len(str(row[k])) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
