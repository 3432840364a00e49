"""Depth maps as people have them: whatever the file and its numbers, the box in front of the wall comes out in front."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from c3drender.files import InputWarning, read_depth
from c3drender.files.colourised import colour_maps
from c3drender.files.depth import BEYOND, depth_given
from c3drender.files.depth_kind import lean
from c3drender.pixels.upsample import upsampled

H, W = 60, 80
BOX = np.zeros((H, W), bool)
BOX[20:45, 30:50] = True  # near, before a wall
DISP = np.where(BOX, 1.0, 0.2).astype(np.float32)
Z = (1 / DISP).astype(np.float32)
U16 = np.uint16
FAR_Z, NEAR_Z = 5.0, 1.0


def is_right(values: np.ndarray, kind: str) -> bool:
    """Whether the box is nearer than the wall."""
    box = cv2.resize(BOX.view(np.uint8), values.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return bool((np.median(values[box]) > np.median(values[~box])) == (kind == "disparity"))


def save(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, depth=values)
    elif path.suffix in (".pfm", ".tif"):
        cv2.imwrite(str(path), values)
    else:
        PIL.Image.fromarray(values).save(path)
    return path


def normalised(values: np.ndarray) -> np.ndarray:
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


MAPS = {
    "MiDaS": (DISP * 20000, "disparity", [".pfm", ".npy", ".tif"]),
    "Depth Anything": (DISP * 8, "disparity", [".npy", ".npz", ".pfm", ".tif"]),
    "relative, shifted below zero": (DISP * 3 - 2, "disparity", [".npy", ".pfm"]),
    "disparity in 0..1": (normalised(DISP), "disparity", [".npy", ".pfm", ".tif"]),
    "metres": (Z, "metric", [".npy", ".npz", ".pfm", ".tif"]),
    "metres, doubles": (Z.astype(np.float64), "metric", [".npy", ".tif"]),
    "metres, halves": (Z.astype(np.float16), "metric", [".npy"]),
    "Marigold, 0 is near": (normalised(Z), "metric", [".npy", ".tif"]),
    "a sensor's millimetres": ((Z * 1000).astype(U16), "metric", [".png", ".npy", ".tif"]),
    "8-bit picture": ((DISP * 255).astype(np.uint8), "disparity", [".png", ".gif", ".bmp", ".tif"]),
    "16-bit picture": ((DISP * 65535).astype(U16), "disparity", [".png", ".tif"]),
}


@pytest.mark.parametrize(("name", "suffix"), [(name, suffix) for name, (*_, files) in MAPS.items() for suffix in files])
def test_the_box_is_in_front(name: str, suffix: str, tmp_path: Path) -> None:
    values, kind, _ = MAPS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        depth, found = read_depth(save(tmp_path / f"depth{suffix}", values), H, W)
    assert found == kind and is_right(depth.numpy(), found)


def test_metric_numbers_stay_as_they_are() -> None:
    depth, kind = read_depth(Z, H, W)
    assert kind == "metric"
    np.testing.assert_array_equal(depth.numpy(), Z)
    np.testing.assert_array_equal(read_depth(torch.from_numpy(Z).bfloat16(), H, W)[0].numpy(), Z)


def test_what_the_user_says_rules() -> None:
    assert read_depth(Z, H, W, kind="disparity")[1] == "disparity"
    assert read_depth(8 * DISP, H, W, kind="metric")[1] == "metric"
    dark = (255 * (1 - DISP)).astype(np.uint8)
    given, kind = read_depth(dark, H, W, near="dark")
    assert kind == "disparity" and is_right(given.numpy(), kind)
    assert is_right(*unpacked(read_depth(Z, H, W, kind="disparity", near="dark")))
    assert is_right(*unpacked(read_depth(Z, H, W, near="dark")))
    assert is_right(*unpacked(read_depth(8 * DISP, H, W, near="bright")))
    assert is_right(*unpacked(read_depth((65535 * normalised(Z)).astype(U16), H, W, near="dark")))


def unpacked(read: tuple[torch.Tensor, str]) -> tuple[np.ndarray, str]:
    return read[0].numpy(), read[1]


def test_a_guess_from_the_layout_is_said_aloud() -> None:
    with pytest.warns(InputWarning, match="depth: taken as disparity, .* depth_kind and depth_near say otherwise"):
        read_depth(8 * DISP, H, W)
    with pytest.warns(InputWarning, match="depth: taken as near is bright"):
        read_depth((255 * (1 - DISP)).astype(np.uint8), H, W)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_depth(Z, H, W)
        read_depth((255 * DISP).astype(np.uint8), H, W)
        read_depth(np.full((H, W), 2.0), H, W)


def test_the_layout_leans_to_what_is_near() -> None:
    ground = np.tile(np.linspace(0, 1, H)[:, None], (1, W))
    assert lean(ground) > 0.5 and lean(1 - ground) < -0.5
    assert lean(DISP) > 0.1 and lean(Z) < -0.1
    assert lean(np.full((H, W), 3)) == 0


@pytest.mark.parametrize("level", [np.inf, 1e10, 65504.0])
def test_the_sky_is_far(level: float) -> None:
    sky = Z.copy()
    sky[:12] = level
    depth, kind = read_depth(sky, H, W)
    assert kind == "metric"
    np.testing.assert_array_equal(depth.numpy()[12:], Z[12:])
    assert (depth.numpy()[:12] == BEYOND * FAR_Z).all()


@pytest.mark.parametrize("missing", [np.nan, 0.0, -1.0])
def test_gaps_continue_what_is_farther(missing: float) -> None:
    gap = Z.copy()
    gap[25:40, 24:36] = missing  # over the box's left edge: its shadow
    given = depth_given(gap, H, W)
    values = given.values.numpy()
    assert given.kind == "metric" and (values[25:40, 24:36] == FAR_Z).all()
    np.testing.assert_array_equal(np.delete(values, np.s_[25:40], 0), np.delete(Z, np.s_[25:40], 0))
    assert given.notes[1] == "depth: 180 px (3.8%) have no value and continue what is farther around them"


def test_gaps_of_a_sensor_and_of_stereo() -> None:
    holes = (Z * 1000).astype(U16)
    holes[30:34, 4:9] = 0
    assert is_right(*unpacked(read_depth(holes, H, W)))
    assert read_depth(holes, H, W)[0][31, 6] == 5000
    stereo = 60 * DISP
    stereo[40:44, 20:24] = np.inf  # Middlebury's mark for an occlusion
    path = io.BytesIO()
    np.save(path, stereo)
    values, kind = read_depth(path, H, W, kind="disparity")
    assert kind == "disparity" and values[41, 21] == pytest.approx(12)


@pytest.mark.parametrize("name", sorted(colour_maps()))
@pytest.mark.parametrize("quality", [None, 90])
def test_colours_become_numbers(name: str, quality: int | None) -> None:
    levels = (40 + 180 * cv2.GaussianBlur(DISP, (0, 0), 1)).clip(0, 255).astype(np.uint8)
    shown = PIL.Image.fromarray(colour_maps()[name].round().astype(np.uint8)[levels])
    file = io.BytesIO()
    shown.save(file, "PNG" if quality is None else "JPEG", quality=quality, subsampling=0)
    with pytest.warns(InputWarning, match=f"depth: the colours of {name}, turned into numbers"):
        depth, kind = read_depth(file, H, W)
    assert kind == "disparity"
    error = np.abs(depth.numpy() - levels)
    assert error.max() <= 1 if quality is None else np.median(error) <= 3


def test_a_photo_is_no_depth_map() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="different colour channels of no known colour map"):
        read_depth(noise, H, W)


@pytest.mark.parametrize("save_lossy", [{"format": "WEBP", "quality": 80}, {"format": "JPEG", "quality": 30}])
def test_a_grey_map_in_a_lossy_file_is_grey(save_lossy: dict) -> None:
    y, x = np.mgrid[0:H, 0:W]
    grey = (100 * DISP + x + 0.5 * y).astype(np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(np.repeat(grey[..., None], 3, 2)).save(file, **save_lossy)
    depth, kind = read_depth(file, H, W)
    assert kind == "disparity" and np.abs(depth.numpy() - grey).mean() < 4


def test_a_smaller_map_gets_the_photos_edges() -> None:
    rgb = np.where(BOX[..., None], (0.8, 0.3, 0.2), (0.2, 0.4, 0.6)).astype(np.float32)
    rgb += np.random.default_rng(0).normal(0, 0.03, rgb.shape).astype(np.float32)
    small = cv2.resize(DISP, (W // 4, H // 4), interpolation=cv2.INTER_AREA)
    fine = upsampled(small, rgb)
    assert fine.shape == (H, W)
    nearest = cv2.resize(small, (W, H), interpolation=cv2.INTER_NEAREST)
    assert (np.abs(fine - DISP) > 0.1).mean() < 0.01 < (np.abs(nearest - DISP) > 0.1).mean()
    slope = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (H // 4, 1))
    steps = np.diff(upsampled(slope, np.tile(rgb, (1, 7, 1))[:, :512])[:, 8:-8], axis=1)
    assert steps.min() > 0 and steps.max() < 1.2 / 512  # no stairs


def test_sizes_of_networks_and_sensors() -> None:
    assert read_depth(Z[::2, ::2], H, W)[0].shape == (H, W)
    assert read_depth(cv2.resize(Z, (84, 56)), H, W)[0].shape == (H, W)  # both sides a multiple of 14
    assert depth_given(Z[::2, ::2], H, W).values.shape == (H // 2, W // 2)
    with pytest.raises(ValueError, match=f"depth: expected {W} x {H} px, the photo's size, or its proportions, got {H} x {W}"):
        read_depth(Z.T, H, W)


def test_the_name_inside_an_archive_counts(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", disparity=Z, other=DISP)  # its name says what it is, whatever it looks like
    assert read_depth(tmp_path / "d.npz", H, W)[1] == "disparity"
    np.savez(tmp_path / "two.npz", first=DISP, depth=Z)
    np.testing.assert_array_equal(read_depth(tmp_path / "two.npz", H, W)[0].numpy(), Z)


def test_exr(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    sky = np.where(np.arange(H)[:, None] < 12, np.float32(1e10), Z)
    kinds = {
        "z": ({"Z": Z}, "metric"),
        "half": ({"Z": Z.astype(np.float16)}, "metric"),
        "blender": ({"ViewLayer.Depth.Z": Z, "ViewLayer.Combined.R": DISP}, "metric"),
        "grey": (dict.fromkeys("RGB", Z), "metric"),
        "luma": ({"Y": Z}, "metric"),
        "sky": ({"Z": sky}, "metric"),
        "disparity": (dict.fromkeys("RGB", DISP), "disparity"),
    }
    for name, (channels, kind) in kinds.items():
        exr.File(header, channels).write(str(tmp_path / f"{name}.exr"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            depth, found = read_depth(tmp_path / f"{name}.exr", H, W)
        assert found == kind and is_right(depth.numpy(), found), name
    (tmp_path / "cut.exr").write_bytes((tmp_path / "z.exr").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"depth: expected a complete EXR picture in .*cut\.exr"):
        read_depth(tmp_path / "cut.exr", H, W)


def test_exr_without_its_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3drender.files.exr.optional_module", lambda module: None)
    (tmp_path / "d.exr").write_bytes(b"\x76\x2f\x31\x01")
    with pytest.raises(ValueError, match=r"depth: reading .exr needs the package OpenEXR: pip install c3drender\[formats\]"):
        read_depth(tmp_path / "d.exr", H, W)


def with_sky(values: np.ndarray, mark: float) -> np.ndarray:
    marked = values.copy()
    marked[:12] = mark
    return marked


MM = Z * 1000
MARKED = {
    "a sensor's 0 in the sky": (with_sky(MM.astype(U16), 0), "metric"),
    "a sensor's 65535 in the sky": (with_sky(MM.astype(U16), 65535), "metric"),
    "-1 among whole numbers": (with_sky(MM.astype(np.int32), -1), "metric"),
    "-1 among metres": (with_sky(Z, -1), "metric"),
    "-9999 among metres": (with_sky(Z, -9999), "metric"),
    "minus infinity": (with_sky(Z, -np.inf), "metric"),
    "infinite disparity where it is near": (np.where(np.roll(BOX, -15, 0) & BOX, np.inf, 8 * DISP), "disparity"),
    "beyond 32 bits": (Z.astype(np.float64) * 1e300, "metric"),
    "below 32 bits": (Z.astype(np.float64) * 1e-300, "metric"),
    "masked": (np.ma.masked_array(Z, mask=with_sky(np.zeros((H, W), bool), True)), "metric"),
}


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.filterwarnings("ignore::c3drender.files.InputWarning", "error::RuntimeWarning")
def test_marks_are_no_measurements(name: str) -> None:
    values, kind = MARKED[name]
    depth, found = read_depth(values, H, W)
    assert found == kind and is_right(depth.numpy(), found) and bool(torch.isfinite(depth).all())


def test_a_scatter_of_samples_keeps_what_is_near() -> None:
    """A LiDAR's points, projected: a tenth of the pixels."""
    seen = np.random.default_rng(0).random((H, W)) < 0.1
    depth, kind = read_depth(np.where(seen, Z, 0), H, W)
    assert kind == "metric" and (depth.numpy() == Z).mean() > 0.95


