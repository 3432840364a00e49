"""Whatever happens to a run: what the user had stays, what appears under an output's name is whole, nothing else is left."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest
import torch

import c3drender
from c3drender import cli, defaults
from c3drender.files.photo import write_picture
from c3drender.files.video import check_output, write_video

ROOT = Path(c3drender.__file__).parent.parent
SIZE = (16, 24)


def frames(count: int, level: int = 100) -> Iterator[np.ndarray]:
    return (np.full((*SIZE, 3), level + n % 100, np.uint8) for n in range(count))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A program of the user's, which writes ``ready`` once it is where it should be disturbed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options)


# --- whose files they are ---------------------------------------------------------------------------------------------


def test_frames_of_the_users_own_are_never_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    PIL.Image.fromarray(next(frames(1))).save(folder / "frame_0001.png")
    with pytest.raises(OSError, match=r"^out: cannot write .*frames: the folder holds frames that c3drender has not written"):
        check_output(folder)
    with pytest.raises(OSError, match=r"such as frame_0001\.png$"):
        write_video(folder, frames(3))
    assert names(folder) == ["frame_0001.png"] and names(tmp_path) == ["frames"]


def test_a_picture_put_among_our_frames_is_noticed(tmp_path: Path) -> None:
    folder = write_video(tmp_path / "frames", frames(3))
    write_video(folder, frames(2))  # its own it replaces
    (folder / "frame_0000.png").write_bytes(b"not even a picture")
    with pytest.raises(OSError, match=r"has not written, such as frame_0000\.png$"):
        write_video(folder, frames(3))
    assert names(folder) == ["frame_0000.png", "frame_0001.png"]


def test_what_is_put_there_while_frames_are_rendered_stays(tmp_path: Path) -> None:
    folder = write_video(tmp_path / "frames", frames(3))

    def disturbed() -> Iterator[np.ndarray]:
        yield from frames(2)
        (folder / "notes.txt").write_text("mine")

    with pytest.raises(OSError, match=r"^out: cannot write .*the folder holds other files, such as notes\.txt$"):
        write_video(folder, disturbed())
    assert (folder / "notes.txt").read_text() == "mine" and len(names(folder)) == 4 and names(tmp_path) == ["frames"]


@pytest.mark.parametrize("out", [".", "..", "", "/", "sub/.."])
def test_the_current_folder_is_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"^out: cannot write .*it is the current folder, or holds it"):
        write_video(out, frames(2))
    assert names(tmp_path) == ["sub"]


def test_standard_output_is_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^out: expected the name of a file or a folder, got -"):
        write_video("-", frames(2))
    assert not names(tmp_path)


@pytest.mark.parametrize("name", ["v.mp4", "p.png", "frames"])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, name: str) -> None:
    far, near = tmp_path / "far", tmp_path / "near"
    far.mkdir(), near.mkdir()
    (near / name).symlink_to(Path("..", "far", name))  # to nothing, as yet
    for count in (3, 2):
        if name == "p.png":
            write_picture(near / name, next(frames(1)))
        else:
            write_video(near / name, frames(count))
        assert (near / name).is_symlink() and names(near) == [name] and names(far) == [name]
    if name == "frames":
        assert names(far / name) == ["frame_0000.png", "frame_0001.png"]


# --- what is read is never written ------------------------------------------------------------------------------------


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.webp"
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path, lossless=True)
    return path


def test_an_output_never_replaces_what_is_read(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = photo.read_bytes()
    link = photo.with_name("link.webp")
    link.symlink_to(photo)
    for out in ("photo.webp", "./photo.webp", str(photo), "link.webp"):
        assert cli.main(["render", "photo.webp", "-o", out, "--quiet"]) == 2
        line = f"c3drender: error: out: expected a name of its own, got {Path(out)}, from where photo is read\n"
        assert capsys.readouterr().err == line
    assert cli.main(["render", "photo.webp", "--mask", "link.webp", "-o", "link.webp", "--quiet"]) == 2
    assert cli.main(["inspect", "photo.webp", "-o", "photo.webp", "--quiet"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("got photo.webp, from where photo is read")
    with pytest.raises(ValueError, match=r"got photo\.webp, from where motion\[0\]\.mask is read$"):
        picture = np.zeros((48, 64, 3), np.uint8)
        c3drender.render_cinemagraph(picture, "photo.webp", motion=[c3drender.Sway("photo.webp")], progress=False)
    assert photo.read_bytes() == before and names(photo.parent) == ["link.webp", "photo.webp"]


def test_a_folder_is_not_replaced_that_holds_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_video("frames", frames(3))
    with pytest.raises(ValueError, match=r"^out: expected a name of its own, got frames, from where photo is read$"):
        c3drender.render_cinemagraph(folder / "frame_0000.png", folder, progress=False)
    assert len(names(folder)) == 3


# --- runs that are killed, and that meet ------------------------------------------------------------------------------

ENDLESS = """
import sys, time, numpy as np
from c3drender.files.video import write_video
def frames():
    for n in range(10**6):
        if n == 4:
            print("ready", flush=True)
        yield np.full((16, 24, 3), n % 255, np.uint8)
        time.sleep(0.01)
