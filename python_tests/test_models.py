"""The registry and the store: fetched, resumed, checked and removed; every way in which that fails is one line."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_server import COMMIT, Hub, serve

from c3drender.cli import main
from c3drender.models import ENTRIES, Entry, ModelFile, best, find, get, installed, path, remove, store

HAS_HUB_CLIENT = importlib.util.find_spec("huggingface_hub") is not None
needs_hub_client = pytest.mark.skipif(not HAS_HUB_CLIENT, reason="needs huggingface_hub (pip install c3drender[models])")
WEIGHTS = np.random.default_rng(0).bytes(300_000)
CONFIG = b'{"model_type": "dpt"}'
REPO = "/someone/tiny/resolve"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(source: str, *, revision: str | None = COMMIT, pin: str | None = sha256(WEIGHTS), config: bool = True) -> Entry:
    files = (*((ModelFile("config.json"),) if config else ()), ModelFile("model.bin", pin))
    return Entry("tiny", "depth", source, revision, files, "MIT", True, 1, "transformers")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has ``someone/tiny`` at `COMMIT`, its newest revision, and the weights at a plain address."""
    files = {
        f"{REPO}/{at}/{name}": data
        for at in (COMMIT, "main")
        for name, data in (("config.json", CONFIG), ("model.bin", WEIGHTS))
    }
    with serve(files | {"/plain/model.bin": WEIGHTS}) as server:
        if HAS_HUB_CLIENT:
            from huggingface_hub import constants

            template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.address)
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            monkeypatch.setattr(constants, "ENDPOINT", server.address)
        yield server


Source = Callable[..., Entry]


@pytest.fixture(params=[pytest.param("hub", marks=needs_hub_client), "address"])
def made(request: pytest.FixtureRequest, hub: Hub) -> Source:
    """An entry whose files lie on the hub, or at a plain address: the store promises the same of both."""
    if request.param == "hub":
        return lambda **facts: entry("someone/tiny", **facts)
    return lambda **facts: entry(f"{hub.address}/plain/model.bin", config=False, **({"revision": None} | facts))


def refusal(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


# The registry


def test_every_entry_says_what_it_is() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    for known in ENTRIES:
        assert known.revision is None or re.fullmatch("[0-9a-f]{40}", known.revision)
        assert all(file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256) for file in known.files)
        assert known.any_use == ("NC" not in known.licence)
        assert find(known.name) is known
        assert find(known.source, known.task) is known
        assert find(known.name, "depth" if known.task != "depth" else "inpainting") is None


def test_the_docs_list_every_entry() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "models.md").read_text()
    for known in ENTRIES:
        row = next(line for line in page.splitlines() if line.startswith(f"| {known.task} | `{known.name}`"))
        assert known.source in row
        assert known.licence in row
        assert known.pinned_by in row


# The store


def test_get_then_path_then_remove(made: Source, tmp_path: Path) -> None:
    tiny = made()
    folder = get(tiny, tmp_path, progress=False)
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert path(tiny, tmp_path) == folder
    assert store.file_of(tiny, tmp_path) == folder / "model.bin"
    lock = json.loads((folder / store.LOCK_FILE).read_text())
    assert lock["sha256"]["model.bin"] == sha256(WEIGHTS)
    assert lock["licence"] == "MIT"
    remove(tiny, tmp_path)
    assert not folder.exists()
    assert "tiny is not installed" in refusal(FileNotFoundError, lambda: path(tiny, tmp_path))
    assert "tiny is not installed" in refusal(FileNotFoundError, lambda: remove(tiny, tmp_path))


def test_what_is_there_is_not_fetched_again(made: Source, hub: Hub, tmp_path: Path) -> None:
    get(made(), tmp_path, progress=False)
    asked = len(hub.asked)
    get(made(), tmp_path, progress=False)
    assert len(hub.asked) == asked


