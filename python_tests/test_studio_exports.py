"""Exports of the studio: every format, what each can be asked for, the bits of the command line, the estimate."""

from __future__ import annotations

import io
import wave
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest

import c3drender as c3d

pytest.importorskip("fastapi", reason="needs the extra studio")

from c3drender.cli import main
from c3drender.files.container import CONTAINERS
from c3drender.jobs.options import known
from c3drender.studio import edits as of
from c3drender.studio import project
from c3drender.studio.estimate import Paces, cost_of
from c3drender.studio.export import export
from c3drender.studio.formats import FIELDS, FORMATS, Choice, fields_of, read_options, told_formats
from c3drender.studio.timing import timing_of

EXAMPLE = Path(c3d.__file__).parent / "example" / "stream_cascade.jpg"
WIDTH, HEIGHT, FRAMES = 96, 64, 8
PAINTED = [
    {"do": "stroke", "region": "found", "points": [(30, 40), (60, 50)], "radius_px": 12},
    {"do": "arrow", "arrow": "a", "start": (30, 34), "end": (60, 46)},
    {"do": "settings", "frames": FRAMES},
]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = io.BytesIO()
    PIL.Image.open(EXAMPLE).resize((WIDTH, HEIGHT)).save(file, "PNG")
    folder = project.create(tmp_path / "projects", "stream.png", file.getvalue())
    project.save(folder, project.load(folder).done(of.read_step(PAINTED)))
    return folder


def exported(made: Path, out: Path, kind: str, told: list[Any] | None = None, **options: Any) -> Path:
    out.mkdir(exist_ok=True)
    target = out / f"out{FORMATS[kind].suffix}"
    tell = lambda *progress: told is not None and told.append(progress)  # noqa: E731
    return export(made, project.load(made), kind, None, read_options(kind, options), target, tell)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_exported(made: Path, tmp_path: Path, kind: str) -> None:
    told: list[tuple[str, int, int]] = []
    out = exported(made, tmp_path / "out", kind, told)
    assert out.name == f"out{FORMATS[kind].suffix}" and out.stat().st_size > 100
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    if FORMATS[kind].of_frames:
        assert [step for step in told if step[0] == "frames"][-1] == ("frames", FRAMES, FRAMES)


def size_of(video: Path) -> tuple[int, int, str, int]:
    with av.open(str(video)) as file:
        stream = file.streams.video[0]
        return stream.width, stream.height, stream.codec_context.name, sum(1 for _ in file.decode(stream))


@pytest.mark.parametrize(
    ("kind", "options", "size", "codec", "frames"),
    [
        ("mp4", {"codec": "hevc", "crf": 30, "loops": 2}, (96, 64), "hevc", 2 * FRAMES),
        ("mp4", {"stereo": "sbs", "eyes": 3.0}, (192, 64), "h264", FRAMES),
        ("mov", {"stereo": "half-sbs"}, (96, 64), "prores", FRAMES),
        ("webm", {"stereo": "tb"}, (96, 128), "vp9", FRAMES),
        ("mkv", {"stereo": "anaglyph", "bits": "10"}, (96, 64), "h264", FRAMES),
        ("mp4", {"aspect": "1:1", "follow": "true"}, (64, 64), "h264", FRAMES),
        ("mp4", {"f_number": "8", "shutter": "180", "vignette": 0.5, "grain": 0.2}, (96, 64), "h264", FRAMES),
        ("gif", {"max_mb": 0.1}, None, "gif", FRAMES),
    ],
)
def test_what_was_asked_for_is_in_the_file(
    made: Path, tmp_path: Path, kind: str, options: dict[str, Any], size: tuple[int, int] | None, codec: str, frames: int
) -> None:
    out = exported(made, tmp_path / "out", kind, **options)
    width, height, found, count = size_of(out)
    assert (found, count) == (codec, frames) and size in (None, (width, height))
    if "max_mb" in options:
        assert out.stat().st_size <= 2**20 * options["max_mb"]


def test_another_rate_shows_the_same_seconds(made: Path, tmp_path: Path) -> None:
    """As the command line does by all that changes with it."""
    out = exported(made, tmp_path / "out", "webp", fps=50)
    half = ["--fps", "50", "--frames", str(2 * FRAMES), "--speed", "0.5"]
    assert main(["render", str(made), "-o", str(tmp_path / "cli.webp"), "--quiet", *half]) == 0
    assert (tmp_path / "cli.webp").read_bytes() == out.read_bytes()
    plain, smooth = (timing_of(of.Settings(speed=2), fps) for fps in (None, 50))
    assert (plain.loop, plain.total, smooth.loop, smooth.total) == (60, 120, 120, 240)  # of the camera's own round, too
    assert smooth.total / smooth.fps == plain.total / plain.fps and smooth.speed == 1
    told = cost_of(project.load(made), "mp4", None, {"fps": 50})
    assert (told.frames, told.plays_s) == (2 * FRAMES, FRAMES / 25)


