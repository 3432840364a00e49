"""`convert_to_yuv`: a frame as encoders take it."""

from __future__ import annotations

import torch
from torch import Tensor

from .call import call, check_tensors, dense


def convert_to_yuv(rgb_u8: Tensor) -> Tensor:
    """A frame in the colours of video: Y'CbCr by ITU-R BT.709, limited range, 4:2:0.

    With R, G, B in 0..1 luma is ``E = 0.2126 R + 0.7152 G + 0.0722 B``, ``Y = 16 + 219 E``,
    ``Cb = 128 + 224 (B - E) / 1.8556`` and ``Cr = 128 + 224 (R - E) / 1.5748``, rounded to the nearest. Cb and Cr are those of
    2x2 pixels' mean: they lie in the middle between the four (chroma sample location "center"). Not differentiable.

    On the CPU the thread of the caller works alone.

    Parameters
    ----------
    rgb_u8 : Tensor
        uint8 ``[H, W, 3]``, H and W even.

    Returns
    -------
    Tensor
        uint8 ``[H * 3 / 2, W]``, as FFmpeg's ``yuv420p`` lies: Y ``[H, W]``, then Cb and Cr, ``[H / 2, W / 2]`` each.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As every op (see the head of this page).

    Examples
    --------
    >>> import torch
    >>> import c3drender as c3d
    >>> c3d.ops.convert_to_yuv(torch.full((2, 2, 3), 255, dtype=torch.uint8))
    tensor([[235, 235],
            [235, 235],
            [128, 128]], dtype=torch.uint8)
    """
    op = "convert_to_yuv"
    check_tensors(op, rgb_u8=rgb_u8)
    converted: Tensor = call(torch.ops.c3drender.convert_to_yuv, *dense(op, rgb_u8))
    return converted


@torch.library.register_fake("c3drender::convert_to_yuv")
def _(rgb: Tensor) -> Tensor:
    height, width, _ = rgb.shape
    return rgb.new_empty((height + height // 2, width))
