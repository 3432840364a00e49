"""Foreign surroundings: another default type, autocast, consoles that show little or are not there, one frame, odd rates."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

import c3drender as c3d
from c3drender import cli
from c3drender.data import Camera
from c3drender.files.video import write_video

H, W = 36, 48
ROOT = Path(cli.__file__).parents[1]


def photo() -> np.ndarray:
    y, x = np.mgrid[0:H, 0:W]
    waves = 20 * np.sin(x / 2 + y) * (y >= 20)
    return (np.where((y >= 20)[..., None], (60, 90, 120), (170, 190, 220)) + waves[..., None]).clip(0, 255).astype(np.uint8)


MASK = np.zeros((H, W), bool)
MASK[20:] = True


def rendered(frames: int = 3) -> list[torch.Tensor]:
    scene = c3d.prepare(photo(), mask=MASK, hints=[((20, 30), (30, 31))], depth="builtin", camera="circle")
    return [frame.rgb_u8 for frame in c3d.render_frames(scene, camera="circle", frames=frames)]


@contextlib.contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


FOREIGN = {
    "float64": default_dtype,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "inference": torch.inference_mode,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_the_same_frames_in_foreign_surroundings(kind: str) -> None:
    plain = rendered()
    with FOREIGN[kind]():
        foreign = rendered()
    assert all(torch.equal(a, b) for a, b in zip(plain, foreign, strict=True))


def test_ops_with_another_default_type() -> None:
    generator = torch.Generator().manual_seed(0)
    xyz = torch.rand(100, 3, generator=generator) + torch.tensor([0.0, 0.0, 1.0])
    feat = torch.rand(100, 4, generator=generator)
    camera = Camera(64.0, 64.0, 32.0, 24.0, 64, 48)
    plain = c3d.ops.splat_points(xyz, feat, 0.05, camera).feat
    with default_dtype():
        assert torch.equal(c3d.ops.splat_points(xyz, feat, 0.05, camera).feat, plain)
        posed = camera.with_pose(torch.eye(3, 4, dtype=torch.float32))
        assert torch.equal(c3d.ops.splat_points(xyz, feat, 0.05, posed).feat, plain)


@pytest.mark.parametrize("mask", [MASK, np.zeros_like(MASK)])
def test_one_frame_is_the_photo(mask: np.ndarray) -> None:
    scene = c3d.prepare(photo(), mask=mask, depth="builtin", camera="still")
    (frame,) = c3d.render_frames(scene, camera="still", frames=1)
    assert np.abs(frame.rgb_u8.numpy().astype(int) - photo())[2:-2, 2:-2].mean() < 1


def test_a_mask_moves_what_it_marks_whatever_it_shows() -> None:
    """A red box before a wall, which no one takes for a fluid."""
    y, x = np.mgrid[0:120, 0:160]
    box = (np.abs(x - 80) < 20) & (np.abs(y - 65) < 25)
    waves = (30 * np.sin(x / 5) + 30 * np.sin(y / 7))[..., None]
    pixels = (np.where(box[..., None], (190, 60, 60), (60, 110, 150)) + waves).clip(0, 255).astype(np.uint8)
    scene = c3d.prepare(pixels, mask=box, hints=[((80, 60), (90, 60))], camera="still")
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    assert moving[box].mean() > 0.9 and moving[~box].mean() < 0.01


@pytest.mark.parametrize("fps", [0.01, 0.3, 1, 23.976, np.float32(59.94), np.int64(240)])
def test_rates_of_any_size(fps: float, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [photo()] * 3, fps)
    with av.open(str(path)) as box:
        assert float(box.streams.video[0].average_rate) == pytest.approx(float(fps), rel=1e-3)


def test_no_console_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    out = c3d.render_cinemagraph(photo(), tmp_path / "o.gif", mask=MASK, depth="builtin", frames=2)
    assert out.stat().st_size > 0


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_console_that_went_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", Closed())
    cv2.imwrite(str(tmp_path / "photo.png"), photo())
    argv = ["render", str(tmp_path / "photo.png"), "-o", str(tmp_path / "o.gif"), "--depth", "builtin", "--frames", "2"]
    assert cli.main(argv) == 0
    assert cli.main([*argv[:-1], "0"]) == 2


@pytest.mark.parametrize("name", ["海.gif", "Sunset: take 2.gif", "2026-11-28T12:30:00.gif", 'it\'s "so".gif', "%d %04d.gif"])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_name_that_the_console_cannot_show(
    name: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    cv2.imwrite("photo.png", photo())
    assert cli.main(["render", "photo.png", "-o", name, "--depth", "builtin", "--frames", "2"]) == 0
    shown = streams[0].buffer.getvalue().decode(encoding)
    assert "wrote " + name.encode(encoding, "backslashreplace").decode(encoding) in shown
    assert Path(name).stat().st_size > 0


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".apng", ".webp", ""])
def test_a_name_with_a_colon_is_no_address(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = write_video(f"12:30:00{suffix}", [photo()] * 2)
    assert out.exists() and [path.name for path in tmp_path.iterdir()] == [f"12:30:00{suffix}"]


@pytest.mark.parametrize("stem", ["n" * 240, "海" * 80])
@pytest.mark.parametrize("suffix", [".mp4", ".gif", ""])
def test_a_name_as_long_as_names_can_be(stem: str, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"{stem}{suffix}"
    for _ in range(2):  # the second replaces the first
        assert write_video(out, [photo()] * 2) == out
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_warnings_are_shown_even_when_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", photo())
    cv2.imwrite("mask.png", np.zeros((H, W), np.uint8))
    argv = "render photo.png --mask mask.png --depth builtin --frames 2 --quiet -o o.gif"
    assert cli.main(argv.split()) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == "c3drender: warning: mask: marks nothing, so that nothing in it moves\n"


@pytest.mark.parametrize(("option", "environment"), [(["--debug"], {}), ([], {"C3D_DEBUG": "1"})])
def test_debug_shows_the_traceback(option: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "c3drender", "render", str(tmp_path / "none.jpg"), *option]
    environment = os.environ | environment
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert run.returncode == 2 and "\nTraceback" in run.stderr.replace("\r", "\n")
    assert run.stderr.splitlines()[-1].startswith("c3drender: error: photo: cannot read")


@pytest.mark.parametrize("environment", [{}, {"C3D_DEBUG": "0"}, {"C3D_DEBUG": ""}])
def test_no_traceback_unasked(environment: dict[str, str], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("C3D_DEBUG", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["render", str(tmp_path / "none.jpg")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_page_of_a_name_that_the_locale_cannot_tell(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "海.png"), photo())
    argv = ["export", "海.png", "-o", "海.html", "--depth", "builtin", "--frames", "2", "--quiet"]
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-m", "c3drender", *argv], cwd=tmp_path, env=os.environ | bare, check=False)
    assert run.returncode == 0 and "<title>海</title>" in (tmp_path / "海.html").read_text("utf-8")


@pytest.mark.parametrize(("suffix", "shown"), [(".mp4", "<video src="), (".gif", "<img src="), ("", "<img src=")])
def test_a_notebook_shows_what_was_rendered(suffix: str, shown: str, tmp_path: Path) -> None:
    out = tmp_path / f"o{suffix}"
    result = c3d.render_cinemagraph(photo(), out, mask=MASK, depth="builtin", frames=2, progress=False)
    assert result == out and out == result and {out: 1}[result] == 1 and isinstance(result, Path)
    seen = result._repr_html_()
    file = out / "frame_0000.png" if suffix == "" else out
    assert seen.startswith(shown) and base64.b64encode(file.read_bytes()).decode() in seen
    for written in out.iterdir() if suffix == "" else [out]:
        written.unlink()
    assert result._repr_html_() == f"<code>{out}</code>"


def test_a_notebook_shows_a_scene_and_a_page(tmp_path: Path) -> None:
    scene = c3d.prepare(photo(), mask=MASK, depth="builtin", camera="still")
    assert scene._repr_html_().startswith("<img src=") and f"<div>{scene.notes[0]}</div>" in scene._repr_html_()
    assert "c3d-cinemagraph" in c3d.export_html(scene, tmp_path / "p.html", frames=2)._repr_html_()
