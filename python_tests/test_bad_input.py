"""Bad input, from Python and the command line: one clear line that names the argument, and nothing half-written is left."""

from __future__ import annotations

import base64
import itertools
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import torch

import c3drender
from c3drender import cli, render_frames
from c3drender.data import Camera, DepthSpan, Layers, Ripple, Sway
from c3drender.files.depth import read_depth
from c3drender.files.flow import read_flow
from c3drender.files.hints import read_hints
from c3drender.files.masks import read_mask
from c3drender.files.photo import check_picture_output, read_photo, write_picture
from c3drender.files.scene import Scene, load_scene, save_scene
from c3drender.files.video import write_video
from c3drender.pipeline import inputs

H, W = 48, 64
FRAMES = [np.zeros((H, W, 3), np.uint8)] * 2
FULL_DEVICE = Path("/dev/full")


@dataclass(frozen=True)
class Bad:
    """A call that must fail. ``render``: arguments of `render_cinemagraph`, tried from the command line too; or ``call``."""

    id: str
    error: type[Exception]
    words: str
    render: dict[str, Any] = field(default_factory=dict)
    call: Callable[[], object] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        return {"photo": "photo.png", "out": "out.mp4"} | self.render

    def run(self) -> object:
        return self.call() if self.call else c3drender.render_cinemagraph(**self.arguments, progress=False)

    def argv(self) -> list[str]:
        arguments = self.arguments
        options = [[f"--{name.replace('_', '-')}", _text(value)] for name, value in arguments.items() if name != "photo"]
        return ["render", arguments["photo"], *itertools.chain(*options), "--quiet"]


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _scene() -> Scene:
    lhw = (1, H, W)
    still = torch.zeros(lhw, dtype=torch.bool)
    layers = Layers.from_planes(torch.zeros(*lhw, 3), torch.ones(lhw), torch.ones(lhw), ~still, torch.zeros(*lhw, 2), still, 0)
    return Scene(Camera.for_photo(W, H), layers, DepthSpan(1.0, 0.5, 0.7))


def _prepare(part: Sway | Ripple) -> None:
    c3drender.prepare("photo.png", motion=[part])


def _write_a_pixel() -> None:
    write_video("out.mp4", [np.zeros((1, 1, 3), np.uint8)] * 2)


