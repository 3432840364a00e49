"""One job: its options, and the child process that does it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import c3drender as c3d
from c3drender.data import Flame, Fluid, Ripple, Sway
from c3drender.jobs import child as children
from c3drender.jobs import options
from c3drender.jobs.child import Child
from c3drender.jobs.run import Job, run_job
from c3drender.progress import bar, say


class Told:
    """A watcher that remembers, and does something at the first frame."""

    def __init__(self, at_first_frame=lambda: None) -> None:
        self.steps: list[tuple[str, int, int]] = []
        self.notes: list[str] = []
        self._at_first_frame = at_first_frame

    def step(self, stage: str, done: int, total: int) -> None:
        self.steps.append((stage, done, total))
        if (stage, done) == ("render", 1):
            self._at_first_frame()

    def note(self, line: str) -> None:
        self.notes.append(line)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    y, x = np.mgrid[:48, :64]
    PIL.Image.fromarray(np.stack([4 * x, 5 * y, 255 - 2 * x - 2 * y], axis=2).astype(np.uint8)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    one = Child()
    yield one
    one.close()


def test_the_options_are_those_of_render_cinemagraph() -> None:
    arguments = set(signature(c3d.render_cinemagraph).parameters) - {"photo", "out", "motion", "progress", "lens"}
    assert set(options.known()) | set(options.BESIDE) == arguments | set(options.MOTION) | set(options.LENS)


def test_lenses_and_flags_are_what_the_command_line_makes_of_them() -> None:
    read = options.read_options({"f_number": "2.8", "lens-focus": "30,40", "follow": "true", "trust": False})
    assert read == {"f_number": 2.8, "lens_focus": [30.0, 40.0], "follow": True}
    made = options.arguments_of(read)
    assert made["lens"] == c3d.Lens(f_number=2.8, focus=(30.0, 40.0))
    assert made["follow"] is True
    assert "lens" not in options.arguments_of({"fps": 12.0})
    with pytest.raises(ValueError, match="follow: expected true or false, got 'maybe'"):
        options.read_options({"follow": "maybe"})
    with pytest.raises(ValueError, match="poster: expected an option"):
        options.read_options({"poster": "p.jpg"})


def test_words_and_values_say_the_same() -> None:
    words = {
        "frames": " 30 ",
        "size": "640x480",
        "amplitude": "1,0.5,2",
        "label": "a, b",
        "bitrate": "8M",
        "depth-kind": "metric",
    }
    values = {"frames": 30, "size": (640, 480), "amplitude": [1, 0.5, 2], "label": ["a", "b"], "bitrate": 8_000_000}
    expected = {"frames": 30, "size": [640, 480], "amplitude": [1.0, 0.5, 2.0], "label": ["a", "b"], "bitrate": 8_000_000}
    assert options.read_options(words) == expected | {"depth_kind": "metric"}
    assert options.read_options(values) == expected
    assert options.read_options({"frames": "", "camera": "circle", "fps": 25, "mask": None}) == {}


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("frames", 3.5, "frames: expected a whole number, got '3.5'"),
        ("frames", True, "frames: expected a number, got True"),
        ("mask", 3, "mask: expected a path or a word, got 3"),
        ("hints", [[1, 2]], "hints: expected arrows"),
        ("hints", [[[0, 0], [1, float("nan")]]], "hints: expected arrows"),
        ("motion", [], "motion: expected an option of c3drender render"),
        ("quiet", True, "quiet: expected an option"),
    ],
)
def test_bad_options_are_named(name: str, value: object, line: str) -> None:
    with pytest.raises(ValueError) as error:
        options.read_options({name: value})
    assert line in str(error.value)


def test_what_sways_flickers_and_ripples_goes_into_one_list() -> None:
    given = {"mask": "m.png", "sway": "s.png", "sway_root": "top", "flame": "f.png", "ripple": "r.png", "frames": 9}
    arguments = options.arguments_of(given)
    assert [(type(part), vars(part)) for part in arguments.pop("motion")] == [
        (type(part), vars(part)) for part in (Fluid(mask="m.png"), Sway("s.png", None, "top"), Flame("f.png"), Ripple("r.png"))
    ]
    assert arguments == {"frames": 9}
    assert options.arguments_of({"mask": "m.png"}) == {"mask": "m.png"}


def test_watchers_are_told_what_bars_show() -> None:
    told = Told()
    assert list(bar([5, 6], shown=told, desc="render", total=2, unit="frame")) == [5, 6]
    with bar(shown=told, total=1, desc="prepare", leave=False) as steps:
        steps.set_description("depth")
        steps.update()
    say("a", "b", shown=told)
    expected = [("render", 1, 2), ("render", 2, 2), ("prepare", 0, 1), ("depth", 0, 1), ("depth", 1, 1)]
    assert told.steps == expected and told.notes == ["a", "b"]


def test_a_job_in_this_process_tells_and_can_be_ended(photo: str, tmp_path: Path) -> None:
    out = tmp_path / "made" / "out.gif"
    out.parent.mkdir()
    told = Told()
    notes = run_job(Job(photo, str(out), {"frames": 2, "depth": "builtin"}), told)
    assert told.steps[-1] == ("render", 2, 2) and any(line.startswith("depth: ") for line in notes)

    def end() -> None:
        raise InterruptedError("enough")

    out.unlink()
    with pytest.raises(InterruptedError):
        run_job(Job(photo, str(out), {"frames": 2, "depth": "builtin"}), Told(end))
    assert not list(out.parent.iterdir())


def test_a_child_does_jobs_and_outlives_bad_ones(photo: str, tmp_path: Path, child: Child) -> None:
    told = Told()
    job = Job(photo, str(tmp_path / "out.gif"), {"frames": 3, "depth": "builtin"})
    notes = child.run(job, told)
    first = child._process
    assert told.steps[-1] == ("render", 3, 3) and notes and Path(job.out).stat().st_size
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(children.JobFailed, match="photo: expected a picture"):
        child.run(Job(str(tmp_path / "bad.png"), job.out), Told())
    assert child._process is first


def test_a_child_that_is_stopped_or_late_leaves_nothing(photo: str, tmp_path: Path, child: Child) -> None:
    out = tmp_path / "made" / "out.gif"
    out.parent.mkdir()
    job = Job(photo, str(out), {"frames": 5000, "depth": "builtin"})
    stop = threading.Event()
    with pytest.raises(children.JobStopped):
        child.run(job, Told(stop.set), stop)
    assert not list(out.parent.iterdir())
    with pytest.raises(children.JobTimedOut, match=r"time: expected at most 0\.2 s, took longer"):
        child.run(job, Told(), limit_s=0.2)
    assert not list(out.parent.iterdir())


def test_a_child_that_dies_is_replaced(photo: str, tmp_path: Path, child: Child) -> None:
    job = Job(photo, str(tmp_path / "out.gif"), {"frames": 200, "depth": "builtin"})
    with pytest.raises(children.ChildDied, match=r"died \(signal SIGKILL, out of memory\?\)"):
        child.run(job, Told(lambda: os.kill(child._process.pid, signal.SIGKILL)))
    child.run(Job(photo, job.out, {"frames": 2, "depth": "builtin"}), Told())
    assert Path(job.out).exists()
