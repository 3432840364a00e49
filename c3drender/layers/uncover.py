"""Layer by layer, what the photo hides and some view or drift reveals, filled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from .. import ops
from ..data import Camera
from ..pixels.crossing import fetched, sent
from ..pixels.fringe import without_fringe
from ..pixels.masks import Parts, grown
from ..pixels.nearest import Nearest
from .canvas import Canvas, inpaint, spread_out, with_soft_edges, with_values
from .hidden import Hidden, HidingRules, continue_behind
from .inpainter import Inpainter, repaint
from .matte import HARD_EDGES, Matte

Made = TypeVar("Made")

FILL_TEARS = 8.0  # what is no more nearer than a hidden surface may be copied into it: of a cluttered background, several
SPLAT_REACH_PX = 4  # grown around a revealed pixel: a splat reads 2 px; and presets pass between the views looked from
SOFT_REACH_PX = 2  # beside a soft pixel the surface behind it begins
MIN_HOLE_PX = 16
LEAST_HIDING = 0.75  # of a pixel: `ops.find_holes` takes what is left free of it, a quarter, for seen


@dataclass(frozen=True, eq=False)
class Surface:
    """What may hide something: all ``[H, W, ...]``. ``disp``: its disparity; ``exists``: where; ``moving``, ``step_px``: how
    it drifts; ``source``: the pixel of the photo's canvas (flat) whose motion that is; ``before``: the disparities of those
    that it lies behind, nearest first, the same where nothing continues behind one; none for the photo's."""

    disp: np.ndarray
    exists: np.ndarray
    moving: np.ndarray
    step_px: np.ndarray
    source: np.ndarray
    before: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, front: Canvas) -> Surface:
        source = np.arange(front.disp.size).reshape(front.disp.shape)
        return cls(front.disp, front.exists, front.moving & front.exists, front.step_px, source)

    def behind(self, hidden: Hidden) -> Surface:
        """What is left without the pixels that hide something."""

        def continued(values: np.ndarray) -> np.ndarray:
            flat = values.reshape(-1, *values.shape[2:])
            return with_values(values, hidden.pixel, flat[hidden.source])

        return Surface(
            with_values(self.disp, hidden.pixel, hidden.disp),
            self.exists,
            continued(self.moving),
            continued(self.step_px),
            continued(self.source),
            (*self.before, self.disp),
        )


@dataclass(frozen=True, eq=False)
class FluidMaps:
    """The nearest fluid at each pixel, which alone drifts (`render.animate`): ``disp [H, W]``, 0 where there is none, and
    ``step_px [H, W, 2]``."""

    disp: np.ndarray
    step_px: np.ndarray

    @classmethod
    def of(cls, surface: Surface) -> FluidMaps:
        return cls(np.where(surface.moving, surface.disp, 0), surface.step_px * surface.moving[..., None])

    def with_next(self, surface: Surface) -> FluidMaps:
        """With the fluid of a farther ``surface``."""
        flows = np.flatnonzero(surface.moving & (self.disp == 0))
        disp, step_px = surface.disp.reshape(-1)[flows], surface.step_px.reshape(-1, 2)[flows]
        return FluidMaps(with_values(self.disp, flows, disp), with_values(self.step_px, flows, step_px))


@dataclass(frozen=True, eq=False)
class Uncovered:
    """A hidden layer: ``hole [H, W]`` where it exists; of the pixels in ``hole``, in order, their ``rgb``, which are being
    painted, their disparities, and the pixels of the photo's canvas (flat) whose motion they continue."""

    hole: np.ndarray
    rgb: Future[np.ndarray]
    disp: np.ndarray
    source: np.ndarray


def hide(surface: Surface, rules: HidingRules, loop_steps: int, matte: Matte) -> Hidden:
    """What continues behind ``surface``, whose edges are soft in ``matte``."""
    reach_px = np.ceil(rules.parallax_px * (surface.disp.max() - surface.disp.min())) + SPLAT_REACH_PX
    soft = grown(spread_out(matte.pixel, True, surface.disp.shape, bool), SOFT_REACH_PX).reshape(-1)

    def drift_px(pixel: np.ndarray) -> np.ndarray:
        speed_px = np.linalg.norm(surface.step_px.reshape(-1, 2)[pixel], axis=1)
        drift = np.where(surface.moving.reshape(-1)[pixel], np.minimum(speed_px * (loop_steps / 2), reach_px), 0)
        return drift + rules.soft_px * soft[pixel]

    return continue_behind(surface.disp, surface.moving, drift_px, surface.exists, rules, surface.before)


