"""Videos as they are asked for: codecs, loops in one file, small GIFs, other proportions, both eyes; and the seam's score."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
import pytest
import torch

import c3drender as c3d
from c3drender.data import Camera, DepthSpan, Layers, Lens
from c3drender.files.container import CODECS, CONTAINERS
from c3drender.files.scene import Scene
from c3drender.files.video import write_video
from c3drender.pipeline.crop import Window, read_aspect, window_of
from c3drender.pipeline.cutout import cutouts_of
from c3drender.pipeline.quilt import quilt_of, read_quilt
from c3drender.pipeline.shot import Shot, shot_of
from c3drender.pipeline.stereo import LAYOUTS, aside, eye_px, eyes_of, picture_of
from c3drender.pixels.seam import SeamScore

H, W = 64, 96


def turning(count: int = 6, height: int = H, width: int = W) -> list[np.ndarray]:
    """A smooth texture that runs once around its width."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(np.tile(noise, (1, 3, 1)), (0, 0), 4)[:, width : 2 * width]
    texture = cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX)
    return [np.roll(texture, n * width // count, axis=1) for n in range(count)]


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as box:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)])


KINDS = [(suffix, codec) for suffix, kind in CONTAINERS.items() for codec in kind.codecs]


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_every_codec_repeats_its_period(suffix: str, codec: str, tmp_path: Path) -> None:
    if not any(encoder in av.codecs_available for encoder in CODECS[codec].encoders):
        pytest.skip(f"this build of FFmpeg has no encoder of {codec}")
    frames = turning()
    path = write_video(tmp_path / f"v{suffix}", frames, 25, codec=codec, loops=3)
    shown = decoded(path)
    assert shown.shape == (18, H, W, 3)
    for turn in range(3):
        np.testing.assert_array_equal(shown[6 * turn : 6 * turn + 6], shown[:6])
    assert all(np.abs(a.astype(int) - b).mean() < 10 for a, b in zip(shown, frames, strict=False))
    with av.open(str(path)) as box:
        packets = [packet for packet in box.demux(video=0) if packet.dts is not None]
        times = [float(packet.dts * packet.time_base) for packet in packets]
        assert times == sorted(times) and float(box.duration) / av.time_base == pytest.approx(18 / 25, abs=0.05)
        assert box.streams.video[0].codec_context.name.startswith({"prores": "prores", "av1": ""}.get(codec, codec))


