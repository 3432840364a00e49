"""What a program in C++ gets: scenes that play there with the bits of `render_frames`, and headers that say what is built."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from fuzz_scene import fuzz
from safetensors import safe_open
from safetensors.numpy import load_file
from test_scene_file import SCENE
from twins import CSRC, ROOT, build_program

import c3drender
from c3drender import Flame, Ripple, Scene, Sway, cli, export_play, render_frames
from c3drender.data import CameraKeys, CameraPath

SIDE_PX = 96


@pytest.fixture(scope="module")
def player() -> Path:
    return build_program(CSRC / "examples" / "play.cpp", ["-DNDEBUG"])


def played(player: Path, file: Path, camera: str, folder: Path) -> list[np.ndarray]:
    folder.mkdir()
    done = subprocess.run([player, file, folder, camera], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [np.array(PIL.Image.open(path)) for path in sorted(folder.iterdir())]


def assert_plays(player: Path, folder: Path, scene: Scene, cameras: Sequence[Any] = ("circle",), **motion: Any) -> int:
    """By every camera in C++ what `render_frames` draws, bit for bit. Returns how many pixels no point covered."""
    file = export_play(scene, folder / "scene.c3dplay", camera=cameras, **motion)
    num_uncovered = 0
    for n, camera in enumerate(cameras):
        frames = list(render_frames(scene, camera=camera, **motion))
        name = camera if isinstance(camera, str) else camera.name if isinstance(camera, CameraPath) else "key frames"
        pictures = played(player, file, name, folder / f"frames {n}")
        assert len(pictures) == len(frames)
        for frame, picture in zip(frames, pictures, strict=True):
            assert np.array_equal(frame.rgb_u8.numpy(), picture)
            num_uncovered += int(frame.uncovered.sum())
    return num_uncovered


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Stripes of water between two banks, in colours."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    waves = 0.5 + 0.3 * np.sin(0.9 * x + 0.2 * y) * np.sin(0.7 * y)
    rgb = np.stack([waves, 0.8 * waves + 0.1, 0.2 + 0.5 * y / SIDE_PX], axis=-1)
    rgb[(x + y // 4) % 60 < 15] = (0.3, 0.5, 0.2)
    return (255 * rgb).astype(np.uint8)


def mask_of(first: int, end: int) -> np.ndarray:
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    mask[first:end, 20:76] = 255
    return mask


def prepared(photo: np.ndarray, **motion: Any) -> Scene:
    return c3drender.prepare(photo, depth="builtin", segments="none", **motion)


@pytest.fixture(scope="module")
def water(photo: np.ndarray) -> Scene:
    return prepared(photo, mask=mask_of(40, 90), hints=[((48, 50), (40, 85))])


@pytest.mark.parametrize("blend", ["phase", "contrast", "linear"])
def test_water_plays(player: Path, water: Scene, tmp_path: Path, blend: str) -> None:
    assert_plays(player, tmp_path, water, ("circle", "dolly-zoom"), frames=9, blend=blend)


def test_what_sways_flickers_and_ripples_plays(player: Path, photo: np.ndarray, tmp_path: Path) -> None:
    arrow = [((30, 20), (34, 20))]
    scene = prepared(photo, motion=[Sway(mask_of(8, 30), hints=arrow), Flame(mask_of(34, 50)), Ripple(mask_of(54, 90))])
    assert scene.harmonics is not None and len(scene.harmonics.sine_px) == 5
    assert_plays(player, tmp_path, scene, ("swing", "still"), frames=6)


def test_what_stands_still_plays(player: Path, water: Scene, tmp_path: Path) -> None:
    assert_plays(player, tmp_path, water, ("orbit",), frames=3, speed=0.0)


def test_a_loop_of_one_frame_and_of_many(player: Path, tmp_path: Path) -> None:
    for frames in (1, 130):  # beyond 60 frames ways are kept for every second or third
        folder = tmp_path / str(frames)
        folder.mkdir()
        assert_plays(player, folder, SCENE, ("rise",), frames=frames)


def test_the_camera_goes_round_once_in_two_loops(player: Path, tmp_path: Path) -> None:
    assert_plays(player, tmp_path, SCENE, ("swing",))


def test_key_frames_and_views_of_what_nothing_covers(player: Path, tmp_path: Path) -> None:
    poses = torch.eye(3, 4).repeat(4, 1, 1)
    poses[:, 0, 3] = torch.linspace(-0.6, 0.6, 4)
    keys = CameraKeys((0.0, 0.5), ((0.0, 0.0, 0.0), (1.0, 0.0, 0.5)), (1.0, 1.3))
    assert assert_plays(player, tmp_path, SCENE, (CameraPath(poses, "far off"), keys), frames=4) > 0


def test_a_file_does_not_hang_on_what_was_rendered_before(tmp_path: Path) -> None:
    """`export_play` draws some frames itself, to measure contrast; so may who had the scene before."""
    first = load_file(export_play(SCENE, tmp_path / "first.c3dplay", frames=4))
    list(render_frames(SCENE, frames=4))
    again = load_file(export_play(SCENE, tmp_path / "again.c3dplay", frames=4))
    assert first.keys() == again.keys() and all(np.array_equal(first[name], again[name]) for name in first)


def test_the_format_is_the_documented_one(tmp_path: Path) -> None:
    documented = set(re.findall(r"^\| `([\w.<>]+)` \|", (ROOT / "docs" / "scene-format.md").read_text(), re.MULTILINE))
    with safe_open(export_play(SCENE, tmp_path / "scene.c3dplay", frames=2), "np") as file:
        written = {re.sub(r"^path\.\d+", "path.<k>", name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        assert file.metadata() == {"format": "c3drender play", "version": "1"}
    assert written == documented


def test_the_command_line_exports_the_same(tmp_path: Path) -> None:
    SCENE.save(tmp_path / "scene.c3d")
    options = ["--frames", "3", "--camera", "swing", "--fps", "12", "--quiet"]
    assert cli.main(["export", str(tmp_path / "scene.c3d"), "-o", str(tmp_path / "said.c3dplay"), *options]) == 0
    said = load_file(tmp_path / "said.c3dplay")
    expected = load_file(export_play(SCENE, tmp_path / "expected.c3dplay", frames=3, camera="swing", fps=12))
    assert said.keys() == expected.keys() and all(np.array_equal(said[name], expected[name]) for name in said)


def test_bad_arguments_are_told(tmp_path: Path) -> None:
    out = tmp_path / "scene.c3dplay"
    for error, message, arguments in (
        (TypeError, "scene: expected a Scene", {"scene": "scene.c3d"}),
        (ValueError, "out: expected the suffix .c3dplay", {"out": tmp_path / "scene.c3d"}),
        (ValueError, "fps: expected a finite number > 0", {"fps": 0}),
        (TypeError, "camera: expected a camera or a list", {"camera": []}),
        (ValueError, "camera: expected one of", {"camera": ["circle", "spiral"]}),
        (ValueError, "camera: expected paths of different names", {"camera": ["circle", "circle"]}),
        (ValueError, "frames: ", {"frames": 0}),
        (ValueError, "blend: ", {"blend": "none"}),
    ):
        with pytest.raises(error, match=f"^{message}"):
            export_play(**({"scene": SCENE, "out": out, "frames": 2} | arguments))
    assert not out.exists()


def test_damaged_scenes_are_refused_or_rendered() -> None:
    answers, found = fuzz(num_files=300, seed=0)
    assert not found and answers["refused"] > 100 and answers["ok"] > 30


def test_the_c_header_is_made_from_the_cpp_one() -> None:
    done = subprocess.run([sys.executable, CSRC / "c" / "make_header.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_headers_name_this_version() -> None:
    header = (CSRC / "include" / "c3d" / "version.h").read_text()
    macros = dict(re.findall(r"#define C3D_VERSION(?:_(\w+))? (\S+)", header))
    assert macros[""] == f'"{c3drender.__version__}"'
    assert ".".join(macros[part] for part in ("MAJOR", "MINOR", "PATCH")) == c3drender.__version__


def test_the_example_calls_every_op() -> None:
    api = (CSRC / "include" / "c3d" / "api.h").read_text()
    forward = set(re.findall(r"^C3D_API Status (\w+)\(const \w+& args", api, re.MULTILINE))
    ops = {op for op in forward if not op.endswith("_bwd")}
    example = (CSRC / "examples" / "embed.cpp").read_text()
    table = re.findall(r"^\| `(\w+)` \| `ops\.(\w+)` \|", (ROOT / "docs" / "embedding.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"c3d::cpu::(\w+)\(", example)) == ops == {op for op, _ in table} == {op for _, op in table}