write_video(sys.argv[1], frames(), fps=25)
"""


@pytest.mark.parametrize("name", ["v.mp4", "v.gif", "frames"])
def test_what_a_killed_run_leaves_the_next_one_removes(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, frames(3))
    with run_python(ENDLESS, tmp_path / name) as run:
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        others = write_video(tmp_path / name, frames(2))  # while that is at work
        assert len(names(tmp_path)) == 2, "what another run is writing stays"
        run.kill()
    assert len(names(tmp_path)) == 2
    write_video(others, frames(3))
    assert names(tmp_path) == [name]


def test_a_folder_put_aside_by_a_killed_run_goes_back(tmp_path: Path) -> None:
    """Killed between its two renames."""
    folder = write_video(tmp_path / "frames", frames(3))
    folder.rename(tmp_path / ".frames.0123abcd.old")

    def failing() -> Iterator[np.ndarray]:
        yield from frames(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(folder, failing())
    assert names(tmp_path) == ["frames"] and len(names(folder)) == 3
    (tmp_path / ".frames.0123abcd.old").mkdir()
    write_video(folder, frames(2))
    assert names(tmp_path) == ["frames"] and len(names(folder)) == 2


def test_a_folder_that_the_caller_has_locked_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``flock . c3drender render ...`` does."""
    monkeypatch.setattr("c3drender.files.place.MOVES_TAKE_S", 0.1)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for count in (3, 2):
        write_video(tmp_path / "v.gif", frames(count))
        assert len(names(write_video(tmp_path / "frames", frames(count)))) == count
    os.close(descriptor)


def test_only_what_a_run_may_have_left_is_removed(tmp_path: Path) -> None:
    mine = [".v.0123abcd.part.webm", ".w.0123abcd.part.mp4", ".v.part.mp4", "v.0123abcd.part.mp4", ".v.0123ABCD.part.mp4"]
    for name in (*mine, ".v.0123abcd.part.mp4"):
        (tmp_path / name).write_text("")
    (tmp_path / ".v.89abcdef.part.mp4").symlink_to(tmp_path / mine[0])
    write_video(tmp_path / "v.mp4", frames(2))
    assert names(tmp_path) == sorted([*mine, ".v.89abcdef.part.mp4", "v.mp4"])