def test_metric_along_an_axis_that_points_backwards() -> None:
    depth, _ = read_depth(-Z, H, W, kind="metric")
    np.testing.assert_array_equal(depth.numpy(), Z)


@pytest.mark.filterwarnings("ignore::c3drender.files.InputWarning")
@pytest.mark.parametrize("name", sorted(colour_maps()))
def test_colours_that_are_dark_where_near(name: str) -> None:
    turned = colour_maps()[name].astype(np.uint8)[(255 * (1 - DISP)).astype(int)]
    assert is_right(*unpacked(read_depth(turned, H, W, near="dark")))


def test_two_levels_are_a_map() -> None:
    assert is_right(*unpacked(read_depth(PIL.Image.fromarray(BOX), H, W)))


def test_a_tiff_of_half_floats_says_what_it_is() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((16, 16), np.float16))
    with pytest.raises(ValueError, match="depth: expected a picture, got a TIFF of numbers that are not read"):
        read_depth(file.getvalue(), 16, 16)


CAVE = 1 - cv2.GaussianBlur(BOX.astype(np.float32), (0, 0), 6)  # nearness: far in the middle, against what layouts say
CAVE_Z = normalised(1 / (0.2 + CAVE))
BEFORE_CAVE = {  # from the file, as people have it, to what it is
    "Marigold, 16 bits": ((65535 * CAVE_Z).astype(U16), "metric"),
    "depth as a picture": ((255 * CAVE_Z).astype(np.uint8), "disparity"),
    "disparity as a picture": ((255 * CAVE).astype(np.uint8), "disparity"),
    "disparity, 16 bits": ((65535 * CAVE).astype(U16), "disparity"),
    "a sensor's millimetres": ((1000 / (0.2 + CAVE)).astype(U16), "metric"),
    "Marigold, floats": (CAVE_Z, "metric"),
    "Depth Anything": (8 * CAVE + 1, "disparity"),
    "metres": ((1 / (0.2 + CAVE)).astype(np.float32), "metric"),
}


