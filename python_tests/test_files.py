"""What is read is what was written: pictures, maps, hints, videos and scenes."""

from __future__ import annotations

import base64
import io
import json
import struct
import threading
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageSequence
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from c3drender.data import MotionHints
from c3drender.files.depth import read_depth
from c3drender.files.flow import read_flow
from c3drender.files.hints import read_hints
from c3drender.files.masks import read_mask
from c3drender.files.photo import read_photo, write_picture
from c3drender.files.resize import fit_size, resize_depth, resize_flow, resize_hints
from c3drender.files.tell import InputWarning
from c3drender.files.video import FPS_LIMITS_OF, check_output, output_size, write_video

H, W = 20, 30
psnr = partial(peak_signal_noise_ratio, data_range=255)


def smooth_picture(height: int = H, width: int = W) -> np.ndarray:
    """uint8 ``[H, W, 3]``, every corner of another colour."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    channels = [x / (width - 1), y / (height - 1), 1 - (x + y) / (height + width - 2)]
    return (255 * np.stack(channels, axis=2)).round().astype(np.uint8)


def u8(photo) -> np.ndarray:
    return (photo.rgb.numpy() * 255).round().astype(np.uint8)


# Photos


@pytest.mark.parametrize(
    "given",
    [
        smooth_picture(),
        smooth_picture().astype(np.uint16) * 257,
        smooth_picture() / 255.0,
        torch.from_numpy(smooth_picture()),
        PIL.Image.fromarray(smooth_picture()),
    ],
    ids=["uint8", "uint16", "float64", "tensor", "pil"],
)
def test_photo_from_memory(given):
    photo = read_photo(given)
    assert photo.size == (H, W)
    np.testing.assert_array_equal(u8(photo), smooth_picture())


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff", ".bmp"])
def test_photo_from_lossless_file(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    PIL.Image.fromarray(smooth_picture()).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(u8(read_photo(path)), smooth_picture())


def test_photo_is_independent_of_the_array_it_came_from():
    array = np.zeros((H, W, 3), np.float32)
    photo = read_photo(array)
    array[:] = 1
    assert photo.rgb.max() == 0


def test_grey_photos_get_three_channels():
    grey = smooth_picture()[..., 0]
    for given in (grey, grey[..., None], PIL.Image.fromarray(grey)):
        np.testing.assert_array_equal(u8(read_photo(given)), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = PIL.Image.fromarray(cv2.resize(smooth_picture(), (W * 8, H * 8)))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that the camera's position amounts to
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.jpg", quality=98, subsampling=0, exif=exif)
    photo = read_photo(tmp_path / "photo.jpg")
    assert photo.size == (H * 8, W * 8)
    assert psnr(u8(photo), np.asarray(upright)) > 40


def test_16_bit_png_keeps_its_depth(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (H, W, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    np.testing.assert_allclose(read_photo(tmp_path / "deep.png").rgb.numpy() * 65535, deep, atol=0.01)
    np.testing.assert_allclose(read_photo(tmp_path / "grey.png").rgb[..., 2].numpy() * 65535, deep[..., 0], atol=0.01)


def test_transparency_becomes_white(tmp_path):
    rgba = np.dstack([smooth_picture(), np.zeros((H, W), np.uint8)])
    rgba[: H // 2, :, 3] = 255
    rgba[0, 0] = (0, 0, 0, 51)
    PIL.Image.fromarray(rgba).save(tmp_path / "clear.png")
    cv2.imwrite(str(tmp_path / "clear16.png"), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA).astype(np.uint16) * 257)
    palette = PIL.Image.fromarray(smooth_picture()).quantize(8)
    palette.info["transparency"] = palette.getpixel((0, 0))
    palette.save(tmp_path / "palette.png")
    for given in (rgba, tmp_path / "clear.png", tmp_path / "clear16.png"):
        pixels = u8(read_photo(given))
        assert (pixels[H // 2 :] == 255).all()
        np.testing.assert_array_equal(pixels[1 : H // 2], smooth_picture()[1 : H // 2])
        assert tuple(pixels[0, 0]) == (204, 204, 204)
    assert tuple(u8(read_photo(tmp_path / "palette.png"))[0, 0]) == (255, 255, 255)


def test_palette_and_cmyk(tmp_path):
    flat = np.zeros((H, W, 3), np.uint8)
    flat[:, W // 2 :] = (255, 0, 0)
    PIL.Image.fromarray(flat).quantize(2).save(tmp_path / "palette.gif")
    np.testing.assert_array_equal(u8(read_photo(tmp_path / "palette.gif")), flat)
    PIL.Image.fromarray(flat).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    assert np.abs(u8(read_photo(tmp_path / "print.jpg")).astype(int) - flat)[:, [2, W - 3]].max() < 8


def test_icc_profile_is_converted_and_a_damaged_one_ignored(tmp_path):
    picture = PIL.Image.new("RGB", (W, H), (120, 120, 120))
    lab = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    # The same primaries with a linear curve: one "curv" tag of gamma 1.0, found by its signature.
    linear = bytearray(lab)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        entry = linear.index(tag)
        offset, _ = struct.unpack_from(">II", linear, entry + 4)
        linear[offset : offset + 14] = b"curv" + struct.pack(">IIH", 0, 1, 0x0100)
    picture.save(tmp_path / "linear.png", icc_profile=bytes(linear))
    picture.save(tmp_path / "broken.png", icc_profile=b"no profile")
    encoded = 255 * (1.055 * (120 / 255) ** (1 / 2.4) - 0.055)
    assert u8(read_photo(tmp_path / "linear.png"))[0, 0, 0] == pytest.approx(encoded, abs=2)
    assert u8(read_photo(tmp_path / "broken.png"))[0, 0, 0] == 120


# Sizes


def test_fit_size():
    assert fit_size(852, 1280, None) == (852, 1280)
    assert fit_size(852, 1280, 640) == (426, 640)
    assert fit_size(1280, 852, 640) == (640, 426)
    assert fit_size(852, 1280, (640, 426)) == (426, 640)
    assert fit_size(853, 1280, (640, 426)) == (426, 640)
    assert fit_size(853, 1280, (640, 427)) == (427, 640)


def test_everything_scales_with_the_photo():
    hints = MotionHints(mask=torch.zeros(H, W, dtype=torch.bool), arrows=torch.tensor([[[3.0, 4.0], [6.0, 10.0]]]))
    hints.mask[:10] = True
    scaled = resize_hints(hints, (H, W), 2 * H, 2 * W)
    assert scaled.arrows.tolist() == [[[6.0, 8.0], [12.0, 20.0]]]
    assert scaled.mask[:20].all() and not scaled.mask[20:].any()
    flow = resize_flow(torch.ones(H, W, 2), H // 2, W // 2)
    assert flow.shape == (H // 2, W // 2, 2) and torch.allclose(flow, torch.tensor(0.5))
    edge = torch.ones(H, W)
    edge[:, W // 2 :] = 5
    assert set(resize_depth(edge, 33, 47).unique().tolist()) == {1.0, 5.0}
    assert read_photo(smooth_picture(), size=60).size == (40, 60)


# Masks, depth, flow


def test_mask_forms_agree(tmp_path):
    truth = np.zeros((H, W), bool)
    truth[3:9, 5:17] = True
    PIL.Image.fromarray(truth.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    PIL.Image.fromarray(truth.astype(np.uint8)).save(tmp_path / "labels.png")
    PIL.Image.fromarray(truth).save(tmp_path / "one_bit.png")
    clear = np.dstack([np.full((H, W, 3), 255, np.uint8), truth.astype(np.uint8) * 255])
    given = [truth, truth.astype(np.int64), truth.astype(np.float32), torch.from_numpy(truth), clear, tmp_path / "mask.png"]
    given += [tmp_path / "labels.png", tmp_path / "one_bit.png", np.where(truth, 128, 127).astype(np.uint8)]
    for mask in given:
        np.testing.assert_array_equal(read_mask(mask, H, W).numpy(), truth)


def test_depth_kinds(tmp_path):
    disp = np.arange(H * W, dtype=np.uint16).reshape(H, W)
    z = np.linspace(9, 1, H * W, dtype=np.float32).reshape(H, W)  # farther above, as a photo has it
    cv2.imwrite(str(tmp_path / "depth16.png"), disp)
    cv2.imwrite(str(tmp_path / "depth8.png"), (disp // 4).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "grey.jpg"), cv2.merge([(disp // 4).astype(np.uint8)] * 3))
    cv2.imwrite(str(tmp_path / "z.pfm"), z)
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "disp.npy", disp)
    for name, kind, truth in (
        ("depth16.png", "disparity", disp),
        ("depth8.png", "disparity", disp // 4),
        ("disp.npy", "disparity", disp),
        ("z.npy", "metric", z),
        ("z.pfm", "metric", z),
    ):
        depth, read_kind = read_depth(tmp_path / name, H, W)
        assert read_kind == kind and depth.dtype == torch.float32
        np.testing.assert_array_equal(depth.numpy(), truth.astype(np.float32), err_msg=name)
    assert read_depth(tmp_path / "grey.jpg", H, W)[1] == "disparity"
    assert read_depth(z.astype(np.float64), H, W)[1] == "metric"
    assert read_depth(torch.from_numpy(z)[..., None], H, W)[1] == "metric"
    assert read_depth(PIL.Image.fromarray(disp), H, W)[1] == "disparity"


def test_pfm_rows_run_upward_in_the_file(tmp_path):
    rows = np.arange(1, 7, dtype="<f4").reshape(2, 3)
    (tmp_path / "z.pfm").write_bytes(b"Pf\n3 2\n-1.0\n" + rows[::-1].tobytes())
    np.testing.assert_array_equal(read_depth(tmp_path / "z.pfm", 2, 3, kind="metric")[0].numpy(), rows)


def test_flow(tmp_path):
    flow = np.random.default_rng(0).normal(size=(H, W, 2)).astype(np.float32)
    np.save(tmp_path / "flow.npy", flow.astype(np.float64))
    flow_with_gap = flow.copy()
    flow_with_gap[2, 3] = 1e10
    (tmp_path / "flow.flo").write_bytes(b"PIEH" + struct.pack("<ii", W, H) + flow_with_gap.tobytes())
    np.testing.assert_array_equal(read_flow(tmp_path / "flow.npy", H, W).numpy(), flow)
    flow[2, 3] = 0
    np.testing.assert_array_equal(read_flow(tmp_path / "flow.flo", H, W).numpy(), flow)


# Hints


def annotation(shapes: list[dict], **header) -> dict:
    return {"version": "5.0.2", "imageHeight": H, "imageWidth": W, "imageData": None, "shapes": shapes} | header


def shape(label: str, points: list, shape_type: str = "polygon", **more) -> dict:
    return {"label": label, "points": points, "shape_type": shape_type} | more


def read_annotation(tmp_path: Path, content: dict | list, height: int = H, width: int = W, mask=None) -> MotionHints:
    (tmp_path / "hints.json").write_text(json.dumps(content))
    return read_hints(tmp_path / "hints.json", height, width, mask)


def test_arrows(tmp_path):
    arrows = [((1, 2), (3.5, 4)), ((5, 6), (-7, 60))]
    for hints in (read_hints(arrows, H, W), read_hints(np.array(arrows), H, W), read_annotation(tmp_path, arrows)):
        assert hints.arrows.tolist() == [[[1, 2], [3.5, 4]], [[5, 6], [-7, 60]]]
        assert hints.mask is None and hints.freeze is None
    assert read_hints(None, H, W).arrows.shape == (0, 2, 2)


def test_labelme_shapes(tmp_path):
    with pytest.warns(InputWarning, match=r"hints: left out, .*: tree \(1\)"):
        hints = read_annotation(
            tmp_path,
            annotation(
                [
                    shape("motion", [[2, 3], [12, 3], [12, 9], [2, 9]]),
                    shape("motion", [[20, 10], [24, 10]], "circle"),
                    shape("freeze rock", [[4, 4], [6, 6]], "rectangle"),
                    shape("tree", [[0, 0]], "point"),
                    shape("hint0", [[15, 15], [18, 19]], "line"),
                ]
            ),
        )
    y, x = np.mgrid[0:H, 0:W] + 0.5
    box = (x > 2) & (x < 12) & (y > 3) & (y < 9)
    np.testing.assert_array_equal(hints.mask.numpy(), box | (np.hypot(x - 20, y - 10) < 4))
    assert hints.freeze[4:6, 4:6].all() and hints.freeze.sum() == 4
    assert hints.arrows.tolist() == [[[15, 15], [18, 19]]]


def test_a_hint_line_is_no_part_of_the_mask(tmp_path):
    square = shape("motion", [[2, 2], [8, 2], [8, 8], [2, 8]])
    line = shape("hint1", [[12, 12], [25, 12]], "line")
    with_line = read_annotation(tmp_path, annotation([square, line]))
    without = read_annotation(tmp_path, annotation([square]))
    assert torch.equal(with_line.mask, without.mask)


def test_old_labelme_layout(tmp_path):
    picture = io.BytesIO()
    PIL.Image.new("RGB", (W, H)).save(picture, "PNG")
    old = {
        "flags": {},
        "imageData": base64.b64encode(picture.getvalue()).decode(),
        "lineColor": [0, 255, 0, 128],
        "shapes": [
            {"label": "motion", "line_color": None, "fill_color": None, "points": [[0, 0], [W, 0], [W, 10], [0, 10]]},
            {"label": "hint", "line_color": None, "fill_color": None, "points": [[1, 1], [4, 5]]},
        ],
    }
    hints = read_annotation(tmp_path, old, 2 * H, 2 * W)
    assert hints.mask[:19].all() and not hints.mask[21:].any()
    assert hints.arrows.tolist() == [[[2, 2], [8, 10]]]


def test_annotation_of_a_scaled_copy(tmp_path):
    hints = read_annotation(tmp_path, annotation([shape("hint", [[3, 4], [6, 8]], "line")]), 2 * H, 2 * W)
    assert hints.arrows.tolist() == [[[6, 8], [12, 16]]]


def test_a_strip_is_one_arrow_along_a_bent_way(tmp_path):
    hints = read_annotation(tmp_path, annotation([shape("hint", [[2, 2], [5, 2], [5, 6]], "linestrip")]))
    assert hints.arrows.tolist() == [[[2, 2], [9, 2]], [[5, 2], [5, 9]]]


def png_of(bits: list[list[int]]) -> str:
    bitmap = io.BytesIO()
    PIL.Image.fromarray(np.array(bits, bool)).save(bitmap, "PNG")
    return base64.b64encode(bitmap.getvalue()).decode()


def test_a_labelme_bitmap_keeps_its_own_size(tmp_path):
    """Its box counts both corners: 5 x 3 px from (4, 6) to (8, 8)."""
    bits = [[1, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    hints = read_annotation(tmp_path, annotation([shape("motion", [[4, 6], [8, 8]], "mask", mask=png_of(bits))]))
    expected = torch.zeros(H, W, dtype=torch.bool)
    expected[6:9, 4:9] = torch.tensor(bits, dtype=torch.bool)
    assert torch.equal(hints.mask, expected)
    twice = read_annotation(tmp_path, annotation([shape("motion", [[4, 6], [8, 8]], "mask", mask=png_of(bits))]), 2 * H, 2 * W)
    assert torch.equal(twice.mask, expected.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_a_bitmap_beyond_the_picture_takes_no_memory_and_is_told(tmp_path):
    corners = [[-9e5, -9e5], [9e5, 9e5]]
    with pytest.warns(InputWarning, match="marks nothing of the picture"):
        hints = read_annotation(tmp_path, annotation([shape("motion", corners, "mask", mask=png_of([[0, 1], [1, 0]]))]))
    assert not hints.mask.any()


def test_polygon_beyond_the_border_and_with_a_hole(tmp_path):
    ring = [[-10, -10], [W + 5, -10], [W + 5, H + 5], [-10, H + 5], [-10, -10], [5, 5], [5, 10], [15, 10], [15, 5], [5, 5]]
    moving = read_annotation(tmp_path, annotation([shape("motion", ring)])).mask
    hole = torch.zeros(H, W, dtype=torch.bool)
    hole[5:10, 5:15] = True
    assert torch.equal(moving, ~hole)


def test_published_annotations(shared):
    for name, suffix, num_arrows in (("demo0", "png", 5), ("demo1", "jpg", 11)):
        folder = shared / "photos" / name
        height, width = read_photo(folder / f"image.{suffix}").size
        hints = read_hints(folder / "image.json", height, width)
        stored = read_mask(folder / "image_json" / "mask.png", height, width)
        assert len(hints.arrows) == num_arrows
        # The stored masks come from a drawing that includes the outline: half a pixel wider all round.
        assert (hints.mask & stored).sum() / (hints.mask | stored).sum() > 0.985


def test_an_explicit_mask_replaces_the_annotations(tmp_path):
    explicit = np.zeros((H, W), bool)
    explicit[0, 0] = True
    hints = read_annotation(tmp_path, annotation([shape("motion", [[2, 2], [8, 2], [8, 8]])]), mask=explicit)
    np.testing.assert_array_equal(hints.mask.numpy(), explicit)


# Videos


def waving(num_frames: int = 7, height: int = 48, width: int = 64) -> list[np.ndarray]:
    return [np.roll(cv2.GaussianBlur(smooth_picture(height, width), (0, 0), 3), 2 * n, axis=1) for n in range(num_frames)]


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as box:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)])


@pytest.mark.parametrize(("suffix", "least_db"), [(".mp4", 34), (".webm", 34), (".gif", 30), (".apng", 90), (".webp", 30)])
def test_video_plays_back(tmp_path, suffix, least_db):
    frames = waving()
    path = write_video(tmp_path / f"loop{suffix}", (torch.from_numpy(frame) for frame in frames), fps=20)
    assert path == tmp_path / f"loop{suffix}"
    if suffix == ".webp":
        with PIL.Image.open(path) as picture:
            decoded = np.stack([np.asarray(frame.convert("RGB")) for frame in PIL.ImageSequence.Iterator(picture)])
            assert picture.info["loop"] == 0 and picture.info["duration"] == 50
    else:
        decoded = decode(path)
        with av.open(str(path)) as box:
            assert box.streams.video[0].average_rate == 20
    assert decoded.shape == (7, 48, 64, 3)
    assert psnr(decoded, np.stack(frames)) > least_db
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_mp4_is_tagged_as_it_is_coded(tmp_path):
    path = write_video(tmp_path / "red.mp4", [np.full((32, 32, 3), (255, 0, 0), np.uint8)] * 2)
    with av.open(str(path)) as box:
        frame = next(box.decode(video=0))
        y, u, v = (np.asarray(plane)[0] for plane in frame.planes)
        assert (y, u, v) == pytest.approx((63, 102, 240), abs=1)  # BT.709, limited range
        context = box.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # playable before it is loaded to the end


@pytest.mark.parametrize(("fps", "rate"), [(25, 25), (29.97, 29.97), (12.5, 12.5), (60, 60)])
def test_frame_rate(tmp_path, fps, rate):
    with av.open(str(write_video(tmp_path / "v.mp4", waving(12), fps))) as box:
        assert float(box.streams.video[0].average_rate) == pytest.approx(rate, abs=1e-3)


def test_odd_sizes_lose_their_last_row_and_column(tmp_path):
    frames = waving(2, 49, 65)
    assert output_size("v.mp4", 49, 65) == (48, 64)
    assert output_size("v.gif", 49, 65) == output_size("folder", 49, 65) == (49, 65)
    decoded = decode(write_video(tmp_path / "v.mp4", frames))
    assert decoded.shape[1:3] == (48, 64)
    assert psnr(decoded[0], frames[0][:48, :64]) > 34
    assert decode(write_video(tmp_path / "v.gif", frames)).shape[1:3] == (49, 65)


@pytest.mark.parametrize("given", ["frames", "frames/"])
def test_folder_of_pngs(tmp_path, given):
    frames = waving()
    for batch in (frames, frames[:3]):  # the second replaces the first
        folder = write_video(f"{tmp_path}/{given}", batch)
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"frame_{n:04d}.png" for n in range(len(batch))]
        np.testing.assert_array_equal(u8(read_photo(folder / names[-1])), batch[-1])
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_a_folder_that_cannot_take_the_others_place_leaves_the_old_one(tmp_path, monkeypatch):
    folder = write_video(tmp_path / "frames", waving(3))
    before = sorted((path.name, path.read_bytes()) for path in folder.iterdir())
    moves = []

    def replace(self, target):
        moves.append((self.name, Path(target).name))
        if self.suffix == ".part":
            assert any(path.suffix == ".old" and len(list(path.iterdir())) == 3 for path in tmp_path.iterdir())
            raise PermissionError("no")
        return rename(self, target)

    rename = Path.replace
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError):
        write_video(folder, waving(2))
    assert len(moves) == 3, "aside, in, and back"
    assert sorted((path.name, path.read_bytes()) for path in folder.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


@pytest.mark.parametrize("name", ["v.gif", "v.apng", "v.webp", "folder"])
def test_a_single_pixel_where_the_format_holds_one(tmp_path, name):
    out = write_video(tmp_path / name, [np.full((1, 1, 3), 200, np.uint8)] * 2)
    assert out.exists()


@pytest.mark.parametrize("name", ["v.mp4", "v.webm"])
def test_a_single_pixel_is_too_little_for_a_video(tmp_path, name):
    with pytest.raises(ValueError, match=rf"^frames: expected at least 2 x 2 px for {name}, got 5 x 1$"):
        write_video(tmp_path / name, [np.zeros((1, 5, 3), np.uint8)] * 2)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_rendering_leaves_what_stood_there(tmp_path):
    path = write_video(tmp_path / "v.mp4", waving(3))
    before = path.read_bytes()

    def failing():
        yield from waving(3)
        raise KeyboardInterrupt

    for out in (path, tmp_path / "frames"):
        with pytest.raises(KeyboardInterrupt):
            write_video(out, failing())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["v.mp4"]


def test_rendering_and_encoding_overlap(tmp_path):
    encoding_seen = threading.Event()

    def frames():
        for n, frame in enumerate(waving(40)):
            if any(t.name.startswith("c3drender-encode") for t in threading.enumerate()) and n > 8:
                encoding_seen.set()
            yield frame

    write_video(tmp_path / "v.mp4", frames())
    assert encoding_seen.is_set()


def test_gif_frame_rate_is_limited(tmp_path):
    check_output(tmp_path / "v.gif", FPS_LIMITS_OF[".gif"][1])
    with pytest.raises(ValueError, match=r"0\.002 to 50"):
        check_output(tmp_path / "v.gif", FPS_LIMITS_OF[".gif"][1] + 1)


def test_checking_the_output_leaves_nothing(tmp_path):
    for name in ("v.mp4", "frames", "v.gif"):
        check_output(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_write_picture(tmp_path):
    path = write_picture(tmp_path / "p.png", torch.from_numpy(smooth_picture()))
    np.testing.assert_array_equal(u8(read_photo(path)), smooth_picture())


# Scenes