def test_a_cut_download_goes_on(made: Source, hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [len(CONFIG), 1000, 250_000] if made().is_on_hub else [1000, 250_000]
    get(made(), tmp_path, progress=False)
    assert hub.ranges("model.bin") == [None, "bytes=1000-", "bytes=251000-"]
    assert store.file_of(made(), tmp_path).read_bytes() == WEIGHTS


def test_a_download_that_gave_up_goes_on_at_the_next_call(made: Source, hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [len(CONFIG), 70_000, 0] if made().is_on_hub else [70_000, 0]
    assert "cut off after 70000 of 300000 bytes" in refusal(OSError, lambda: get(made(), tmp_path, progress=False))
    assert installed(tmp_path) == []
    assert "tiny is not installed" in refusal(FileNotFoundError, lambda: path(made(), tmp_path))
    hub.asked.clear()
    get(made(), tmp_path, progress=False)
    assert hub.ranges("model.bin") == ["bytes=70000-"]
    assert store.file_of(made(), tmp_path).read_bytes() == WEIGHTS


def test_a_download_that_was_all_there_is_checked(made: Source, hub: Hub, tmp_path: Path) -> None:
    """Interrupted between the last byte and the check: the server has nothing more to give (416)."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin.part").write_bytes(WEIGHTS)
    get(made(), tmp_path, progress=False)
    assert store.file_of(made(), tmp_path).read_bytes() == WEIGHTS


def test_a_server_that_fails_is_one_line(made: Source, hub: Hub, tmp_path: Path) -> None:
    hub.broken = True
    assert "500" in refusal(OSError, lambda: get(made(), tmp_path, progress=False))


@needs_hub_client
def test_what_the_hubs_cache_holds_is_not_fetched(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "cached.bin"
    cached.write_bytes(WEIGHTS)
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda repo, name, revision: str(cached) if name == "model.bin" else None
    )
    get(entry("someone/tiny"), tmp_path, progress=False)
    assert hub.ranges("model.bin") == []
    assert store.file_of(entry("someone/tiny"), tmp_path).read_bytes() == WEIGHTS


def test_a_file_of_another_hash_is_refused_and_deleted(made: Source, tmp_path: Path) -> None:
    wrong = made(pin=sha256(b"other"))
    message = refusal(ValueError, lambda: get(wrong, tmp_path, progress=False))
    assert sha256(b"other") in message
    assert sha256(WEIGHTS) in message
    assert not any(file.stat().st_size == len(WEIGHTS) for file in tmp_path.rglob("*") if file.is_file())
    assert get(made(), tmp_path, progress=False).is_dir()


def test_a_file_that_changed_is_refused(made: Source, tmp_path: Path) -> None:
    file = get(made(), tmp_path, progress=False) / "model.bin"
    file.write_bytes(WEIGHTS[:-1] + b"x")
    assert "model.bin of tiny has changed since it was fetched" in refusal(ValueError, lambda: path(made(), tmp_path))
    assert "model.bin of tiny has changed since it was fetched" in refusal(ValueError, lambda: get(made(), tmp_path))
    file.unlink()
    assert "model.bin of tiny is missing" in refusal(FileNotFoundError, lambda: path(made(), tmp_path))


def test_no_such_file(made: Source, hub: Hub, tmp_path: Path) -> None:
    for name in [name for name in hub.files if name.endswith("model.bin")]:
        del hub.files[name]
    message = refusal(OSError, lambda: get(made(), tmp_path, progress=False))
    assert "models: cannot fetch" in message
    assert "model.bin" in message
    assert "404" in message or "Not Found" in message


def test_no_connection(tmp_path: Path) -> None:
    tiny = entry("http://127.0.0.1:9/model.bin", config=False, revision=None)  # the port of a service that nobody runs
    assert "models: cannot fetch http://127.0.0.1:9/model.bin: " in refusal(
        OSError, lambda: get(tiny, tmp_path, progress=False)
    )


def test_offline_is_respected(made: Source, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE forbids" in refusal(OSError, lambda: get(made(), tmp_path, progress=False))
    assert hub.asked == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    get(made(), tmp_path, progress=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert get(made(), tmp_path).is_dir()


@needs_hub_client
def test_without_a_pin_the_hub_says_what_comes_and_the_lock_keeps_it(hub: Hub, tmp_path: Path) -> None:
    folder = get(entry("someone/tiny", revision=None, pin=None), tmp_path, progress=False)
    lock = json.loads((folder / store.LOCK_FILE).read_text())
    assert lock["revision"] == COMMIT
    assert lock["sha256"] == {"config.json": sha256(CONFIG), "model.bin": sha256(WEIGHTS)}
    assert {name.split("/")[4] for method, name, _ in hub.asked if method == "GET"} == {COMMIT}


@needs_hub_client
def test_a_small_file_that_is_not_what_the_hub_says_is_refused(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_server.etag_of", lambda name, data: "b" * 40)
    message = refusal(ValueError, lambda: get(entry("someone/tiny"), tmp_path, progress=False))
    assert "expected config.json of hash " + "b" * 40 in message


def test_a_damaged_lock_is_one_line(made: Source, tmp_path: Path) -> None:
    folder = get(made(), tmp_path, progress=False)
    (folder / store.LOCK_FILE).write_text("[]")
    assert "expected what c3drender wrote" in refusal(ValueError, lambda: path(made(), tmp_path))


def test_best_skips_what_may_not_be_used_or_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert best("depth", tmp_path) is None
    for name in ("depth-anything-v2-base", "depth-anything-v2-small", "moge-2-small"):
        (tmp_path / name).mkdir()
        (tmp_path / name / store.LOCK_FILE).write_text("{}")
    monkeypatch.setattr(store, "can_run", lambda known: known.runner != "moge")
    assert [known.name for known in installed(tmp_path, "depth")] == [
        "moge-2-small",
        "depth-anything-v2-base",
        "depth-anything-v2-small",
    ]
    assert best("depth", tmp_path).name == "depth-anything-v2-small"
    monkeypatch.setattr(store, "can_run", lambda known: True)
    assert best("depth", tmp_path).name == "moge-2-small"


# The command line


def test_list_says_licences_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(ENTRIES) + 2
    assert any("not for commercial use" in line for line in lines)
    assert lines[-1] == f"in {store.model_folder()}"


@pytest.mark.parametrize("action", ["get", "path", "remove"])
def test_unknown_names_are_one_line(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", action, "nonesuch"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("c3drender: error: models: expected one of moge-2-large, ")
    assert message.endswith("got 'nonesuch'\n")


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "get", "--help"])
    assert "example: c3drender models get " in capsys.readouterr().out


@needs_hub_client
def test_a_mirror_and_its_wrong_file_from_the_command_line(hub: Hub, tmp_path: Path) -> None:
    known = find("migan-onnx")
    hub.files[f"/{known.source}/resolve/{known.revision}/{known.files[0].name}"] = WEIGHTS
    run = subprocess.run(
        [sys.executable, "-m", "c3drender", "models", "get", known.name, "--quiet"],
        env=os.environ | {"HF_ENDPOINT": hub.address, "C3DRENDER_MODELS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert f"expected {known.files[0].name} of hash {known.files[0].sha256}" in run.stderr