def test_quality_rate_depth_and_primaries(tmp_path: Path) -> None:
    frames = turning()
    fine, coarse = (write_video(tmp_path / f"{crf}.mp4", frames, 25, crf=crf) for crf in (5, 45))
    assert fine.stat().st_size > 2 * coarse.stat().st_size
    deep = write_video(tmp_path / "deep.mp4", frames, 25, bits=10, color="p3")
    with av.open(str(deep)) as box:
        context = box.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p10le" and context.color_primaries == 12
    for name in ("v.mp4", "v.mov", "v.webm", "v.mkv"):
        for color, primaries in (("srgb", 1), ("p3", 12)):
            with av.open(str(write_video(tmp_path / name, frames, 25, color=color))) as box:
                frame = next(box.decode(video=0))
                assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (primaries, 1, 1)
    long = turning() * 10
    slow, fast = (write_video(tmp_path / f"{rate}.mp4", long, 25, bitrate=rate) for rate in (100_000, 2_000_000))
    assert slow.stat().st_size < fast.stat().st_size


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        ("v.mp4", {"codec": "vp9"}, "codec: expected one of h264, hevc, av1 for .mp4, got 'vp9'"),
        ("v.gif", {"codec": "h264"}, "codec: expected a video"),
        ("v.gif", {"loops": 2}, "loops: expected a video .* got .gif, which loops by itself"),
        ("v.mp4", {"loops": 0}, "loops: expected >= 1, got 0"),
        ("v.mp4", {"crf": 60}, "crf: expected 0 to 51 for h264, got 60"),
        ("v.mov", {"crf": 10}, "crf: expected none for prores, got 10"),
        ("v.mp4", {"crf": 10, "bitrate": 10**6}, "crf: expected crf or bitrate, got both"),
        ("v.webm", {"bits": 10}, "bits: expected 8 for vp9, got 10"),
        ("v.mp4", {"bits": 12}, "bits: expected 8, or 10"),
        ("v.mp4", {"max_mb": 3}, "max_mb: expected a .gif, got .mp4"),
        ("v.gif", {"max_mb": 0}, "max_mb: expected a number > 0, got 0"),
        ("v.gif", {"max_mb": 1e-4}, "max_mb: expected room for 6 frames of 32 px a side"),
        ("v.gif", {"color": "p3"}, "color: expected a video or a folder"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    out: str, options: dict, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words):
        write_video(out, turning(), 25, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_gif_shrinks_until_it_fits(tmp_path: Path) -> None:
    frames = turning(8, 120, 160)
    whole = write_video(tmp_path / "whole.gif", frames, 10).stat().st_size
    small = write_video(tmp_path / "small.gif", frames, 10, max_mb=0.4 * whole / 2**20)
    assert 0.15 * whole < small.stat().st_size <= 0.4 * whole
    shown = decoded(small)
    assert len(shown) == 8 and abs(shown.shape[2] / shown.shape[1] - 160 / 120) < 0.03


def test_the_dither_of_a_gif_stands_still(tmp_path: Path) -> None:
    """A small thing that moves over a ramp changes the ramp nowhere else."""
    ramp = np.tile(np.linspace(60, 200, 160).astype(np.uint8)[None, :, None], (120, 1, 3))
    frames = []
    for n in range(4):
        frame = ramp.copy()
        frame[10:18, 10 + 8 * n : 18 + 8 * n] = (255, 0, 0)
        frames.append(frame)
    shown = decoded(write_video(tmp_path / "v.gif", frames, 10))
    assert (shown[1:, 20:] == shown[:1, 20:]).all()


def test_the_seams_score() -> None:
    def score(frames: list[np.ndarray]) -> float | None:
        seam = SeamScore()
        for frame in frames:
            seam.add(frame)
        return seam.score

    loop = [np.full((H, W, 3), 128 + 100 * np.cos(2 * np.pi * n / 24), np.uint8) for n in range(24)]
    assert score(loop) < 1.2
    assert score(loop[:12]) > 8  # half of it does not close
    assert score([loop[0]] * 5) is None and score(loop[:2]) is None


def scene_of(moving_x: slice, near_x: slice) -> Scene:
    moving = torch.zeros(1, H, W, dtype=torch.bool)
    moving[:, :, moving_x] = True
    z_cam = torch.full((1, H, W), 4.0)
    z_cam[:, :, near_x] = 1.0
    step_px = moving[..., None] * torch.tensor([1.0, 0.0])
    seen, alpha = torch.ones(1, H, W, dtype=torch.bool), torch.ones(1, H, W)
    rgb = torch.from_numpy(turning()[0] / 255.0).float()[None]
    layers = Layers.from_planes(rgb, alpha, z_cam, seen, step_px, moving, 0)
    return Scene(Camera.for_photo(W, H), layers, DepthSpan(1.0, 0.25, 0.5))


def test_a_crop_goes_where_things_are() -> None:
    nothing = slice(0, 0)
    for wanted in (slice(70, 90), slice(5, 25)):
        for scene in (scene_of(wanted, nothing), scene_of(nothing, wanted)):
            window = window_of(scene, read_aspect("1:2"))
            left = window.left_px[0]
            assert (window.width, window.height, window.top_px[0]) == (32, H, 0)
            assert left <= wanted.start and wanted.stop <= left + 32
    assert window_of(scene_of(nothing, nothing), 1.0).left_px[0] == 16  # nothing in particular: the middle
    assert read_aspect("9:16") == 9 / 16 and read_aspect(None) is None
    for bad in ("9", "0:1", "1:100", "wide"):
        with pytest.raises(ValueError, match="aspect: expected WIDTH:HEIGHT"):
            read_aspect(bad)


def test_both_eyes_meet_at_the_focus() -> None:
    span = DepthSpan(1.0, 0.25, 0.5)
    view = Camera.for_photo(W, H)
    left, right = eyes_of(view, span, 2.0)

    def seen_x(eye: Camera, disp: float) -> float:
        x = eye.pose[0, 3].item()
        return eye.fx * x * disp + eye.cx

    assert seen_x(left, span.focus) == pytest.approx(seen_x(right, span.focus)) == pytest.approx(view.cx)
    near, far = (seen_x(left, disp) - seen_x(right, disp) for disp in (span.near, span.far))
    assert near > 0 > far  # what is near lies before the screen: the left eye sees it farther to the right
    assert near - far == pytest.approx(0.02 * W)


def shot_along(scene: Scene, camera: str = "still", frames: int = 4, window: Window | None = None) -> Shot:
    path = c3d.camera_path(scene, camera, frames)
    return shot_of(c3d.animate(scene, frames=frames).draw, scene, path, None, window)


def test_a_window_is_a_part_of_the_picture() -> None:
    scene = scene_of(slice(0, 0), slice(40, 60))
    window = Window(np.array([10.0]), np.array([5.0]), 40, 30)
    for camera in ("still", "swing"):
        whole, part = (shot_along(scene, camera, window=w).taken(1).rgb_u8.numpy() for w in (None, window))
        assert np.abs(whole[5:35, 10:50].astype(int) - part).max() <= 1


def test_a_window_follows_and_comes_back() -> None:
    near, moving = slice(4, 20), slice(76, 92)
    scene = scene_of(moving, near)
    path = c3d.camera_path(scene, "swing", 24)
    window = window_of(scene, 0.5, path)
    left = window.left_px
    assert left.min() >= 0 and left.max() <= W - window.width
    centre = left + window.width / 2
    assert centre[0] < centre[12], "it begins at what is near and turns at what moves"
    steps = np.diff(np.append(left, left[0]))
    assert np.abs(np.diff(np.append(steps, steps[0]))).max() < 0.35 * np.abs(steps).max(), "without a jerk"
    view = scene.camera.with_pose(torch.eye(3, 4))
    assert window.of(view, -0.5).cx == window.of(view, 23.5).cx
    still = window_of(scene_of(slice(0, 0), near), 0.5, c3d.camera_path(scene, "still", 24))
    assert np.ptp(still.left_px) < 1e-6, "where nothing moves, neither does it"


def test_a_window_goes_with_what_is_near() -> None:
    """As the camera swings, what is near moves across the picture, but hardly across the window."""
    scene = scene_of(slice(0, 0), slice(40, 56))
    path = c3d.camera_path(scene, "swing", 16)
    window = window_of(scene, 0.5, path)
    xyz = scene.camera.unproject(torch.tensor([[48.0, 32.0]]), torch.tensor([1.0]))[0]

    def seen_x(view: Camera) -> float:
        x, _, z = (view.pose[:, :3] @ xyz + view.pose[:, 3]).tolist()
        return view.fx * x / z + view.cx

    views = [scene.camera.with_pose(pose) for pose in path.world_to_cam]
    free = np.ptp([seen_x(view) for view in views])
    held = np.ptp([seen_x(window.of(view, n)) for n, view in enumerate(views)])
    assert held < 0.2 * free and free > 1


def test_a_quilt_goes_from_left_to_right_from_below(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = scene_of(slice(0, 0), slice(40, 56))
    quilt = read_quilt("4x2")
    tiles = quilt_of(shot_along(scene), quilt, 5.0, 0)
    assert tiles.shape == (2 * H, 4 * W, 3)
    views = [tiles[(1 - n // 4) * H :][:H, (n % 4) * W :][:, :W] for n in range(8)]
    for n in (0, 3, 7):
        eye = aside(scene.camera.with_pose(torch.eye(3, 4)), scene.span, 5.0, n / 7 - 0.5)
        np.testing.assert_array_equal(views[n], c3d.animate(scene, frames=4).draw(eye, 0).rgb_u8.numpy())
    assert quilt.named(Path("a.mp4"), 0.75) == Path("a_qs4x2a0.75.mp4") == quilt.named(Path("a_qs4x2a0.75.mp4"), 0.75)
    monkeypatch.setattr("c3drender.pipeline.quilt.MOST_PX", 100)
    assert quilt_of(shot_along(scene), read_quilt("2x1"), 5.0, 0).shape == (2 * int(50 / W * H / 2), 100, 3)
    for bad in ("8", "0x4", "1x1", "99x99", 8):
        with pytest.raises(ValueError, match="quilt: expected COLUMNSxROWS"):
            read_quilt(bad)


def test_depth_beside_colour() -> None:
    scene = scene_of(slice(0, 0), slice(40, 56))
    picture = picture_of(shot_along(scene), "rgbd", 2.0, 0)
    depth = picture[:, W:]
    assert picture.shape == (H, 2 * W, 3) and (depth[..., 0] == depth[..., 2]).all()
    far, near = scene.span.limits
    for column, disp in ((48, 1.0), (10, 0.25)):
        assert depth[20, column, 0] == pytest.approx(255 * (disp - far) / (near - far), abs=1)


def test_a_half_sphere_shows_angles() -> None:
    """What lies at an angle in the photo lies at that angle in the headset; beyond the photo it is black."""
    scene = scene_of(slice(0, 0), slice(40, 56))
    picture = picture_of(shot_along(scene), "vr180", 0.001, 0)
    side = eye_px(scene.camera)
    assert picture.shape == (side, 2 * side, 3) and side == 2 * round(np.pi * W / 2)
    flat = shot_along(scene).taken(0).rgb_u8.numpy().astype(int)
    for x, y in ((80, 32), (20, 50), (48, 10)):
        ray = np.array([(x + 0.5 - W / 2) / W, (y + 0.5 - H / 2) / W])
        longitude = np.arctan(ray[0])
        latitude = np.arctan(ray[1] * np.cos(longitude))
        column, row = (int((angle / np.pi + 0.5) * side) for angle in (longitude, latitude))
        assert np.abs(picture[row, column].astype(int) - flat[y, x]).max() < 20
    edge = int((np.arctan(0.5) / np.pi + 0.5) * side)
    assert picture[side // 2, edge - 3].any() and not picture[side // 2, edge + 3 : side].any()
    assert not picture[: side // 4].any()


def test_what_is_cut_out() -> None:
    scene = scene_of(slice(60, 90), slice(10, 30))
    animation = c3d.animate(scene, frames=4)
    shot = shot_along(scene)
    for kind, there, away in (("moving", slice(66, 84), slice(0, 50)), ("near", slice(14, 26), slice(40, 96))):
        pictures = list(cutouts_of(shot, animation.cover, kind))
        assert len(pictures) == 4 and pictures[0].shape == (H, W, 4)
        for n, picture in enumerate(pictures):
            assert (picture[5:-5, there, 3] > 250).mean() > 0.97 and (picture[5:-5, away, 3] < 5).all()
            np.testing.assert_array_equal(picture[..., :3], shot.taken(n).rgb_u8.numpy())


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        ("o.mp4", {"quilt": "8x6", "stereo": "sbs"}, "quilt: expected stereo or quilt, got both"),
        ("o", {"quilt": "8x6"}, "quilt: expected a video or a picture, whose name says how it lies, got the folder 'o'"),
        ("o.mp4", {"follow": True}, "follow: expected an aspect with it"),
        ("o.mov", {"alpha": "all"}, "alpha: expected moving or near, got 'all'"),
        ("o.mov", {"alpha": "near", "stereo": "sbs"}, "alpha: expected no stereo with it, got both"),
        ("o.mov", {"alpha": "near", "lens": Lens(shutter=90)}, "alpha: expected no f_number or shutter with it"),
        ("o.mp4", {"alpha": "near"}, "alpha: expected a codec that has it"),
        ("o.webm", {"stereo": "vr180"}, r"stereo: expected \.mp4 or \.mov for vr180"),
        ("o.mp4", {"stereo": "both"}, "stereo: expected one of sbs, half-sbs, tb, anaglyph, vr180, rgbd, got 'both'"),
        ("o.png", {"duration": 3.0}, "duration: expected a video, got the still 'o.png'"),
        ("o.png", {"loops": 3}, "loops: expected a video"),
        ("o.png", {"codec": "h264"}, "codec: expected a video"),
        ("o.jpg", {"alpha": "near"}, r"alpha: expected a \.png"),
        ("o.mp4", {"poster": "p.txt"}, "poster: expected the suffix of a picture"),
        ("o.mp4", {"depth_out": "d.mp4"}, r"depth_out: expected \.mkv"),
        ("o.mkv", {"depth_out": "o.mkv"}, "depth_out: expected a name of its own, got o.mkv, which is out"),
        ("o.mp4", {"lens": 2.8}, "lens: expected a Lens, got float"),
    ],
)
def test_what_does_not_go_together(
    out: str, options: dict, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError), match=words):
        c3d.render_cinemagraph("not looked at.jpg", out, progress=False, **options)
    assert list(tmp_path.iterdir()) == []


def test_layouts() -> None:
    left, right = turning()[:2]
    assert LAYOUTS["sbs"](left, right).shape == (H, 2 * W, 3)
    assert LAYOUTS["half-sbs"](left, right).shape == (H, W, 3)
    assert LAYOUTS["tb"](left, right).shape == (2 * H, W, 3)
    grey = np.full((H, W, 3), 128, np.uint8)
    assert np.abs(LAYOUTS["anaglyph"](grey, grey).astype(int) - 128).max() < 20
    red = LAYOUTS["anaglyph"](grey, np.zeros_like(grey))[0, 0]
    assert red[0] > 100 > red[1] + red[2]  # the left eye's is red


def test_all_of_it_from_a_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.zeros((H, W), bool)
    mask[40:] = True
    options = {"mask": mask, "depth": np.tile(np.linspace(9, 1, H)[:, None], (1, W)), "frames": 4, "fps": 10}
    beside = {"poster": tmp_path / "p.png", "depth_out": tmp_path / "depth"}
    out = c3d.render_cinemagraph(
        turning()[0], tmp_path / "o.mp4", **options, **beside, aspect="1:1", follow=True, stereo="sbs", duration=0.8
    )
    assert decoded(out).shape == (8, 64, 128, 3)
    assert PIL.Image.open(beside["poster"]).size == (128, 64)
    assert len(list(beside["depth_out"].iterdir())) == 4
    said = capsys.readouterr().out
    assert "loops: 2 of 0.4 s, 0.8 s in all" in said and "seam: " in said
    still = c3d.render_cinemagraph(
        turning()[0], tmp_path / "q.png", **options, quilt="2x2", lens=c3d.Lens(f_number=4, focus=(90, 60), samples=2)
    )
    assert still.name == "q_qs2x2a0.75.png" and PIL.Image.open(still).size == (96, 128)
