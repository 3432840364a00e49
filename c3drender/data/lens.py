"""What a lens, its shutter and its film do to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real

F_NUMBERS = 0.5, 64.0
MOST_SAMPLES = 4096
MOST_SSAA = 8
MOST_VIGNETTE = 4.0


@dataclass(frozen=True)
class Lens:
    """A lens before the scene, in linear light. By default it does nothing.

    Attributes
    ----------
    f_number : float or None
        Depth of field: the f-number, 0.5..64, of a full-frame lens of the photo's angle, as if what is nearest were 1 m away.
        None: everything is sharp.
    focus : (float, float), float or None
        What is sharp: a point (x, y) of the scene's picture, px, which stays sharp while the camera moves; or a depth, > 0, in
        scene units, which are a metric depth map's own. None: what the camera keeps in place.
    shutter : float
        Motion blur: the shutter's angle, 0..360 degrees; 360 is open for the whole frame. It opens before the frame's moment
        and closes after it, also across the loop's seam.
    vignette : float
        0..4: 1 darkens towards the corners as a simple lens of the photo's angle does, by the cosine's fourth power.
    grain : float
        0..1: the film's, different in every frame and the same in every turn of the loop.
    ssaa : int
        1..8: so many samples along each side of every pixel.
    samples : int or None
        Pictures whose mean a frame is. None: as many as the blur needs, to 64.

    Raises
    ------
    ValueError, TypeError
        With one line that names the argument.

    Examples
    --------
    >>> from c3drender import Lens
    >>> portrait = Lens(f_number=1.4, focus=(620, 400), vignette=0.6)
    >>> portrait.is_pinhole, Lens().is_plain
    (False, True)
    """

    f_number: float | None = None
    focus: tuple[float, float] | float | None = None
    shutter: float = 0.0
    vignette: float = 0.0
    grain: float = 0.0
    ssaa: int = 1
    samples: int | None = None

    def __post_init__(self) -> None:
        ranges = {"shutter": (0.0, 360.0), "vignette": (0.0, MOST_VIGNETTE), "grain": (0.0, 1.0)}
        if self.f_number is not None:
            ranges["f_number"] = F_NUMBERS
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not _is_number(value) or not least <= value <= most:
                raise ValueError(f"{name}: expected a number in {least:g}..{most:g}, got {value!r}")
        wholes = {"ssaa": MOST_SSAA} | ({} if self.samples is None else {"samples": MOST_SAMPLES})
        for name, top in wholes.items():
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= int(value) <= top:
                raise ValueError(f"{name}: expected a whole number in 1..{top}, got {value!r}")
        if self.focus is not None and self.f_number is None:
            raise ValueError("lens_focus: expected an f_number with it, got none: without one everything is sharp")
        if self.samples is not None and self.is_pinhole:
            raise ValueError("samples: expected an f_number, a shutter or ssaa with it, got none")
        self._check_focus()

    def _check_focus(self) -> None:
        if self.focus is None:
            return
        numbers = self.focus if isinstance(self.focus, tuple | list) else (self.focus,)
        if not all(_is_number(value) for value in numbers) or len(numbers) not in (1, 2) or not all(v >= 0 for v in numbers):
            raise ValueError(f"lens_focus: expected (x, y) in pixels, or a depth > 0, got {self.focus!r}")
        if len(numbers) == 1 and numbers[0] == 0:
            raise ValueError("lens_focus: expected a depth > 0, got 0")

    @property
    def is_pinhole(self) -> bool:
        """Whether a frame is one picture alone: no aperture, no shutter, one sample in each pixel."""
        return self.f_number is None and self.shutter == 0 and self.ssaa == 1

    @property
    def is_plain(self) -> bool:
        """Whether it does nothing."""
        return self.is_pinhole and self.vignette == 0 and self.grain == 0


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
