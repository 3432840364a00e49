"""What the numbers of a depth map mean: said by the user, by the file, or told from the numbers themselves.

Two kinds come out: ``disparity``, of any range, near is large, and ``metric``, z along the view axis, > 0, in any unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .numbers import Numbers

DepthKind = Literal["disparity", "metric"]
AskedKind = Literal["auto", "disparity", "metric"]
AskedNear = Literal["auto", "bright", "dark"]
Seen = Callable[[], np.ndarray]  # how near things are, [h, w], as somebody sees it in the photo; any monotonous scale
KINDS = ("auto", "disparity", "metric")
NEARS = ("auto", "bright", "dark")

SIDE_PX = 128  # of the grid on which a map is looked at
LEAN = 0.08  # of ranks: from here on the layout of the picture says which numbers are near
STRONG_LEAN = 0.15  # from here on it speaks against what pictures usually mean
ORDER = 0.3  # of a rank correlation with what is seen in the photo: from here on it counts where the layout says nothing
STRONG_ORDER = 0.5  # from here on it counts against the layout, and more than what pictures usually mean
SKY_TIMES = 20.0  # the rest of the scene: a value so much larger, all alone, is the sky or no hit
SKY_LEAST = 1e4
FULL_SCALE_16 = 60000  # 16-bit maps that come so close to the top were stretched to it
MOST_SENSOR, LEAST_SENSOR = 50000, 100  # what sensors write: millimetres, or 1/5000 m
MARK_16, MARK_ABOVE = 65535, 0.8  # no measurement, where all others are below that share of it
MISSING = 0.0005  # share of zeros that makes them gaps
RELATIVE_NEAR = 0.25  # of the range: how far before a relative depth's 0 the camera stands (far is then 5 times near)


@dataclass(frozen=True)
class Meaning:
    """``near_large``: larger numbers are nearer. ``zero_is_gap``: a 0 is no measurement. ``relative``: a shift is unknown.
    ``why``: what a line about it says; ``sure``: it need not be warned of."""

    kind: DepthKind
    near_large: bool
    zero_is_gap: bool
    relative: bool
    why: str
    sure: bool = True


def check_asked(kind: str, near: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"depth_kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if near not in NEARS:
        raise ValueError(f"depth_near: expected one of {', '.join(NEARS)}, got {near!r}")
    if kind == "metric" and near == "bright":
        raise ValueError(
            "depth_near: expected dark or auto for metric depth, whose numbers are small where it is near, got bright"
        )


def meaning_of(
    numbers: Numbers, values: np.ndarray, kind: AskedKind = "auto", near: AskedNear = "auto", seen: Seen | None = None
) -> Meaning:
    """What ``values [H, W]`` mean, of the map ``numbers``; ``seen`` is asked only where nobody and no file says it."""
    floats = values.dtype.kind == "f" and not numbers.picture
    known = values[np.isfinite(values) & ~marks(values)]
    relative = known.size > 0 and (bool(known.min() < 0) or _is_normalised(known) if floats else _is_relative(known))
    if kind == "metric":
        shifted = relative and not (floats and known.max() < 0)  # an axis may point backwards, as OpenGL's does
        return Meaning("metric", False, not shifted, shifted, "along the view axis, as you say")
    if kind == "disparity":
        near_large = near != "dark"
        return Meaning("disparity", near_large, False, False, f"near is {'bright' if near_large else 'dark'}, as you say")
    if near == "bright":
        return Meaning("disparity", True, False, False, "near is bright, as you say")
    if near == "dark":
        return _near_is_dark(not floats and _bits(values) == 8, relative, "as you say")
    told = _told(numbers)
    if told is not None:
        return told
    if floats:
        return _of_floats(numbers, values, known, seen)
    return _of_integers(values, known, seen)


def marks(values: np.ndarray) -> np.ndarray:
    """Where a number stands for none, whatever the map means, bool ``[H, W]``: NaN, minus infinity, one negative number beside
    positive ones (-1, -9999), and the largest that 16 bits hold, far above all others."""
    if values.dtype.kind == "f":
        marked: np.ndarray = np.isnan(values) | np.isneginf(values)
    else:
        marked = np.zeros(values.shape, bool)
    rest = values[~marked]
    if rest.size and values.dtype.kind != "u" and rest.min() < 0 and _is_sentinel(rest):
        marked |= values < 0
    if values.dtype.kind in "iu" and values.dtype.itemsize > 1:
        top = values == MARK_16
        others = values[~top & ~marked]
        alone = others.size > 0 and 0 < others.max() < MARK_16 * MARK_ABOVE
        if alone and top.any() and _lean(top.astype(np.float64)) < LEAN:
            marked |= top
    return marked


@dataclass(frozen=True)
class Evidence:
    """Whether larger numbers lie where near things do (``towards`` > 0), ``by`` what, and whether that is ``sure``."""

    towards: float
    by: str
    sure: bool


def evidence(values: np.ndarray, seen: Seen | None) -> Evidence:
    """What the photo, or else the layout of ``values [H, W]`` says; NaN speaks for neither side. Where they disagree the photo
    must say it clearly: of flat colours, or a drawing, its word is a guess."""
    order, layout = 0.0 if seen is None else _order(values, seen()), lean(values)
    if abs(order) >= (STRONG_ORDER if order * layout < 0 and abs(layout) >= LEAN else ORDER):
        return Evidence(order, "as the photo shows", abs(order) >= STRONG_ORDER)
    return Evidence(layout, "as below and amid the picture", False)


def _order(values: np.ndarray, near: np.ndarray) -> float:
    """Spearman's rank correlation of both maps, on the pixels of the coarser."""
    height, width = (min(sides) for sides in zip(values.shape, near.shape, strict=True))

    def sampled(numbers: np.ndarray) -> np.ndarray:
        rows, columns = (
            (2 * np.arange(n) + 1) * side // (2 * n) for n, side in zip((height, width), numbers.shape, strict=True)
        )
        return numbers[np.ix_(rows, columns)]

    numbers = sampled(np.where(marks(values), np.nan, values.astype(np.float64)))
    known = ~np.isnan(numbers)
    if not known.any():
        return 0.0
    one, other = (_ranks(side[known]) for side in (numbers, sampled(near)))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def lean(values: np.ndarray) -> float:
    """Whether larger numbers lie where near things do, below and amid the picture (> 0), or above and around (< 0)."""
    return _lean(np.where(marks(values), np.nan, values.astype(np.float64)))