def maps_of_holes(
    shown: list[np.ndarray], surface: Surface, fluid: FluidMaps, hidden: Hidden
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `ops.find_holes` takes: the disparities ``[H, W]`` of the layers so far, of what is ``hidden`` behind the
    ``surface`` that they leave, and of the fluid; and its flow."""
    sheet = spread_out(hidden.pixel, hidden.disp, surface.disp.shape)
    all_fluid = fluid.with_next(surface.behind(hidden))
    front, behind = torch.from_numpy(np.stack(shown)), torch.from_numpy(sheet)
    return front, behind, torch.from_numpy(all_fluid.disp), torch.from_numpy(all_fluid.step_px)


def uncover(
    photo: Canvas,
    painted: Future[np.ndarray],
    views: Camera,
    frame_px: tuple[int, int, int, int],
    rules: HidingRules,
    loop_steps: int,
    painter: Executor,
    inpainter: Inpainter | None = None,
    matte: Matte = HARD_EDGES,
    cracked: bool = False,
) -> list[Uncovered]:
    """What lies behind ``photo``, taken apart by ``matte``, and some of the ``views``, or some drift, reveals, filled: layer
    by layer, near to far, until nothing more is revealed. The pixels of the matte need no filling: their farther colours are
    known.

    ``views``: the canvas' camera with their poses; ``frame_px``: what of the canvas they show. ``cracked``: the depth is an
    estimate, which tears surfaces that are one.

    What the next layer hides does not ask for the colours of this one: ``painter`` paints them beside, one after the other,
    once those of the photo's canvas are ``painted``.
    """
    front = with_soft_edges(photo, matte)
    surface = Surface.of(front)
    fluid = FluidMaps.of(surface)
    shown = [with_values(np.where(front.exists, front.disp, 0), matte.pixel[matte.alpha < LEAST_HIDING], 0)]
    layers: list[Uncovered] = []
    known = painter.submit(_then, painted, Known.of, photo, matte)
    filled = matte  # the photo's edges alone are soft
    while len((hidden := hide(surface, rules, loop_steps, filled)).pixel) > 0:
        maps = maps_of_holes(shown, surface, fluid, hidden)
        front_disp, hidden_disp, fluid_disp, step_px = sent(rules.device, *(part.numpy() for part in maps))
        looked = ops.find_holes(
            *(front_disp, hidden_disp, fluid_disp, step_px, views, frame_px),
            num_steps=loop_steps // 2,
            rules=rules.splat,
        )
        (hole,) = fetched(looked)
        hole = grown(hole, SPLAT_REACH_PX)
        if hole.any():
            # All of an edge is soft, or none: where it changed from one to the other its outline would break. An
            # estimate's matte is wide and leaves nothing of some pixels: what shows there needs neighbours.
            hole |= grown(spread_out(filled.pixel, True, hole.shape, bool), 1 if cracked else 0)
        there = hole.reshape(-1)[hidden.pixel]
        if np.count_nonzero(there) < (1 if layers else MIN_HOLE_PX):
            break
        known = painter.submit(_then, known, Known.with_layer, surface, hidden, there, filled, rules, inpainter, cracked)
        hidden = hidden.at(there)
        surface = surface.behind(hidden)
        fluid = fluid.with_next(surface)
        hole = spread_out(hidden.pixel, True, hole.shape, bool)
        shown.append(np.where(hole, surface.disp, 0))
        filled = HARD_EDGES
        rgb = painter.submit(_then, known, Known.colours, hole)
        layers.append(Uncovered(hole, rgb, hidden.disp, surface.source[hole]))
    return layers


@dataclass(frozen=True, eq=False)
class Known:
    """The colours ``rgb [H, W, 3]`` and disparities ``disp [H, W]`` that fills continue, and where they are of a fluid,
    ``moving [H, W]``: the photo's, and of the layers behind it so far. ``exists [H, W]``: the photo's canvas."""

    rgb: np.ndarray
    disp: np.ndarray
    moving: np.ndarray
    exists: np.ndarray

    @classmethod
    def of(cls, rgb: np.ndarray, photo: Canvas, matte: Matte) -> Known:
        """Of the canvas ``photo`` in its colours ``rgb``."""
        rgb = with_values(rgb, matte.pixel, matte.far_rgb)
        rgb = without_fringe(rgb, photo.moving, photo.exists & ~photo.moving)
        disp = np.where(photo.exists, photo.disp, 0)
        return cls(rgb, with_values(disp, matte.pixel, matte.far_disp), photo.moving & photo.exists, photo.exists)

    def with_layer(
        self,
        surface: Surface,
        hidden: Hidden,
        there: np.ndarray,
        filled: Matte,
        rules: HidingRules,
        inpainter: Inpainter | None,
        cracked: bool,
    ) -> Known:
        """With the pixels ``there`` of what is ``hidden`` behind ``surface``, of which the colours in ``filled`` are known."""
        shape = self.disp.shape
        own_disp = spread_out(hidden.pixel, hidden.own_disp, shape)
        hidden = hidden.at(there)
        hole = spread_out(hidden.pixel, True, shape, bool)
        # Filled apart: what ends before a farther surface, and what shows through cracks, beside which it has been uncovered.
        crack = cracked & hole.reshape(-1)[hidden.source]
        inner = spread_out(hidden.pixel, crack | hidden.ends, shape, bool)
        flows = spread_out(hidden.pixel, surface.moving.reshape(-1)[hidden.source], shape, bool)
        # A crack that hardly opens keeps the colours before it; a fluid none of what stands there, which would drift away.
        narrow = (surface.disp <= rules.gap * own_disp + 2 * rules.tear_disp) & (surface.moving | ~flows)
        kept = spread_out(hidden.pixel, crack, shape, bool) & narrow
        unknown = with_values(hole & ~kept, filled.pixel, False)
        rgb = self.rgb.copy()
        for part, max_step_disp in ((unknown & ~inner, np.inf), (unknown & inner, rules.torn_disp)):
            # A fluid goes on as fluid, and never as the stone that it comes out from behind. What no fluid is beside, as it
            # rests along its border, goes on from what is: alone it would be filled from anywhere.
            fluid = parts_beside(part & flows, self.moving & ~hole)
            for own, like in ((fluid, self.moving), (part & ~fluid, self.exists)):
                filled_in = np.flatnonzero(own)
                if len(filled_in) > 0:
                    painted = _fill(self, own, like, own_disp, max_step_disp, rules, inpainter)
                    rgb.reshape(-1, 3)[filled_in] = painted.reshape(-1, 3)[filled_in]
        rgb.reshape(-1, 3)[filled.pixel] = filled.far_rgb
        moving = np.where(hole, flows, self.moving)
        return Known(rgb, np.where(hole, own_disp, self.disp), moving, self.exists)

    def colours(self, where: np.ndarray) -> np.ndarray:
        return self.rgb[where]


def parts_beside(parts: np.ndarray, what: np.ndarray) -> np.ndarray:
    """Those ``parts``, connected pixels bool ``[H, W]``, that touch some of ``what``."""
    found = Parts.of(parts)
    return found.joined(found.touched(grown(what, 1)))


def _then(before: Future[Any], make: Callable[..., Made], *args: Any) -> Made:
    """``make`` of what the painter's task before this one has made."""
    return make(before.result(), *args)


def _fill(
    known: Known,
    hole: np.ndarray,
    like: np.ndarray,
    own_disp: np.ndarray,
    max_step_disp: float,
    rules: HidingRules,
    inpainter: Inpainter | None,
) -> np.ndarray:
    """The colours of ``known``, those in ``hole [H, W]`` continued from what is ``like [H, W]`` them, or, where there is none,
    from all: from what is no nearer than ``own_disp`` there, nor farther by more than ``max_step_disp``."""
    near = known.disp > 0
    if inpainter is not None or max_step_disp < np.inf:
        beside = _own_beside(hole, own_disp)
        near &= known.disp >= beside - max_step_disp
    likely = near & like
    source = likely if (likely & ~hole).any() else near
    disp = np.where(hole | source, known.disp, 0)
    if inpainter is None:
        return inpaint(known.rgb, disp, hole, own_disp, FILL_TEARS * rules.tear_disp, rules.device)[0]
    nearer = grown(disp > beside + rules.tear_disp, 1)  # and the mixed colours along its edge
    return repaint(inpainter, known.rgb, hole, ~known.exists | nearer | (disp == 0))


def _own_beside(hole: np.ndarray, own_disp: np.ndarray) -> np.ndarray:
    """Everywhere the ``own_disp [H, W]`` of the nearest pixel of ``hole``."""
    nearest = Nearest.of(hole)
    return own_disp.reshape(-1)[nearest.pixel][nearest.label]
