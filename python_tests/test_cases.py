"""What people reported of tools like this one, replayed from the command line: inputs as they came, the right answer to each.

The scene of all: a red box, near, before a textured wall, far. The numbers are those of the reports in ``../shared/cases``;
docs/formats.md lists them. What a map or a mask was taken for is read from the arrays that ``export`` writes.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import PIL.Image
import pytest

from c3drender import cli

H, W = 60, 80
ROOT = Path(cli.__file__).parents[1]
BOX = np.zeros((H, W), bool)
BOX[20:45, 30:50] = True
DISP = np.where(BOX, 1.0, 0.2).astype(np.float32)
Z = (1 / DISP).astype(np.float32)
GREY = (255 * DISP).astype(np.uint8)
MASK = 255 * BOX.astype(np.uint8)


def photo() -> np.ndarray:
    y, x = np.mgrid[0:H, 0:W]
    waves = (30 * np.sin(x / 3) + 30 * np.sin(y / 4))[..., None]
    return (np.where(BOX[..., None], (190, 60, 60), (60, 110, 150)) + waves).clip(0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def _beside_the_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PIL.Image.fromarray(photo()).save("photo.png")
    PIL.Image.fromarray(MASK).save("mask.png")
    PIL.Image.fromarray(0 * MASK).save("nothing.png")
    np.save("z.npy", Z)


@dataclass(frozen=True)
class Seen:
    """What the command line made of its inputs: the front layer's depth and what moves in it, at the photo's pixels."""

    z_cam: np.ndarray
    moving: np.ndarray

    @property
    def box_is_near(self) -> bool:
        return bool(np.median(self.z_cam[BOX]) < 0.9 * np.median(self.z_cam[~BOX]))


def seen(*options: str, given: str = "photo.png") -> Seen:
    assert cli.main(["export", given, "-o", "seen.npz", "--quiet", *options]) == 0
    with np.load("seen.npz") as arrays:
        front = slice(arrays["first"][0], arrays["first"][1])
        (height, width), margin = arrays["size"], int(arrays["margin_px"])
        planes = []
        for name in ("z_cam", "moving"):
            plane = np.zeros(height * width, np.float32)
            plane[arrays["pixel"][front]] = arrays[name][front]
            planes.append(plane.reshape(height, width)[margin : height - margin, margin : width - margin])
    return Seen(planes[0], planes[1] > 0)


def depth_seen(file: str, *options: str) -> Seen:
    return seen("--depth", file, "--mask", "nothing.png", *options)


def render(*options: str, given: str = "photo.png") -> int:
    return cli.main(["render", given, "--depth", "z.npy", "--mask", "mask.png", "--frames", "2", "--quiet", *options])


# Depth


def half(values: np.ndarray) -> np.ndarray:
    return values[::2, ::2].copy()


def exr(path: str) -> None:
    module = pytest.importorskip("OpenEXR")
    module.File({"compression": module.ZIP_COMPRESSION, "type": module.scanlineimage}, {"Z": Z}).write(path)


def lossy(path: str, quality: int = 80) -> None:
    """A grey map that a web page hands out as colours."""
    y, x = np.mgrid[0:H, 0:W]
    grey = np.clip(120 * DISP + 0.6 * x + 0.2 * y, 0, 255).astype(np.uint8)
    PIL.Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(path, quality=quality)


def with_gap(value: float, rows: slice = slice(0, 12), columns: slice = slice(None)) -> np.ndarray:
    values = Z.copy()
    values[rows, columns] = value
    return values


MAPS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "01 8-bit disparity": ("d.png", lambda p: PIL.Image.fromarray(GREY).save(p)),
    "01 MiDaS": ("midas.pfm", lambda p: cv2.imwrite(p, 20000 * DISP)),
    "01 Depth Anything": ("depth_anything.npy", lambda p: np.save(p, 8 * DISP)),
    "03 EXR": ("depth.exr", exr),
    "03 EXR, in capitals": ("DEPTH.EXR", exr),
    "03 an archive of one array": ("depth.npz", lambda p: np.savez_compressed(p, depth=Z)),
    "03 AVIF": ("depth.avif", lambda p: PIL.Image.fromarray(GREY).convert("RGB").save(p, quality=90)),
    "03 GIF": ("depth.gif", lambda p: PIL.Image.fromarray(GREY).save(p)),
    "04 half the size": ("half.png", lambda p: PIL.Image.fromarray(half(GREY)).save(p)),
    "04 half the size, metric": ("half.npy", lambda p: np.save(p, half(Z))),
    "05 lossless": ("depth.webp", lambda p: PIL.Image.fromarray(GREY).convert("RGB").save(p, lossless=True)),
    "07 an infinite sky": ("sky.npy", lambda p: np.save(p, with_gap(np.inf))),
    "07 gaps of NaN": ("nan.npy", lambda p: np.save(p, with_gap(np.nan, slice(25, 30), slice(10, 20)))),
    "07 gaps of 0": ("zero.npy", lambda p: np.save(p, with_gap(0, slice(25, 30), slice(10, 20)))),
    "07 Marigold": ("marigold.npy", lambda p: np.save(p, (Z - 1) / 4)),
}


@pytest.mark.parametrize("case", MAPS)
def test_the_box_of_the_map_is_near(case: str) -> None:
    name, save = MAPS[case]
    save(name)
    assert depth_seen(name).box_is_near


def test_05_what_a_lossy_file_rounds_is_grey() -> None:
    for name in ("depth.webp", "depth.jpg"):
        lossy(name)
        assert depth_seen(name).box_is_near


def test_01_numbers_can_be_told() -> None:
    np.save("any.npy", 8 * DISP)
    assert not depth_seen("any.npy", "--depth-kind", "metric").box_is_near
    np.save("any.npy", Z)
    assert depth_seen("any.npy", "--depth-near", "dark").box_is_near


def test_03_a_file_that_is_there_is_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("midas.npy", Z)
    Path("midas.npy").rename("midas")
    assert depth_seen("midas").box_is_near
    for name, words in (
        ("depht.exr", "cannot read"),
        ("biultin", "did you mean 'builtin'"),
        ("Intel", "expected auto, builtin"),
    ):
        assert render("--depth", name, "-o", "o.gif") == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("camera", ["circle", "swing"])
@pytest.mark.parametrize(
    "values",
    [
        np.full((H, W), 128, np.uint8),
        np.full((H, W), 2, np.float32),
        (140 + 0.2 * (H - 1 - np.mgrid[0:H, 0:W][0]) / (H - 1)).astype(np.float32),
        (100 - 5 * BOX).astype(np.float32),
    ],
    ids=["grey", "2 m", "140.0 to 140.2", "a drone's 95 to 100 m"],
)
def test_06_a_flat_map_turns_the_camera_gently(values: np.ndarray, camera: str) -> None:
    np.save("flat.npy", values)
    argv = ["export", "photo.png", "--depth", "flat.npy", "--mask", "nothing.png", "--camera", camera, "--quiet"]
    assert cli.main([*argv, "--camera-path", "path.json", "--frames", "8"]) == 0
    turns = np.array(json.loads(Path("path.json").read_text())["world_to_cam"])[:, :, :3]
    cosines = (np.trace(turns, axis1=1, axis2=2) - 1) / 2
    assert np.degrees(np.arccos(cosines.clip(-1, 1))).max() < 5


# Masks and annotations


def painted(colour: tuple[int, int, int]) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.where(BOX[..., None], colour, 0).astype(np.uint8))


def palette(colours: list[int]) -> PIL.Image.Image:
    picture = PIL.Image.fromarray(BOX.astype(np.uint8), "L").copy()
    picture.putpalette(colours + [0] * (768 - len(colours)))
    return picture


MASKS = {
    "04 half the size": PIL.Image.fromarray(half(MASK)),
    "09 labelme's label.png": palette([0, 0, 0, 128, 0, 0]),
    "09 DAVIS, SAM, XMem": palette([0, 0, 0, 224, 0, 0]),
    "09 red": painted((255, 0, 0)),
    "09 green": painted((0, 255, 0)),
    "09 blue": painted((0, 0, 255)),
    "09 class 3 of 4": PIL.Image.fromarray(3 * BOX.astype(np.uint8)),
    "09 white": PIL.Image.fromarray(MASK),
}


def moves_the_box(moving: np.ndarray) -> bool:
    """But for its rim: an edge's mixed pixels stay."""
    inner = cv2.erode(BOX.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    outer = cv2.dilate(BOX.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return bool(moving[inner].mean() > 0.9 and moving[~outer].mean() < 0.01)


@pytest.mark.parametrize("case", MASKS)
def test_the_mask_moves_the_box(case: str) -> None:
    MASKS[case].save("m.png")
    assert moves_the_box(seen("--depth", "z.npy", "--mask", "m.png").moving)


def labelme(*shapes: dict) -> str:
    size = {"imageHeight": H, "imageWidth": W}
    Path("shapes.json").write_text(json.dumps({"version": "5.0.2", "imageData": None, "shapes": list(shapes)} | size))
    return "shapes.json"


CORNERS = [[30, 20], [50, 20], [50, 45], [30, 45]]
ALL = [[0, 0], [W, 0], [W, H], [0, H]]


def shape(label: str, points: list, kind: str = "polygon", **more: Any) -> dict:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def bitmap() -> str:
    file = io.BytesIO()
    PIL.Image.fromarray(np.ones((25, 20), np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    "drawn",
    [
        shape("motion", [CORNERS[0], CORNERS[2]], "rectangle"),
        shape("motion", CORNERS, "rectangle"),
        shape("motion", CORNERS, "oriented_rectangle"),
        shape("motion", CORNERS, "rotation", direction=0.0),
        shape("motion", [[30.0, 20.0], [49.0, 44.0]], "mask", mask=bitmap()),
        shape("Motion", CORNERS),
    ],
    ids=["10 two points", "10 four points", "10 oriented", "10 rotation", "10 bitmap", "11 a capital"],
)
def test_the_annotation_moves_the_box(drawn: dict) -> None:
    assert moves_the_box(seen("--depth", "z.npy", "--hints", labelme(drawn)).moving)


def test_10_a_rectangle_of_four_points_freezes() -> None:
    moving = seen("--depth", "z.npy", "--hints", labelme(shape("motion", ALL), shape("freeze", CORNERS, "rectangle"))).moving
    assert not moving[BOX].any() and moving[:15].mean() > 0.9


@pytest.mark.parametrize("label", ["water", "mask"])
def test_11_a_label_that_says_nothing_is_told(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = labelme(shape(label, CORNERS))
    assert render("--mask", "mask.png", "--hints", file, "-o", "o.gif") == 2
    assert f"got {label} (1); label= says which of them move" in capsys.readouterr().err
    assert moves_the_box(seen("--depth", "z.npy", "--hints", file, "--label", label).moving)
    labelme(shape(label, ALL), shape("motion", CORNERS))
    assert moves_the_box(seen("--depth", "z.npy", "--hints", file).moving)
    assert f"left out, as their labels say nothing of motion: {label} (1)" in capsys.readouterr().err


# Names, frames, consoles


@pytest.mark.parametrize("name", ["2026-11-28T12:30:00.gif", "Sunset: take 2.mp4", "a|b.gif", "pipe:1.gif", "%d.gif"])
def test_12_a_name_is_no_address(name: str) -> None:
    assert render("-o", name) == 0
    with av.open(f"file:{name}") as video:
        assert sum(1 for _ in video.decode(video=0)) == 2


def test_12_a_photo_with_a_colon_names_its_video() -> None:
    Path("photo.png").rename("12:30:00.png")
    assert render(given="12:30:00.png") == 0
    assert Path("12:30:00.mp4").stat().st_size > 0


@pytest.mark.parametrize("name", [".mp4", ".gif"])
def test_12_a_suffix_is_no_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert render("-o", name) == 2
    assert f"out: expected a name before the suffix, got {name!r}" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--blend", "linear"], ["--mask", "nothing.png"], ["--loops", "3"]])
def test_13_one_frame(options: list[str]) -> None:
    assert render("--frames", "1", "-o", "one.mp4", *options) == 0


FOREIGN = (
    "import sys, torch; torch.set_default_dtype(torch.float64); from c3drender.cli import main; sys.exit(main(sys.argv[1:]))"
)


def apart(*argv: str, code: str | None = None, **surroundings: str) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "c3drender"]), *argv]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | surroundings
    return subprocess.run(command, capture_output=True, env=environment, check=False)


def test_18_numbers_of_64_bits_by_default() -> None:
    """All that is guessed, by the network: which must be read for the first time."""
    run = apart("export", "photo.png", "-o", "page.html", "--frames", "2", code=FOREIGN)
    assert run.returncode == 0, run.stderr
    plain = seen()
    assert apart("export", "photo.png", "-o", "seen64.npz", "--quiet", code=FOREIGN).returncode == 0
    with np.load("seen.npz") as one, np.load("seen64.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    assert plain.z_cam.min() > 0


def test_19_a_console_that_cannot_show_the_name() -> None:
    argv = ["render", "photo.png", "--depth", "z.npy", "--mask", "mask.png", "--frames", "2", "-o", "海.gif"]
    run = apart(*argv, PYTHONIOENCODING="cp1252")
    assert run.returncode == 0 and rb"wrote \u6d77.gif" in run.stdout and Path("海.gif").exists()


def test_20_no_console_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    import c3drender as c3d

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        patch.setattr(sys, "stderr", None)
        c3d.render_cinemagraph("photo.png", "o.gif", depth="z.npy", mask="mask.png", frames=2)
    assert Path("o.gif").stat().st_size > 0


# Photos


def test_14_a_raw_photo_is_not_its_thumbnail(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    small = np.asarray(PIL.Image.fromarray(photo()).resize((W // 2, H // 2)))
    mosaic = np.kron(photo()[..., 1], np.ones((2, 2), np.uint8)).astype(np.uint16) * 16
    raw = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True)]
    tags = [(50706, "B", 4, (1, 4, 0, 0), True), (50708, "s", 0, "Phone", True)]
    with tifffile.TiffWriter("phone.dng") as file:
        file.write(small, photometric="rgb", subifds=1, subfiletype=1, extratags=tags, metadata=None)
        file.write(mosaic, photometric=32803, subfiletype=0, metadata=None, extratags=raw)
    with monkeypatch.context() as patch:
        patch.setattr("c3drender.files.photo.optional_module", lambda module: None)
        assert render("-o", "o.gif", given="phone.dng") == 2
        assert "photo: expected a developed photo, got a camera's raw file" in capsys.readouterr().err
    pytest.importorskip("rawpy")
    assert render("-o", "o.mp4", given="phone.dng") == 0
    with av.open("o.mp4") as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (2 * W, 2 * H)


def test_16_heic_from_a_phone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(PIL.Image.fromarray(photo())).save("IMG_0001.HEIC", quality=90)
    assert depth_seen("z.npy").box_is_near
    assert render("-o", "o.gif", given="IMG_0001.HEIC") == 0
    monkeypatch.setattr("c3drender.files.decode.optional_module", lambda module: None)
    assert render("-o", "o.gif", given="IMG_0001.HEIC") == 2
    assert "a HEIC photo (pip install c3drender[formats], or export it as JPEG)" in capsys.readouterr().err


def test_23_depth_inside_the_photo(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(GREY).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    fields = f'GDepth:Format="RangeInverse" GDepth:Near="1" GDepth:Far="5" GDepth:Mime="image/png" GDepth:Data="{data}"'
    xmp = f'<x:xmpmeta><rdf:Description xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" {fields}/></x:xmpmeta>'
    PIL.Image.fromarray(photo()).save("portrait.jpg", quality=95, xmp=xmp.encode())
    for options in ([], ["--depth", "photo"], ["--depth", "portrait.jpg"], ["--depth", "./portrait.jpg"]):
        assert seen("--mask", "nothing.png", *options, given="portrait.jpg").box_is_near
    assert cli.main(["render", "portrait.jpg", "--mask", "mask.png", "--frames", "2", "-o", "o.gif"]) == 0
    assert "depth: the photo's own (GDepth)" in capsys.readouterr().out
    assert render("--depth", "photo", "-o", "o.gif") == 2
    assert "depth: expected a photo that holds its depth" in capsys.readouterr().err