def _lean(numbers: np.ndarray) -> float:
    """`lean` of float64 ``[H, W]``, NaN where there is none."""
    step = max(min(numbers.shape) // SIDE_PX, 1)
    small = numbers[::step, ::step]
    finite = small[np.isfinite(small)]
    if min(small.shape) < 6 or finite.size == 0 or np.ptp(finite) == 0:
        return 0.0
    known = ~np.isnan(small)
    rank = np.full(small.shape, 0.5)  # what is not known speaks for neither side
    rank[known] = _ranks(small[known]) / known.sum()
    h, w = small.shape
    down = float(rank[-(h // 3) :].mean() - rank[: h // 3].mean())
    middle = np.zeros(small.shape, bool)
    middle[h // 4 : h - h // 4, w // 4 : w - w // 4] = True
    frame = np.ones(small.shape, bool)
    frame[max(h // 10, 1) : -max(h // 10, 1), max(w // 10, 1) : -max(w // 10, 1)] = False
    return down + float(rank[middle].mean() - rank[frame].mean())


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 1; equal ones share the mean of theirs. (scipy.stats has it, and takes 30 MiB and a second to import.)"""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    shares: np.ndarray = (np.cumsum(count) - (count - 1) / 2)[place]
    return shares


def sky_level(known: np.ndarray) -> float | None:
    """The value from which on numbers stand for the sky, or for no hit; None where there is none."""
    if known.size == 0:
        return None
    top = float(known.max())
    if top <= 0:
        return None
    rest = known[known < top / SKY_TIMES]
    alone = rest.size > 0 and bool((known[known >= top / SKY_TIMES] > top * 0.5).all())
    share = 1.0 - rest.size / known.size
    if alone and top >= SKY_LEAST and share < 0.99:
        return top * 0.5
    return None


def _told(numbers: Numbers) -> Meaning | None:
    """What an array's or a channel's own name says."""
    told = (numbers.told or "").lower()
    if told.startswith(("disp", "inv")):
        return Meaning("disparity", True, False, False, f"near is large, as the name {numbers.told} says")
    if numbers.suffix == ".exr" and told:
        return Meaning("metric", False, True, False, f"along the view axis, channel {numbers.told}")
    return None


def _of_floats(numbers: Numbers, values: np.ndarray, known: np.ndarray, seen: Seen | None) -> Meaning:
    metric = "metric, along the view axis"
    if known.size == 0:
        return Meaning("metric", False, True, False, metric)
    shifted, stretched = bool((known < 0).any()), _is_normalised(known)
    # A zero is no measurement, unless the numbers were shifted or stretched.
    found = evidence(values if shifted or stretched else np.where(values == 0, np.nan, values), seen)
    if numbers.suffix != ".pfm" and bool(np.isposinf(values).any()) and found.towards < LEAN:
        return Meaning("metric", False, True, False, f"{metric} (infinite in the sky)")
    if sky_level(known) is not None:
        return Meaning("metric", False, True, False, f"{metric} (the sky at {known.max():g})")
    if shifted or stretched:
        kind = "relative numbers"
        if found.towards < -LEAN:
            return Meaning("metric", False, False, True, f"{kind} of depth, near is small, {found.by}", found.sure)
        return Meaning("disparity", True, False, False, f"{kind} of disparity, near is large", found.towards > LEAN)
    if found.towards > LEAN:
        return Meaning("disparity", True, False, False, f"disparity, near is large, {found.by}", found.sure)
    if numbers.suffix == ".pfm" and found.towards > -LEAN and float(np.ptp(known)) > 0:
        return Meaning(
            "disparity", True, False, False, "disparity, near is large, as .pfm files of MiDaS and stereo have it", False
        )
    return Meaning("metric", False, True, False, metric)


def _of_integers(values: np.ndarray, known: np.ndarray, seen: Seen | None) -> Meaning:
    known = known[known > 0]
    if _bits(known) > 8 and known.size and not _is_stretched(known):
        sensor = known.min() >= LEAST_SENSOR and known.max() <= MOST_SENSOR
        gaps = known.size < (1 - MISSING) * values.size
        if sensor:
            measured = evidence(np.where(values > 0, values.astype(np.float64), np.nan), seen).towards
            if measured < -LEAN or (gaps and measured < LEAN):
                return Meaning("metric", False, True, False, "a sensor's whole numbers (millimetres), along the view axis")
    found = evidence(values, seen)
    if found.sure and found.towards < 0:
        return _near_is_dark(_bits(values) == 8, _is_relative(known), found.by, sure=False)
    return Meaning("disparity", True, False, False, "near is bright", found.towards > -STRONG_LEAN)


def _near_is_dark(of_8_bits: bool, relative: bool, by: str, sure: bool = True) -> Meaning:
    """Pictures of 8 bits are disparity turned around, as they are shown; all else is depth."""
    if of_8_bits:
        return Meaning("disparity", False, False, False, f"near is dark, {by}", sure)
    return Meaning("metric", False, not relative, relative, f"along the view axis, near is dark, {by}", sure)


def _bits(values: np.ndarray) -> int:
    if values.dtype == np.uint8 or values.dtype == np.int8:
        return 8
    return 8 if values.size and np.nanmax(values) <= 255 else 16


def _is_stretched(known: np.ndarray) -> bool:
    """Whether 16-bit numbers were stretched to the whole range, or repeat 8 bits twice."""
    whole = known.astype(np.int64)
    return bool(whole.max() >= FULL_SCALE_16 or (whole % 257 == 0).all())


def _is_relative(values: np.ndarray) -> bool:
    """Whether whole numbers were stretched to all that their type holds, so that 0 is no distance."""
    return bool(values.max() >= 250) if _bits(values) == 8 else _is_stretched(values)


def _is_normalised(known: np.ndarray) -> bool:
    """Whether numbers were stretched to 0..1, or lie in 0..1 with many about 0."""
    return bool(-1e-6 <= known.min() < 0.02 and 0.9 < known.max() <= 1.0 + 1e-6)


def _is_sentinel(known: np.ndarray) -> bool:
    """Whether all that is below zero is one whole number, such as -1 or -9999: no measurement."""
    below = known[known < 0]
    return below.size > 0 and bool((below == below[0]).all()) and float(below[0]).is_integer() and below.size < known.size