def test_writers_that_meet_all_succeed(tmp_path: Path) -> None:
    folder, failures = tmp_path / "frames", []

    def write(count: int) -> None:
        try:
            for _ in range(15):
                write_video(folder, frames(count))
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(count,)) for count in (3, 4, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures
    assert len(names(folder)) in (3, 4, 5) and names(tmp_path) == ["frames"]


@pytest.mark.parametrize("name", ["v.gif", "v.mp4", "frames"])
def test_encoding_stops_with_the_run(tmp_path: Path, name: str) -> None:
    """What is rendered is thrown away at once: palettes, say, are not chosen first."""

    def failing() -> Iterator[np.ndarray]:
        noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
        for _ in range(12):
            yield noise
        raise KeyboardInterrupt

    start = time.process_time()
    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / name, failing())
    assert not names(tmp_path)
    assert time.process_time() - start < 10


def test_ctrl_c_while_all_is_rendered_and_being_encoded(tmp_path: Path) -> None:
    code = """
import sys, signal, threading, time, os, numpy as np
from c3drender.files import video
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
def slow(part, target, arrays, rate, encoding, goes_on):
    list(arrays)
    print("ready", flush=True)
    while True:
        goes_on()
        time.sleep(0.01)
video.write_container = slow
video.write_video(sys.argv[1], [np.zeros((16, 24, 3), np.uint8)] * 2)
"""
    with run_python(code, tmp_path / "v.gif", stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        run.send_signal(signal.SIGINT)
        try:
            assert run.wait(30) != 0
        finally:
            run.kill()
    assert not names(tmp_path)


# --- the numbers of a video -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [1e-9, 0.0009, 1001, float("inf")])
def test_a_rate_that_no_format_holds_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(ValueError, match=rf"^fps: expected 0\.001 to 1000 for v\.mp4, got {fps}$"):
        write_video(tmp_path / "v.mp4", frames(2), fps)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mov", ".mkv"])
@pytest.mark.parametrize("fps", [0.001, 0.005, 480, 1000])
def test_frames_come_as_fast_as_asked(tmp_path: Path, suffix: str, fps: float) -> None:
    with av.open(str(write_video(tmp_path / f"v{suffix}", frames(12), fps))) as box:
        seconds = [float(frame.time) for frame in box.decode(video=0)]
    assert len(seconds) == 12
    np.testing.assert_allclose(seconds, np.arange(12) / fps, atol=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".apng", ".webp", ""])
@pytest.mark.parametrize(("fps", "count"), [(0.002, 2), (defaults.FPS, 1)])
def test_slow_videos_and_single_frames(tmp_path: Path, suffix: str, fps: float, count: int) -> None:
    out = write_video(tmp_path / f"v{suffix}", frames(count), fps)
    assert out.stat().st_size > 0 and names(tmp_path) == [out.name]


# --- the streams of the command line ----------------------------------------------------------------------------------

CLOSED = 'exec "$0" -m c3drender "$@" {}'


def in_a_shell(redirected: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", CLOSED.format(redirected), sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_closed_streams_are_no_files(photo: Path) -> None:
    """Where a program's stderr is closed, the next file that it opens gets its number."""
    done = in_a_shell("<&- >&- 2>&-", "render", "photo.webp", "-o", "v.gif", "--frames", "2", cwd=photo.parent)
    assert done.returncode == 0
    with av.open(str(photo.with_name("v.gif"))) as box:
        assert len(list(box.decode(video=0))) == 2
    assert in_a_shell("2>&-", "render", "none.jpg", cwd=photo.parent).returncode == 2
    assert in_a_shell(">&-", "models", "list", cwd=photo.parent).returncode == 0


def test_a_reader_that_has_gone_ends_the_run_quietly(tmp_path: Path) -> None:
    done = in_a_shell("| true", "--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "c3drender", "models", "list"]
    gone = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(write)
    assert gone.returncode == 141 and gone.stderr == ""


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")])
def test_a_lack_of_memory_is_one_line(
    error: Exception, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("c3drender.pipeline.render_cinemagraph", lacking)
    assert cli.main(["render", "photo.webp"]) == 2
    assert capsys.readouterr().err == "c3drender: error: out of memory; a smaller size takes less\n"