BAD = [
    # The photo
    Bad("photo missing", FileNotFoundError, "photo: cannot read none.jpg: No such file", {"photo": "none.jpg"}),
    Bad("photo a folder", ValueError, "photo: expected one photo, got the folder folder; c3d", {"photo": "folder"}),
    Bad("photo truncated jpg", ValueError, "photo: expected a complete picture in cut.jpg", {"photo": "cut.jpg"}),
    Bad("photo truncated png", ValueError, "photo: expected a complete picture in cut.png", {"photo": "cut.png"}),
    Bad("photo truncated 16 bit", ValueError, "photo: expected a complete picture in cut16.png", {"photo": "cut16.png"}),
    Bad(
        "photo no image", ValueError, "photo: expected a picture, got a file of another kind: text.jpg", {"photo": "text.jpg"}
    ),
    Bad("photo empty", ValueError, "photo: expected a picture, got a file of another kind: empty.jpg", {"photo": "empty.jpg"}),
    Bad("photo tiny", ValueError, "photo: expected at least 16 x 16 px, got 8 x 40", {"photo": "tiny.png"}),
    Bad("photo number", TypeError, "photo: expected a path, a PIL image, a NumPy array", call=lambda: read_photo(3)),
    Bad("photo planar", ValueError, r"photo: expected \[H, W\]", call=lambda: read_photo(torch.rand(3, H, W))),
    Bad(
        "photo integers",
        TypeError,
        "photo: expected uint8, uint16 or float, got int64",
        call=lambda: read_photo(np.eye(H, dtype=int)),
    ),
    Bad("photo 0..255 floats", ValueError, "photo: expected floats in 0..1", call=lambda: read_photo(np.full((H, W), 255.0))),
    Bad("photo NaN", ValueError, "photo: expected finite numbers", call=lambda: read_photo(np.full((H, W), np.nan))),
    # Sizes
    Bad("size zero", ValueError, "size: expected the longer side", {"size": 0}),
    Bad("size negative", ValueError, "size: expected the longer side", {"size": -640}),
    Bad("size too small", ValueError, "size: 16 makes the photo 16 x 12", {"size": 16}),
    Bad("size stretched", ValueError, "size: expected the proportions of the photo, 64 x 48, got 64 x 64", {"size": (64, 64)}),
    Bad("size of three", ValueError, "size: expected the longer side", {"size": (64, 48, 3)}),
    Bad("size text", TypeError, "size: expected the longer side", call=lambda: read_photo(np.zeros((H, W)), "big")),
    Bad("size fraction", TypeError, "size: expected the longer side", call=lambda: read_photo(np.zeros((H, W)), 640.5)),
    # Masks
    Bad("mask missing", FileNotFoundError, "mask: cannot read none.png", {"mask": "none.png"}),
    Bad(
        "mask size",
        ValueError,
        "mask: expected 64 x 48 px, the photo's size, or its proportions, got 10 x 20",
        {"mask": "other.png"},
    ),
    Bad("mask no image", ValueError, "mask: expected a picture", {"mask": "text.jpg"}),
    Bad("mask NaN", ValueError, "mask: expected finite numbers", call=lambda: read_mask(np.full((H, W), np.nan), H, W)),
    Bad("mask text", TypeError, "mask: expected uint8", call=lambda: read_mask(np.full((H, W), "x"), H, W)),
    # Depth
    Bad("depth missing", FileNotFoundError, "depth: cannot read none.npy", {"depth": "none.npy"}),
    Bad(
        "depth size",
        ValueError,
        "depth: expected 64 x 48 px, the photo's size, or its proportions, got 10 x 20",
        {"depth": "other.png"},
    ),
    Bad("depth NaN", ValueError, "depth: expected a metric depth > 0 somewhere, got none", {"depth": "nan.npy"}),
    Bad("depth infinite pfm", ValueError, "depth: expected a metric depth > 0 somewhere, got none", {"depth": "inf.pfm"}),
    Bad("depth kind", ValueError, "depth_kind: expected one of auto, disparity, metric", {"depth_kind": "metres"}),
    Bad("depth near", ValueError, "depth_near: expected one of auto, bright, dark", {"depth_near": "white"}),
    Bad(
        "depth bright metres",
        ValueError,
        "depth_near: expected dark or auto for metric depth",
        {"depth_kind": "metric", "depth_near": "bright"},
    ),
    Bad(
        "depth not in the photo",
        ValueError,
        "depth: expected a photo that holds its depth .* none in photo.png",
        {"depth": "photo"},
    ),
    Bad(
        "depth a folder",
        ValueError,
        "depth: expected a file, or a model's folder .* got the folder folder",
        {"depth": "folder"},
    ),
    Bad("depth a bomb", ValueError, "depth: expected at most 268 Mpx, got 100000 x 100000", {"depth": "bomb.png"}),
    Bad(
        "depth a picture named pfm",
        ValueError,
        "depth: expected a picture in bomb.pfm, got something else",
        {"depth": "bomb.pfm"},
    ),
    Bad("depth a false header", ValueError, "depth: expected a NumPy array in huge.npy, got a header", {"depth": "huge.npy"}),
    Bad("depth a zip bomb", ValueError, "depth: expected at most 1024 MiB in bomb.npz, got more", {"depth": "bomb.npz"}),
    Bad(
        "depth two arrays",
        ValueError,
        "depth: expected one array, or one of the name depth, in two.npz, got a, b",
        {"depth": "two.npz"},
    ),
    Bad(
        "depth near a model",
        ValueError,
        "depth: .* did you mean 'depth-anything-v2-small'",
        {"depth": "depth-anythin-v2-small"},
    ),
    Bad("depth a model's case", ValueError, "depth: .* did you mean 'Intel/dpt-large'", {"depth": "intel/DPT-large"}),
    Bad(
        "segments near a model", ValueError, "segments: .* did you mean 'eomt-large-ade20k'", {"segments": "eomt-large-ade20"}
    ),
    Bad("segments of another kind", ValueError, "segments: expected a .png with its .json", {"segments": "plain"}),
    Bad("inpainter near a model", ValueError, "inpainter: .* did you mean 'big-lama'", {"inpainter": "big-llama"}),
    Bad("depth zero", ValueError, "depth: expected a disparity above zero somewhere", {"depth": "zero.png"}),
    Bad("depth colour", ValueError, "depth: expected a grey picture", {"depth": "colour.png"}),
    Bad("depth pickled", ValueError, "depth: expected a NumPy array in pickled.npy", {"depth": "pickled.npy"}),
    Bad("depth truncated npy", ValueError, "depth: expected a NumPy array in cut.npy", {"depth": "cut.npy"}),
    Bad("depth truncated pfm", ValueError, "depth: expected a picture in cut.pfm", {"depth": "cut.pfm"}),
    Bad("depth other suffix", ValueError, r"depth: expected auto, builtin, .* \(.npy .npz .pfm", {"depth": "mydepth.psd"}),
    Bad("depth exr missing", FileNotFoundError, "depth: cannot read mydepth.exr: No such file", {"depth": "mydepth.exr"}),
    Bad("depth suffix below a folder", ValueError, "depth: expected auto, .* got 'maps/d.xyz'", {"depth": "maps/d.xyz"}),
    Bad(
        "depth mistyped suffix",
        ValueError,
        "got 'maps/depth.tif2'; did you mean 'maps/depth.tif'",
        {"depth": "maps/depth.tif2"},
    ),
    Bad("depth mistyped method", ValueError, r"depth: .* got 'Builtin'; did you mean 'builtin'\?$", {"depth": "Builtin"}),
    Bad("depth no such word", ValueError, "depth: expected .*owner/name.* got 'metric'$", {"depth": "metric"}),
    Bad("depth a file of another kind", ValueError, "depth: expected a picture, got a file of another", {"depth": "plain"}),
    Bad("depth words", TypeError, "depth: expected integers", call=lambda: read_depth(np.full((H, W), "far"), H, W)),
    # Hints
    Bad("hints missing", FileNotFoundError, "hints: cannot read none.json", {"hints": "none.json"}),
    Bad(
        "hints outside",
        ValueError,
        r"hints: expected arrow 1 to start inside 64 x 48 px, got \(70, 5\)",
        {"hints": "outside.json"},
    ),
    Bad("hints no JSON", ValueError, "hints: expected JSON in text.jpg", {"hints": "text.jpg"}),
    Bad("hints binary", ValueError, "hints: expected JSON in photo.png", {"hints": "photo.png"}),
    Bad("hints neither", ValueError, "hints: expected a list of arrows or a labelme", {"hints": "neither.json"}),
    Bad("hints three numbers", ValueError, "hints: expected every arrow to be", {"hints": "three.json"}),
    Bad("labelme no points", ValueError, "hints: expected shape 0 to have a label and points", {"hints": "no_points.json"}),
    Bad("labelme bad points", ValueError, "hints: expected the points of shape 0", {"hints": "bad_points.json"}),
    Bad("labelme shape no object", ValueError, "hints: expected shape 0 to have", {"hints": "no_object.json"}),
    Bad("labelme two corners", ValueError, r"hints: expected shape 0 \(motion\) to have >= 3 points", {"hints": "two.json"}),
    Bad("labelme one end", ValueError, r"hints: expected shape 0 \(hint\) to be a line", {"hints": "one_end.json"}),
    Bad("labelme line region", ValueError, "hints: expected shape 0 .motion. to be polygon", {"hints": "line.json"}),
    Bad("labelme no bitmap", ValueError, "hints: expected a picture in the annotation's mask", {"hints": "no_bitmap.json"}),
    Bad("labelme other photo", ValueError, "hints: expected an annotation of the 64 x 48 photo, got", {"hints": "other.json"}),
    Bad("labelme zero size", ValueError, "hints: expected imageHeight and imageWidth > 0", {"hints": "zero_size.json"}),
    Bad("hints deep", ValueError, "hints: expected JSON in deep.json, got brackets nested too deep", {"hints": "deep.json"}),
    Bad("hints digits", ValueError, "hints: expected JSON in digits.json, got a number of", {"hints": "digits.json"}),
    Bad("labelme bomb", ValueError, "hints: expected a picture in the annotation's imageData, got", {"hints": "bomb.json"}),
    Bad("labelme mask bomb", ValueError, "expected a picture in the annotation's mask, got", {"hints": "mask_bomb.json"}),
    Bad("labelme cut mask", ValueError, "expected a complete picture in the annotation's mask", {"hints": "cut_mask.json"}),
    Bad(
        "hints of other labels",
        ValueError,
        r"hints: expected shapes labelled motion.*got water \(1\)",
        {"hints": "water.json"},
    ),
    Bad(
        "label unknown",
        ValueError,
        r"label: expected a label of the file, water \(1\), got sea",
        {"hints": "water.json", "label": "sea"},
    ),
    Bad("label of nothing", ValueError, "label: expected hints in a file", call=lambda: read_hints(None, H, W, label="sea")),
    Bad(
        "hints a long arrow",
        ValueError,
        "hints: expected arrow 0 to be at most 1280 px long, got 1e.08",
        {"hints": "long.json"},
    ),
    Bad(
        "hints too many",
        ValueError,
        "hints: expected at most 10000 arrows",
        call=lambda: read_hints([((1, 1), (2, 2))] * 10_001, H, W),
    ),
    Bad("mask no annotation", ValueError, "hints: expected a list of arrows or a labelme, COCO", {"mask": "neither.json"}),
    Bad("mask a photo", ValueError, "mask: expected colours on black", {"mask": "pale.png"}),
    Bad("hints number", TypeError, "hints: expected arrows", call=lambda: read_hints(3, H, W)),
    Bad("hints NaN", ValueError, "hints: expected every arrow", call=lambda: read_hints([((np.nan, 0), (1, 1))], H, W)),
    # Flow
    Bad("flow missing", FileNotFoundError, "flow: cannot read none.flo", {"flow": "none.flo"}),
    Bad("flow truncated", ValueError, "flow: expected a Middlebury .flo file", {"flow": "cut.flo"}),
    Bad("flow size", ValueError, r"flow: expected \[48, 64, 2\]", {"flow": "other_flow.npy"}),
    Bad("flow NaN", ValueError, "flow: expected finite numbers", call=lambda: read_flow(np.full((H, W, 2), np.nan), H, W)),
    Bad(
        "flow long",
        ValueError,
        "flow: expected steps in pixels per frame, shorter",
        call=lambda: read_flow(np.full((H, W, 2), 1e20), H, W),
    ),
    Bad("flow integers", TypeError, "flow: expected floats", call=lambda: read_flow(np.zeros((H, W, 2), int), H, W)),
    # What to render
    Bad("frames zero", ValueError, "frames: expected", {"frames": 0}),
    Bad("frames without end", ValueError, "frames: expected 1 to 100000, got 100000000000", {"frames": 10**11}),
    Bad("frames negative", ValueError, "frames: expected", {"frames": -3}),
    Bad("camera unknown", ValueError, "camera: expected", {"camera": "sideways"}),
    Bad("camera deep", ValueError, "camera: expected JSON in deep.json, got brackets nested", {"camera": "deep.json"}),
    Bad("camera none", TypeError, "camera: expected the name of a preset", call=lambda: render_frames(_scene(), camera=None)),
    Bad("sway without a mask", ValueError, "sway: expected a mask of what moves", call=lambda: _prepare(Sway(None))),
    Bad("ripple without a mask", ValueError, "ripple: expected a mask of what moves", call=lambda: _prepare(Ripple(None))),
    Bad("amplitude NaN", ValueError, "amplitude: expected", {"amplitude": float("nan")}),
    Bad("speed NaN", ValueError, "speed: expected", {"speed": float("nan")}),
    Bad("speed infinite", ValueError, "speed: expected", {"speed": float("inf")}),
    Bad("device unknown", ValueError, "device: expected", {"device": "toaster"}),
    Bad("device missing", ValueError, "device: expected", {"device": "cuda:99"}),
    # Where to write
    Bad("fps next to nothing", ValueError, "fps: expected 0.001 to 1000", {"fps": 1e-9}),
    Bad("size immense", ValueError, "size: expected at most 16384 px a side", {"size": 1_000_000}),
    Bad(
        "photo of a bomb", ValueError, "photo: expected at most 268 Mpx, got 100000 x 100000, 10000 Mpx", {"photo": "bomb.png"}
    ),
    Bad("photo a video", ValueError, "photo: expected a picture, got a video", {"photo": "video.mp4"}),
    Bad(
        "photo no address",
        ValueError,
        "photo: expected a path or an address that begins with https",
        {"photo": "http://x.y/z.png"},
    ),
    Bad("color unknown", ValueError, "color: expected srgb or p3, got 'cmyk'", {"color": "cmyk"}),
    Bad("fps zero", ValueError, "fps: expected 0.001 to 1000", {"fps": 0}),
    Bad("fps negative", ValueError, "fps: expected 0.001 to 1000", {"fps": -25}),
    Bad("fps NaN", ValueError, "fps: expected 0.001 to 1000", {"fps": float("nan")}),
    Bad("fps too high", ValueError, "fps: expected 0.001 to 1000", {"fps": 1e9}),
    Bad("fps too high for gif", ValueError, "fps: expected 0.002 to 50", {"out": "out.gif", "fps": 60}),
    Bad("fps text", TypeError, "fps: expected a number", call=lambda: write_video("out.mp4", FRAMES, "fast")),
    Bad("out unknown suffix", ValueError, r"out: expected the suffix \.mp4.* got 'out\.avi'", {"out": "out.avi"}),
    Bad("out in no folder", FileNotFoundError, "out: cannot write none/out.mp4: No such file", {"out": "none/out.mp4"}),
    Bad("out below a file", NotADirectoryError, "out: cannot write text.jpg/out.mp4", {"out": "text.jpg/out.mp4"}),
    Bad("out a folder in the way", IsADirectoryError, "out: cannot write folder.mp4: a folder", {"out": "folder.mp4"}),
    Bad("out a file in the way", NotADirectoryError, "out: cannot write plain: a file", {"out": "plain"}),
    Bad("out a folder in use", OSError, "out: cannot write folder: the folder holds other files", {"out": "folder"}),
    Bad("out number", TypeError, "out: expected a path", call=lambda: write_video(3, FRAMES)),
    Bad("frames none", ValueError, "frames: expected at least one", call=lambda: write_video("out.mp4", [])),
    Bad("frames none, folder", ValueError, "frames: expected at least one", call=lambda: write_video("out", [])),
    Bad("frames float", TypeError, "frames: expected uint8", call=lambda: write_video("out.mp4", [np.zeros((H, W, 3))])),
    Bad(
        "frames sizes",
        ValueError,
        "frames: expected .* all of one size",
        call=lambda: write_video("o.gif", [*FRAMES, FRAMES[0][1:]]),
    ),
    Bad(
        "picture suffix", ValueError, "out: expected the suffix of a picture", call=lambda: write_picture("out.xyz", FRAMES[0])
    ),
    Bad("frames of a pixel", ValueError, "frames: expected at least 2 x 2 px for out.mp4, got 1 x 1", call=_write_a_pixel),
    Bad("frames empty", ValueError, "frames: expected", call=lambda: write_video("out.gif", [np.zeros((0, 4, 3), np.uint8)])),
    # Scenes
    Bad("scene missing", FileNotFoundError, "path: cannot read none.c3d", call=lambda: load_scene("none.c3d")),
    Bad("scene suffix", ValueError, "path: expected the suffix .c3d", call=lambda: save_scene(_scene(), "scene.zip")),
    Bad("scene no scene", TypeError, "scene: expected a Scene, got dict", call=lambda: save_scene({}, "scene.c3d")),
]
RENDERS = [bad for bad in BAD if bad.call is None]