def test_sound_goes_into_the_file(made: Path, tmp_path: Path) -> None:
    sent = project.work_folder(made) / "sent-0123456789abcdef"
    with wave.open(str(sent), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.sin(np.arange(1600)).astype(np.float32).view(np.int16).tobytes())
    for kind, codec in (("mp4", "aac"), ("webm", "opus")):
        with av.open(str(exported(made, tmp_path / kind, kind, audio=sent.name))) as box:
            assert [stream.codec_context.name.removeprefix("lib") for stream in box.streams.audio] == [codec]
            assert len(box.streams.video) == 1
    sent.unlink()
    with pytest.raises(ValueError, match=r"^audio: expected a file that was sent"):
        exported(made, tmp_path / "out", "mp4", audio=sent.name)


def test_a_quilt_has_the_name_that_players_know(made: Path, tmp_path: Path) -> None:
    out = exported(made, tmp_path / "out", "png", quilt="5x9")
    assert out.name == "out_qs5x9a0.75.png" and out.is_file()


def test_meshes_move(made: Path, tmp_path: Path) -> None:
    still = exported(made, tmp_path / "still", "glb").stat().st_size
    assert exported(made, tmp_path / "moves", "glb", motion="animated").stat().st_size > still
    sequence = exported(made, tmp_path / "frames", "spz", motion="sequence")
    assert sorted(zipfile.ZipFile(sequence).namelist()) == [f"frame_{n:04d}.spz" for n in range(FRAMES)]


def test_the_command_line_writes_the_same_bits(made: Path, tmp_path: Path) -> None:
    """Also where both eyes see more than the camera's path does: the project's own scene has not that. (No mp4: x264 does not
    write the same bytes each time.)"""
    out = exported(made, tmp_path / "out", "webp", stereo="tb", eyes=3)
    words = ["render", str(made), "-o", str(tmp_path / "cli.webp"), "--stereo", "tb", "--eyes", "3", "--quiet"]
    assert main(words) == 0
    assert (tmp_path / "cli.webp").read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("exe", {}, r"^kind: expected one of mp4"),
        ("gif", {"crf": 20}, r"^crf: expected one of fps, max_mb"),
        ("glb", {"codec": "av1"}, r"^codec: expected one of motion for glb"),
        ("mp4", {"crf": "best"}, r"^crf: expected a number in 0..63, got 'best'"),
        ("mp4", {"crf": float("nan")}, r"^crf: expected a number in 0..63, got nan"),
        ("mp4", {"codec": "vp9"}, r"^codec: expected one of hevc, av1, got 'vp9'"),
        ("webm", {"stereo": "vr180"}, r"^stereo: expected one of sbs"),
        ("ply", {"motion": "animated"}, r"^motion: expected one of sequence"),
        ("mp4", {"audio": "../secret"}, r"^audio: expected the name that a file got"),
        ("gif", {"audio": "sent-0123456789abcdef"}, r"^audio: expected one of fps"),
    ],
)
def test_what_a_format_does_not_take_is_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_options(kind, options)


def test_what_cannot_be_had_together_is_said_before_the_work(made: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    with pytest.raises(ValueError, match=r"^alpha: expected no stereo with it"):
        exported(made, tmp_path / "out", "webm", told, alpha="moving", stereo="sbs")
    assert told == []


def test_the_dialog_leaves_out_nothing_of_the_library() -> None:
    suffixes = {one.suffix for one in FORMATS.values()}
    assert suffixes >= {*CONTAINERS, ".gif", ".apng", ".webp", ".html", ".glb", ".ply", ".spz", ".ora", ".psd", ".npz"}
    assert set(FIELDS) - {"motion"} <= set(known())  # the options of `c3drender render`
    codecs = {codec for kind in CONTAINERS for codec in values_of(kind[1:], "codec")}
    assert {codec for container in CONTAINERS.values() for codec in container.codecs[1:]} == codecs - {""}
    assert [one["kind"] for one in told_formats()] == list(FORMATS)


def values_of(kind: str, name: str) -> list[str]:
    field = fields_of(kind)[name]
    assert isinstance(field, Choice)
    return list(field.values)


def test_an_estimate_counts_what_is_rendered(made: Path) -> None:
    document = project.load(made)
    plain = cost_of(document, "mp4", None, {})
    assert (plain.width, plain.height, plain.frames, plain.plays_s) == (WIDTH, HEIGHT, FRAMES, FRAMES / 25)
    assert cost_of(document, "mp4", None, {"stereo": "sbs"}).rendered == pytest.approx(2 * plain.rendered)
    square = cost_of(document, "mp4", None, {"aspect": "1:1"})
    assert (square.width, square.height) == (HEIGHT, HEIGHT)
    assert cost_of(document, "mp4", 192, {}).rendered == pytest.approx(4 * plain.rendered)
    assert cost_of(document, "mp4", None, {"f_number": "1.4"}).rendered == pytest.approx(64 * plain.rendered)
    assert cost_of(document, "glb", None, {}).rendered == 0
    paces = Paces()
    before = paces.seconds("mp4", plain)
    paces.learn("mp4", plain, 1000.0)
    assert paces.seconds("mp4", plain) > 1000 > before and paces.seconds("gif", plain) == pytest.approx(before)
