"""The command line, with a small stand-in for the pipeline where a command would render for long."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from c3drender import __version__, cli, commands, render_cinemagraph
from c3drender.data import Camera, DepthSpan, Flame, Fluid, Frame, Image, Layers, Lens, Ripple, Sway
from c3drender.files.photo import read_photo
from c3drender.files.scene import Scene
from c3drender.inspect import contact_sheet
from c3drender.pixels.sheet import TILE_WIDTH_PX

RENDER_PARAMETERS = signature(render_cinemagraph).parameters
COMMANDS = ("render", "batch", "serve", "demo", "inspect", "info", "bench")
H, W, MARGIN = 48, 64, 4


def scene_of(photo: Image) -> Scene:
    """Two layers: the photo continued into a margin, and a second behind its left half; its right third drifts."""
    height, width = (side + 2 * MARGIN for side in photo.size)
    rgb = torch.full((2, height, width, 3), 0.5)
    rgb[0, MARGIN:-MARGIN, MARGIN:-MARGIN] = photo.rgb
    seen = torch.zeros(2, height, width, dtype=torch.bool)
    seen[0, MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    alpha = torch.ones(2, height, width)
    alpha[1, :, width // 2 :] = 0
    moving = torch.zeros(2, height, width, dtype=torch.bool)
    moving[:, :, 2 * width // 3 :] = True
    step_px = torch.where(moving[..., None], torch.tensor([1.0, 0.5]), torch.zeros(2))
    z_cam = torch.linspace(4, 1, height)[:, None].expand(2, height, width).contiguous()
    layers = Layers.from_planes(rgb, alpha, z_cam, seen, step_px, moving, MARGIN)
    return Scene(Camera.for_photo(photo.size[1], photo.size[0]), layers, DepthSpan(1.0, 0.25, 0.5), ("depth: guessed",))


@pytest.fixture
def photo_path(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[0:H, 0:W]
    pixels = np.stack([4 * x, 5 * y, 255 - 2 * x - 2 * y], axis=2).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def calls(monkeypatch) -> SimpleNamespace:
    """Replace the pipeline; ``calls.render``, ``calls.prepare``, ``calls.frames`` are the arguments it got."""
    seen = SimpleNamespace(render=None, prepare=None, frames=None, raises=None)
    module = ModuleType("c3drender.pipeline")

    def render_cinemagraph(photo, out, **options):
        seen.render = (photo, out, options)
        if seen.raises is not None:
            raise seen.raises
        return out

    def prepare(photo, **options) -> Scene:
        seen.prepare = (photo, options)
        return scene_of(read_photo(photo, options.get("size")))

    def render_frames(scene: Scene, *, frames: int | None = None, **options) -> Iterator[Frame]:
        seen.frames = {"frames": frames} | options
        rgb = scene.layers.of_photo(scene.layers.rgb)
        for n in range(frames or commands.DEFAULT_FRAMES):
            rgb_u8 = (rgb.roll(n, 1) * 255).round().byte()
            yield Frame(rgb_u8, torch.zeros(rgb_u8.shape[:2], dtype=torch.bool))

    module.render_cinemagraph, module.prepare, module.render_frames = render_cinemagraph, prepare, render_frames
    monkeypatch.setitem(sys.modules, "c3drender.pipeline", module)
    return seen


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    example = text.split("example: c3drender ")[1]
    assert cli._parser().parse_args(example.split()).run is not None


def test_help_is_fast_because_it_imports_nothing_heavy():
    code = (
        "import sys, c3drender.cli as c; c._parser(); print('torch' in sys.modules, 'av' in sys.modules, 'cv2' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False"] * 3


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0 and capsys.readouterr().out == f"c3drender {__version__}\n"


def test_render_passes_every_option_on(calls, photo_path, capsys):
    argv = "render photo.png -o out.gif --mask m.png --hints h.json --flow f.flo --depth d.npy --camera swing --amplitude 0.5"
    argv += " --frames 30 --fps 12.5 --size 640x480 --speed 2 --blend linear --device cpu --quiet"
    argv += " --matte a.png --label water,sky --depth-kind metric --depth-near dark --color p3"
    argv += " --duration 12 --codec hevc --crf 20 --bitrate 8M --bits 10 --max-mb 8 --aspect 9:16 --stereo sbs --eyes 3"
    argv += " --follow --quilt 8x6 --alpha near --audio a.mp3 --poster p.jpg --depth-out d"
    argv += " --f-number 2.8 --lens-focus 30,40 --shutter 180 --vignette 0.5 --grain 0.2 --ssaa 2 --samples 24"
    argv += " --ease 0.5 --focus 100,200 --model m.pth --inpainter lama.pt --trust --segments s.npz --motion-model run"
    assert cli.main(argv.split()) == 0
    expected = {"mask": "m.png", "hints": "h.json", "flow": "f.flo", "depth": "d.npy", "camera": "swing", "amplitude": 0.5}
    expected |= {"frames": 30, "fps": 12.5, "size": (640, 480), "speed": 2.0, "blend": "linear"}
    expected |= {"device": "cpu", "progress": False, "motion": None}
    expected |= {"loops": None, "duration": 12.0, "codec": "hevc", "crf": 20, "bitrate": 8_000_000, "bits": 10, "max_mb": 8.0}
    expected |= {"aspect": "9:16", "follow": True, "stereo": "sbs", "eyes": 3.0, "quilt": "8x6", "alpha": "near"}
    expected |= {"audio": "a.mp3", "poster": "p.jpg", "depth_out": "d"}
    expected |= {"lens": Lens(2.8, (30.0, 40.0), 180.0, 0.5, 0.2, 2, 24)}
    expected |= {"matte": "a.png", "label": ["water", "sky"], "depth_kind": "metric", "depth_near": "dark", "color": "p3"}
    expected |= {"ease": 0.5, "focus": (100.0, 200.0), "model": "m.pth", "inpainter": "lama.pt", "segments": "s.npz"}
    expected |= {"trust": True, "motion_model": "run"}
    assert calls.render == ("photo.png", "out.gif", expected)
    assert capsys.readouterr().out == ""


def test_what_sways_flickers_and_ripples_goes_into_one_list(calls, photo_path):
    argv = "render photo.png --mask m.png --sway s.png --sway-hints h.json --sway-root top --flame f.png --ripple r.png"
    argv += " --amplitude 1,0.5,2"
    assert cli.main(argv.split()) == 0
    options = calls.render[2]
    assert told(options["motion"]) == told(
        [Fluid(mask="m.png"), Sway("s.png", "h.json", "top"), Flame("f.png"), Ripple("r.png")]
    )
    assert options["mask"] is None and options["amplitude"] == (1.0, 0.5, 2.0)
    assert cli.main(["render", "photo.png", "--sway", "s.png"]) == 0
    assert told(calls.render[2]["motion"]) == told([Fluid(), Sway("s.png")])  # what flows is still found


def told(parts: list[Fluid | Sway | Flame | Ripple]) -> list[tuple[type, dict[str, object]]]:
    return [(type(part), vars(part)) for part in parts]


def test_render_has_the_defaults_of_the_function(calls, photo_path, capsys):
    assert cli.main(["render", "photo.png"]) == 0
    photo, out, options = calls.render
    assert (photo, out) == ("photo.png", "photo.mp4")
    assert options == {name: p.default for name, p in RENDER_PARAMETERS.items() if p.default is not p.empty}
    assert "photo.mp4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("frames: expected\n at least 1, got 0"), 2, "c3drender: error: frames: expected at least 1, got 0"),
        (TypeError("photo: expected a path"), 2, "c3drender: error: photo: expected a path"),
        (FileNotFoundError("photo: cannot read x.jpg"), 2, "c3drender: error: photo: cannot read x.jpg"),
        (KeyboardInterrupt(), 130, "c3drender: interrupted"),
    ],
)
def test_errors_are_one_line_and_a_status(calls, photo_path, capsys, error, status, line):
    calls.raises = error
    assert cli.main(["render", "photo.png"]) == status
    assert capsys.readouterr().err == line + "\n"


PACKAGE = Path(cli.__file__).parent


def test_sigterm_leaves_no_part_file(photo_path, tmp_path):
    command = [
        sys.executable,
        "-m",
        "c3drender",
        "render",
        str(photo_path),
        "-o",
        str(tmp_path / "out.mp4"),
        "--frames",
        "5000",
    ]
    with subprocess.Popen(
        [*command, "--depth", "builtin", "--device", "cpu", "--quiet"], stderr=subprocess.PIPE, cwd=PACKAGE.parent
    ) as run:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".out.*")):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        run.terminate()
        assert run.wait(60) == 143
        assert run.stderr.read() == b""
    assert [path.name for path in tmp_path.iterdir()] == [photo_path.name]


def test_debugging_shows_the_traceback_before_the_line(calls, photo_path, capsys, monkeypatch):
    calls.raises = TypeError("photo: expected a path")
    monkeypatch.setenv("C3D_DEBUG", "1")
    assert cli.main(["render", "photo.png"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last)") and "raise seen.raises" in printed
    assert printed.splitlines()[-1] == "c3drender: error: photo: expected a path"
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "C3D_DEBUG=1" in capsys.readouterr().out


def test_defects_keep_their_traceback(calls, photo_path):
    calls.raises = AssertionError("a defect")
    with pytest.raises(AssertionError, match="a defect"):
        cli.main(["render", "photo.png"])


def test_inspect_writes_a_sheet(calls, photo_path, tmp_path, capsys):
    assert cli.main(["inspect", "photo.png", "-o", "sheet.png", "--frames", "8", "--camera", "zoom"]) == 0
    asked = {"frames": 8, "camera": "zoom", "amplitude": None, "ease": 0.0, "speed": 1.0, "blend": "phase", "model": None}
    assert calls.frames == asked
    height, width = read_photo(tmp_path / "sheet.png").size
    assert width > 4 * TILE_WIDTH_PX and height > 3 * TILE_WIDTH_PX * H // W
    assert cli.main(["inspect", "photo.png", "--frames", "2", "--quiet"]) == 0
    assert (tmp_path / "photo_sheet.png").is_file()


def test_demo_writes_a_video_and_a_sheet(calls, photo_path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands, "EXAMPLE_FILES", ("photo.png", "mask.png", "hints.json"))
    monkeypatch.setattr(commands, "EXAMPLE_FOLDER", tmp_path)
    assert cli.main(["demo", "-o", "made.mp4"]) == 0
    assert (tmp_path / "made.mp4").is_file() and (tmp_path / "made_sheet.png").is_file()
    assert calls.prepare[1]["mask"] == tmp_path / "mask.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.mp4", "made_sheet.png", "photo.png"]


def test_info_names_what_is_there(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    assert torch.__version__ in text and "extension" in text and ".mp4" in text


@pytest.mark.parametrize("size", [(20, 30), (200, 20), (20, 300), (333, 517)])
def test_sheet_of_any_size_and_of_a_still_scene(size):
    photo = Image(torch.rand(*size, 3, generator=torch.Generator().manual_seed(0)))
    moving = scene_of(photo)
    still_layers = replace(moving.layers, moving=torch.zeros_like(moving.layers.moving))
    for scene in (moving, Scene(**(vars(moving) | {"layers": still_layers}))):
        sheet = contact_sheet(photo, scene, {}, 60)
        assert sheet.dtype == np.uint8 and sheet.shape[1] > 4 * TILE_WIDTH_PX