@pytest.fixture(scope="module")
def materials(tmp_path_factory) -> Path:
    """A folder of good and bad files under the names that the table uses."""
    folder = tmp_path_factory.mktemp("materials")

    def picture(name: str, pixels: np.ndarray) -> bytes:
        cv2.imwrite(str(folder / name), pixels)
        return (folder / name).read_bytes()

    def cut(name: str, data: bytes) -> None:
        (folder / name).write_bytes(data[: len(data) // 2])

    def annotation(name: str, *shapes: Any, height: int = H, width: int = W) -> None:
        content = {"shapes": shapes, "imageHeight": height, "imageWidth": width, "imageData": None}
        (folder / name).write_text(json.dumps(content))

    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    good = picture("photo.png", noise)
    cut("cut.png", good)
    cut("cut.jpg", picture("whole.jpg", noise))
    cut("cut16.png", picture("whole16.png", noise.astype(np.uint16) * 257))
    picture("tiny.png", noise[:40, :8])
    picture("other.png", noise[:20, :10, 0])
    picture("zero.png", np.zeros((H, W), np.uint8))
    picture("colour.png", noise)
    (folder / "text.jpg").write_text("not a picture, nor JSON")
    (folder / "plain").write_text("a file without a suffix")
    (folder / "empty.jpg").write_bytes(b"")

    depth = np.ones((H, W), np.float32)
    np.save(folder / "nan.npy", np.full((H, W), np.nan, np.float32))
    bomb = base64.b64decode(_png_of(100_000, 100_000))
    for name in ("bomb.png", "bomb.pfm"):
        (folder / name).write_bytes(bomb)
    header = np.lib.format.header_data_from_array_1_0(depth) | {"shape": (10**9, 10**9)}
    with (folder / "huge.npy").open("wb") as huge:
        np.lib.format.write_array_header_1_0(huge, header)
    with (
        zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("depth.npy", "w") as member,
    ):
        for _ in range(1025):
            member.write(bytes(2**20))
    np.savez(folder / "two.npz", a=depth, b=depth)
    (folder / "video.mp4").write_bytes(b"\0\0\0 ftypisom" + bytes(100))
    picture("pale.png", noise // 2 + 100)
    np.save(folder / "pickled.npy", np.array([{}], dtype=object))
    cut("cut.npy", (folder / "nan.npy").read_bytes())
    picture("inf.pfm", np.full((H, W), np.inf, np.float32))
    cut("cut.pfm", picture("whole.pfm", depth)[:20])
    cut("cut.flo", b"PIEH" + struct.pack("<ii", W, H) + bytes(8 * H * W))
    np.save(folder / "other_flow.npy", np.zeros((5, 5, 2), np.float32))

    (folder / "outside.json").write_text("[[[5, 5], [6, 6]], [[70, 5], [60, 5]]]")
    (folder / "neither.json").write_text('{"arrows": 3}')
    (folder / "three.json").write_text("[[1, 2, 3]]")
    (folder / "long.json").write_text("[[[5, 5], [1e8, 6]]]")
    annotation("water.json", {"label": "water", "points": [[1, 2], [30, 2], [30, 40]]})
    annotation("no_points.json", {"label": "motion"})
    annotation("bad_points.json", {"label": "motion", "points": [[1, 2, 3]]})
    annotation("no_object.json", 3)
    annotation("two.json", {"label": "motion", "points": [[1, 2], [3, 4]]})
    annotation("one_end.json", {"label": "hint", "points": [[1, 2]], "shape_type": "line"})
    annotation("line.json", {"label": "motion", "points": [[1, 2], [3, 4]], "shape_type": "line"})
    annotation("no_bitmap.json", {"label": "motion", "points": [[1, 2], [3, 4]], "shape_type": "mask"})
    annotation("other.json", width=2 * W)
    annotation("zero_size.json", height=0)
    corners = {"label": "motion", "points": [[1, 2], [30, 40]], "shape_type": "mask"}
    annotation("mask_bomb.json", corners | {"mask": _png_of(100_000, 100_000)})
    annotation("cut_mask.json", corners | {"mask": _png_of(29, 38)})
    (folder / "bomb.json").write_text(json.dumps({"shapes": [], "imageData": _png_of(100_000, 100_000)}))
    (folder / "deep.json").write_text("[" * 200_000)
    (folder / "digits.json").write_text(f"[[[{10**400}, 0], [1, 1]]]")

    (folder / "folder").mkdir()
    (folder / "folder" / "letter.txt").write_text("mine")
    (folder / "folder.mp4").mkdir()

    np.savez(folder / "arrays.npz", depth)
    return folder


def _png_of(width: int, height: int) -> str:
    """A PNG that claims so many pixels and holds none, as text."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b"")[:4])
    packed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(packed)).decode()


@pytest.fixture
def unchanged(materials, monkeypatch) -> Any:
    """Run in the folder of materials, and check that it is as it was."""
    monkeypatch.chdir(materials)
    before = sorted(materials.rglob("*"))
    yield materials
    assert sorted(materials.rglob("*")) == before


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.id)
def test_one_clear_line(bad, unchanged):
    with pytest.raises(bad.error, match=bad.words) as raised:
        bad.run()
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("bad", RENDERS, ids=lambda bad: bad.id)
def test_one_clear_line_on_the_command_line(bad, unchanged, capsys):
    assert cli.main(bad.argv()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("c3drender: error: ")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["render"],
        ["render", "photo.png", "--frames", "many"],
        ["render", "photo.png", "--size", "big"],
        ["bench", "--no"],
    ],
    ids=" ".join,
)
def test_usage_errors_are_one_line(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert len(printed.err.splitlines()) == 1 and printed.err.startswith("c3drender: error: ")


@pytest.fixture
def full_disk(tmp_path, monkeypatch) -> Path:
    """A folder in which every written file fills the disk: its temporary name leads to a device that is always full."""
    if not FULL_DEVICE.exists():
        pytest.skip("needs /dev/full")

    class Known:
        hex = "0" * 32

    monkeypatch.setattr("uuid.uuid4", lambda: Known)
    monkeypatch.chdir(tmp_path)
    for name in ("out.mp4", "out.webm", "out.gif", "out.apng", "out.webp", "out.png", "out.c3d"):
        path = Path(name)
        path.with_name(f".{path.stem}.00000000.part{path.suffix}").symlink_to(FULL_DEVICE)
    return tmp_path


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".apng", ".webp", ".png", ".c3d"])
def test_disk_full(suffix, full_disk):
    out = full_disk / f"out{suffix}"
    part = full_disk / f".out.00000000.part{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (8, H, W, 3), dtype=np.uint8)
    write = {".png": lambda: write_picture(out, noise[0]), ".c3d": lambda: save_scene(_scene(), out)}
    with pytest.raises(OSError, match=rf"(out|path): cannot write .*out\{suffix}: No space left on device$"):
        write.get(suffix, lambda: write_video(out, noise))()
    assert not out.exists() and not part.is_symlink()


def test_disk_full_stops_the_rendering(full_disk):
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    with pytest.raises(OSError, match="No space left on device"):
        write_video("out.apng", itertools.repeat(noise))


def test_disk_full_on_the_command_line(full_disk, capsys):
    cv2.imwrite("photo.png", np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8))
    assert cli.main(["render", "photo.png", "-o", "out.mp4", "--frames", "2", "--quiet"]) == 2
    assert capsys.readouterr().err == "c3drender: error: out: cannot write out.mp4: No space left on device\n"
    assert not Path("out.mp4").exists()


@pytest.mark.parametrize("suffix", ["psd", "xpm", "cur", "fli", "h5", "xbm", "msp", "blp", "xyz"])
def test_a_picture_that_could_not_be_written_is_refused_before_any_work(suffix, unchanged, capsys):
    assert cli.main(["inspect", "photo.png", "-o", f"out.{suffix}"]) == 2
    assert capsys.readouterr().err == (
        f"c3drender: error: out: expected the suffix of a picture, such as .png or .jpg, got 'out.{suffix}'\n"
    )


@pytest.mark.parametrize("suffix", sorted(PIL.Image.registered_extensions()))
def test_a_picture_that_is_accepted_can_be_written(suffix, tmp_path):
    try:
        out = check_picture_output(tmp_path / f"out{suffix}")
    except ValueError:
        return
    assert write_picture(out, np.full((16, 16, 3), 90, np.uint8)).stat().st_size > 0


@pytest.mark.parametrize("name", ["builtin", "auto", "Intel/dpt-large", "o/Depth-V2-Small-hf", "o/m-v1.5", "o/m.v2"])
def test_names_of_estimators(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inputs.names_an_estimator(name)


def test_a_path_that_exists_is_no_name_of_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    for name in ("own/maps", "map.exr", "map"):
        Path(name).write_bytes(b"no picture")
        assert not inputs.names_an_estimator(name)
    with pytest.raises(ValueError, match="depth: expected a file, or a model's folder"):
        inputs.names_an_estimator("own")
    (tmp_path / "own" / "config.json").write_text("{}")
    assert inputs.names_an_estimator("own")
    Path("big-lama").write_bytes(b"no program")
    Path("eomt-large-ade20k").write_bytes(b"no segments")
    assert not inputs.names_a_segmenter("eomt-large-ade20k")
    with pytest.raises(ValueError, match="inpainter: "):
        inputs.read_inpainter("big-lama", torch.device("cpu"))
