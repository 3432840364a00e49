"""convert_to_yuv against a float64 reference, against FFmpeg's own conversion, and what must hold without them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import reference
import torch
from av.video.reformatter import ColorPrimaries

from c3drender import ops
from c3drender.files.coded_frames import bt709_frames

WITHIN = 0.5 + 1e-3  # of the real number that was rounded


def noise(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


def planes_of(yuv: torch.Tensor) -> tuple[np.ndarray, ...]:
    height, width = yuv.shape[0] * 2 // 3, yuv.shape[1]
    luma, chroma = yuv[:height].numpy(), yuv[height:].reshape(2, height // 2, width // 2).numpy()
    return luma, chroma[0], chroma[1]


@pytest.mark.parametrize("size", [(2, 2), (4, 126), (6, 128), (2, 130), (34, 510), (720, 1280)])
def test_it_is_bt709(size: tuple[int, int]) -> None:
    rgb_u8 = noise(*size)
    for got, want in zip(planes_of(ops.convert_to_yuv(rgb_u8)), reference.convert_to_yuv(rgb_u8), strict=True):
        assert got.shape == want.shape and np.abs(got - want).max() <= WITHIN


def test_every_colour() -> None:
    """In steps of 3, each in four pixels alike: luma and chroma of the colour itself."""
    levels = np.arange(0, 256, 3)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(86, -1, 3).astype(np.uint8)
    rgb_u8 = torch.from_numpy(colours).repeat_interleave(2, 0).repeat_interleave(2, 1)
    planes = planes_of(ops.convert_to_yuv(rgb_u8))
    for got, want in zip(planes, reference.convert_to_yuv(rgb_u8), strict=True):
        assert np.abs(got - want).max() <= WITHIN
    assert [(plane.min(), plane.max()) for plane in planes] == [(16, 235), (16, 240), (16, 240)]


def test_grey_has_no_chroma() -> None:
    grey = torch.arange(256, dtype=torch.uint8).repeat_interleave(2).expand(2, 512)[..., None].expand(2, 512, 3)
    luma, *chroma = planes_of(ops.convert_to_yuv(grey))
    assert luma[0, 0] == 16 and luma[0, -1] == 235 and (np.diff(luma[0].astype(int)) >= 0).all()
    assert all((plane == 128).all() for plane in chroma)


@pytest.mark.parametrize("height", [64, 66])
def test_it_is_what_ffmpeg_makes_of_it(height: int) -> None:
    """By the way that other pixel formats take: 10 bits, four times as fine."""
    rgb_u8 = noise(height, 96).numpy()
    ours, finer = (
        next(bt709_frames([rgb_u8], Fraction(25), pixels, ColorPrimaries.BT709)) for pixels in ("yuv420p", "yuv420p10le")
    )
    assert (ours.colorspace, ours.color_range, ours.pts) == (finer.colorspace, finer.color_range, 0)
    assert np.abs(ours.to_ndarray() - finer.to_ndarray() / 4).max() <= 1


def test_strides_and_read_only_arrays(recwarn: pytest.WarningsRecorder) -> None:
    wide = noise(8, 40)
    part = wide[:, 4:36]
    assert torch.equal(ops.convert_to_yuv(part), ops.convert_to_yuv(part.contiguous()))
    array = part.numpy().copy()
    array.flags.writeable = False
    frame = next(bt709_frames([array], Fraction(25), "yuv420p", ColorPrimaries.BT709))
    assert np.array_equal(frame.to_ndarray(), ops.convert_to_yuv(part).numpy()) and len(recwarn) == 0


@pytest.mark.parametrize("size", [(0, 4), (4, 0)])
def test_empty(size: tuple[int, int]) -> None:
    yuv = ops.convert_to_yuv(torch.zeros(*size, 3, dtype=torch.uint8))
    assert yuv.shape == (size[0] * 3 // 2, size[1])


def test_bad_input() -> None:
    rgb_u8 = torch.zeros(4, 6, 3, dtype=torch.uint8)
    for given, error, argument in (
        (rgb_u8.float(), TypeError, "rgb must be uint8"),
        (rgb_u8[..., :2], ValueError, r"rgb must be \[H, W, 3\]"),
        (rgb_u8[:3], ValueError, r"rgb must be \[H, W, 3\] with even H and W, got \[3, 6, 3\]"),
        (rgb_u8[:, :5], ValueError, r"rgb must be \[H, W, 3\] with even H and W, got \[4, 5, 3\]"),
        (rgb_u8.numpy(), TypeError, "rgb_u8 must be a Tensor"),
    ):
        with pytest.raises(error, match=f"^convert_to_yuv: {argument}"):
            ops.convert_to_yuv(given)  # type: ignore[arg-type]
