"""Videos as they are asked for: codecs, loops in one file, small GIFs, other proportions, both eyes; and the seam's score."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

import c3drender as c3d
from c3drender.data import Camera, DepthSpan, Layers
from c3drender.files.container import CODECS, CONTAINERS
from c3drender.files.scene import Scene
from c3drender.files.video import write_video
from c3drender.pipeline.crop import read_aspect, window_of
from c3drender.pipeline.stereo import LAYOUTS, eyes_of
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
    out = c3d.render_cinemagraph(turning()[0], tmp_path / "o.mp4", **options, aspect="1:1", stereo="sbs", duration=0.8)
    assert decoded(out).shape == (8, 64, 128, 3)
    said = capsys.readouterr().out
    assert "loops: 2 of 0.4 s, 0.8 s in all" in said and "seam: " in said