@pytest.mark.parametrize("name", BEFORE_CAVE)
@pytest.mark.filterwarnings("ignore::c3drender.files.InputWarning")
def test_the_photo_says_what_is_near(name: str) -> None:
    """Where nobody and no file does; what sees it need not see it well."""
    values, kind = BEFORE_CAVE[name]
    noisy = CAVE[::4, ::4] ** 2 + np.random.default_rng(0).normal(0, 0.2, CAVE[::4, ::4].shape)
    given = depth_given(values, H, W, seen=lambda: noisy)
    found = given.values.numpy()
    assert given.kind == kind
    assert (found[0, 0] > found[32, 40]) == (kind == "disparity")
    if kind == "metric":
        assert found.min() > 0


def test_a_blind_witness_is_not_heard() -> None:
    def blind() -> np.ndarray:
        return np.random.default_rng(0).random((H // 4, W // 4))

    for values, *_ in MAPS.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            one, other = depth_given(values, H, W, seen=blind), depth_given(values, H, W)
        assert one.kind == other.kind and torch.equal(one.values, other.values) and one.notes == other.notes


def test_a_witness_in_doubt_does_not_turn_a_map_around() -> None:
    """The network's word on a box of one colour: a rank correlation of 0.4, the wrong way round."""
    z = np.where(BOX > 0, 1.1, 5.0).astype(np.float32)
    doubtful = np.where(np.random.default_rng(0).random((H, W)) < 0.8, z, 5.0 - z)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        given = depth_given(z, H, W, seen=lambda: doubtful)
    assert given.kind == "metric" and torch.equal(given.values, torch.from_numpy(z))


def test_what_is_said_is_not_asked_of_the_photo(tmp_path: Path) -> None:
    def asked() -> np.ndarray:
        raise AssertionError("asked")

    for kind, near in (("metric", "auto"), ("disparity", "auto"), ("auto", "bright"), ("auto", "dark")):
        depth_given(Z, H, W, kind, near, asked)
    np.savez(tmp_path / "d.npz", disparity=Z)
    depth_given(tmp_path / "d.npz", H, W, seen=asked)


def test_a_picture_against_the_photo_is_turned_with_a_warning() -> None:
    with pytest.warns(InputWarning, match="depth: taken as along the view axis, near is dark, as the photo shows"):
        depth_given((65535 * normalised(Z)).astype(U16), H, W, seen=lambda: DISP)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = depth_given(normalised(Z), H, W, seen=lambda: DISP)
    assert given.notes[0] == "depth: yours, relative numbers of depth, near is small, as the photo shows"


def test_what_a_pipeline_hands_out() -> None:
    values, kind = read_depth({"predicted_depth": torch.from_numpy(Z), "depth": None}, H, W)
    assert kind == "metric" and np.array_equal(values.numpy(), Z)
    assert read_depth({"depth": PIL.Image.fromarray((255 * DISP).astype(np.uint8))}, H, W)[1] == "disparity"
    with pytest.raises(TypeError, match=r"depth: expected a path, .*, got dict"):
        read_depth({"other": Z}, H, W)


@pytest.mark.filterwarnings("ignore::c3drender.files.InputWarning")
def test_one_channel_or_three_that_are_all_but_the_same() -> None:
    for channel in range(3):
        alone = np.zeros((H, W, 3), np.float32)
        alone[..., channel] = Z
        assert np.array_equal(read_depth(alone, H, W)[0].numpy(), Z)
        picture = np.zeros((H, W, 3), np.uint8)
        picture[..., channel] = 255 * DISP
        assert is_right(*unpacked(read_depth(picture, H, W)))
    rounded = Z[..., None] + np.random.default_rng(0).normal(0, 1e-5, (H, W, 3)).astype(np.float32)
    np.testing.assert_allclose(read_depth(rounded, H, W)[0].numpy(), Z, rtol=1e-4)


def test_a_file_of_torch_is_told(tmp_path: Path) -> None:
    torch.save(torch.from_numpy(Z), tmp_path / "d.pt")
    with pytest.raises(ValueError, match=r"of torch\.save's files none is read: numpy.save writes arrays"):
        read_depth(tmp_path / "d.pt", H, W)


def test_float_channels_that_differ_by_rounding_keep_their_fractions() -> None:
    z = 1 + DISP.astype(np.float32)
    depth, _ = read_depth(np.stack([z, z * np.float32(1 + 1e-6), z], axis=2), H, W, kind="metric")
    assert np.abs(depth.numpy() - z).max() < 1e-4
