"""The motion stage: from a picture, its depth and the user's hints to an Eulerian flow field.

`find_flow` is the pipeline's entry; `flow_from_hints` is the part that needs a mask, `guess_motion` the part that finds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from ..data import FRAMES_PER_ARROW, DepthMap, FlowField, Image, MotionHints, Scenery
from ..pixels.crossing import two_threads
from .behind import goes_on_behind
from .clouds import sky_around
from .guess import KINDS, LEAST_SURE, LEAST_SURE_SEEN, LEAST_SURE_TOLD, Guess, Part, find_parts, guess_steps
from .rest import slowed_towards_rest
from .solve import Arrow, SolveConfig, solve_region
from .words import Beside, percent, what_a_mask_moves, what_moves

Array = NDArray[Any]

MOST_OF_GUESS = 1.5  # see _held_to
# A sheet that keeps its area turns aside before a shore. A sea does not: its waves come in and end there. What is solved and
# agrees less than this with where the fluid is seen to go may give way; of spent photos rivers and clouds agreed by 0.93.
AGREES = 0.9
WAVES = SolveConfig(divergence=0.1)
LEAST_STEP_PX = 0.02  # a pixel slower than this is at rest
FRAME_GAP_PX = 3  # a mask that ends this near to the picture's frame is meant to reach it
LEAST_REGION_PX = 16  # smaller specks of a mask stay still,
LEAST_REGION_SHARE = 1e-4  # and so do specks that are a smaller share of the picture, unless an arrow passes them
NUM_CELLS = 4000  # unknown velocities in all regions together
LEAST_CELLS = 200  # of a region that is solved on its own
MOST_GRID_CELLS = 2 * NUM_CELLS  # of the others' grid, with what lies between them


def find_flow(
    image: Image,
    depth: DepthMap,
    scenery: Scenery,
    hints: MotionHints,
    step_px: Tensor | None = None,
    stays: Tensor | None = None,
    beside: Sequence[tuple[Beside, float]] = (),
) -> tuple[FlowField, str]:
    """The flow of a picture from whatever is known about it, and one line that says what was found or guessed.

    Parameters
    ----------
    image : Image
    depth : DepthMap
    scenery : Scenery
    hints : MotionHints
        Arrows rule, and what they leave open (the mask, regions without an arrow) is guessed.
    step_px : Tensor, optional
        float32 ``[H, W, 2]``, px per frame: the user's own dense flow, kept as it is inside the mask.
    stays : Tensor, optional
        bool ``[H, W]``: people, land, things, which never move, whatever the mask says.
    beside : sequence of (Flame or Ripple, float), optional
        What else was found to move, and its share of the picture, for the note.

    Returns
    -------
    flow : FlowField
    note : str

    Raises
    ------
    ValueError, TypeError
        For sizes that differ from the image's, a flow that is not finite.
    """
    _check_sizes("find_flow", image, depth, hints, scenery)
    if stays is not None:
        if tuple(stays.shape) != image.size:
            raise ValueError(f"find_flow: stays must be {list(image.size)} like the image, got {list(stays.shape)}")
        hints = replace(hints, freeze=stays if hints.freeze is None else hints.freeze | stays)
    if step_px is not None:
        height, width = image.size
        if not isinstance(step_px, Tensor):
            raise TypeError(f"find_flow: step_px must be a torch.Tensor, got {type(step_px).__name__}")
        if tuple(step_px.shape) != (height, width, 2):
            raise ValueError(f"find_flow: step_px must be [{height}, {width}, 2], got {list(step_px.shape)}")
        bad = int((~torch.isfinite(step_px)).sum())
        if bad:
            raise ValueError(f"find_flow: step_px must be finite, got {bad} NaN or infinite of {step_px.numel()}")
        allowed = _allowed(hints, image.size)
        flow = _field(step_px.detach().cpu().numpy() * allowed[..., None], step_px.device)
        return flow, f"motion: your own flow moves {percent(float(flow.moving.float().mean()))} of the picture"
    if hints.mask is not None:
        flow, guessed = _solve(image, depth, replace(hints, mask=_reach_frame(hints.mask)), scenery)
        held = 0.0 if stays is None else float((hints.mask & stays).float().mean())
        return flow, what_a_mask_moves(flow.step_px.cpu().numpy(), guessed, held)
    found, parts = guess_motion(image, depth, scenery, hints)
    water = _mask_of(parts, ("water", "rapids"), image.size)
    flow, _ = _solve(image, depth, _with_sky_around(found, parts, image, scenery), scenery, water)
    return flow, what_moves(parts, flow.step_px.cpu().numpy(), len(hints.arrows) > 0, beside)


def _reach_frame(mask: Tensor) -> Tensor:
    """A mask drawn to within `FRAME_GAP_PX` of the picture's frame is meant to reach it: a still rim would dam the flow."""
    gap = FRAME_GAP_PX
    if min(mask.shape) <= 2 * gap:
        return mask
    inner = mask[gap:-gap, gap:-gap][None, None].to(torch.float32)
    return mask | (functional.pad(inner, (gap,) * 4, mode="replicate")[0, 0] > 0)


def flow_from_hints(image: Image, depth: DepthMap, hints: MotionHints) -> FlowField:
    """A dense flow inside ``hints.mask`` that meets the arrows.

    Each connected region is solved on its own (`c3drender.motion.solve`): smooth, nearly divergence-free and following
    perspective on the surface that the depth shows, free to slip along the mask's borders but not to cross them, unless the
    arrows send it there; the picture's frame is no border, nor is what stands before the fluid and hides it
    (`c3drender.motion.behind`). A region without an arrow follows the picture's streaks, downward.

    Parameters
    ----------
    image : Image
    depth : DepthMap
    hints : MotionHints
        With a mask.

    Returns
    -------
    FlowField

    Raises
    ------
    ValueError
        Without a mask, or for sizes that differ from the image's.
    """
    _check_sizes("flow_from_hints", image, depth, hints)
    if hints.mask is None:
        raise ValueError("flow_from_hints: hints.mask must be a bool tensor [H, W], got None")
    return _solve(image, depth, hints, None)[0]


def guess_motion(image: Image, depth: DepthMap, scenery: Scenery, hints: MotionHints) -> tuple[MotionHints, list[Part]]:
    """Hints whose mask is filled in from what the picture shows, and the parts that were found, each with how sure it is.

    With arrows only what they touch is taken; without, everything that is surely fluid; what may be but is not sure enough to
    move is among the parts too.

    Parameters
    ----------
    image : Image
    depth : DepthMap
    scenery : Scenery
    hints : MotionHints

    Returns
    -------
    hints : MotionHints
        An empty mask means: nothing is.
    parts : list of Part

    Raises
    ------
    ValueError
        For sizes that differ from the image's.
    """
    _check_sizes("guess_motion", image, depth, hints, scenery)
    rgb = image.rgb.detach().cpu().numpy()
    arrows = hints.arrows.detach().cpu().numpy().astype(np.float64)
    free = None if scenery.free is None else scenery.free.detach().cpu().numpy()
    by_classes = LEAST_SURE_TOLD if free is None else LEAST_SURE_SEEN
    least_sure = LEAST_SURE if scenery.way is None else by_classes
    parts = find_parts(_maps(scenery, image.size), rgb, arrows, least_sure, free)
    mask = _mask_of(parts, KINDS, image.size)
    found = MotionHints(torch.from_numpy(mask).to(image.rgb.device), hints.arrows, hints.freeze)
    return found, parts


def _with_sky_around(found: MotionHints, parts: list[Part], image: Image, scenery: Scenery) -> MotionHints:
    """``found``, in whose mask the sky around the clouds goes along, where no arrow says what moves."""
    clouds = _mask_of(parts, ("sky",), image.size)
    if not clouds.any() or len(found.arrows) > 0 or found.mask is None:
        return found
    around = sky_around(image.rgb.detach().cpu().numpy(), _maps(scenery, image.size)["sky"], clouds)
    return replace(found, mask=found.mask | torch.from_numpy(around).to(found.mask.device))


def _mask_of(parts: list[Part], kinds: Sequence[str], size: tuple[int, int]) -> Array:
    """Where some of the ``parts`` that move is of these kinds."""
    mask = np.zeros(size, bool)
    for part in parts:
        if part.moves and part.kind in kinds:
            mask |= part.mask
    return mask


def _solve(
    image: Image, depth: DepthMap, hints: MotionHints, scenery: Scenery | None, water: Array | None = None
) -> tuple[FlowField, str]:
    """The flow inside the mask of ``hints``, and a note. ``water``: what of the mask is, where nobody drew it; it flows on its
    own. Then nothing tells exactly where clouds, mist and surf end, so what no arrow guides of them comes to rest there.
    """
    rgb = image.rgb.detach().cpu().numpy()
    moving = _allowed(hints, image.size)
    disp = 1 / depth.z_cam.detach().cpu().numpy()
    maps = _maps(scenery, image.size)
    labels, count = _regions(moving, disp, water)
    air = maps["sky"] + maps["smoke"] > 0.5
    disp = np.where(air, np.float32(np.median(disp)), disp)  # nothing is known of its surface: it moves as seen
    areas = np.bincount(labels[moving], minlength=count + 1)
    arrows = _arrows(hints)
    crossed = [_crossed(arrow, labels) for arrow in arrows]
    told = {k for arrow, own in zip(arrows, crossed, strict=True) if arrow.pulls for k in own}
    least = max(LEAST_REGION_PX, LEAST_REGION_SHARE * labels.size)
    regions = [k for k in range(1, count + 1) if areas[k] >= (LEAST_REGION_PX if k in told else least)]
    unguided = [k for k in regions if k not in told]
    if unguided:
        horizon_y = scenery.horizon_y if scenery is not None else None
        known = np.array([[*(arrow.start + arrow.end) / 2, *arrow.step_px] for arrow in arrows if arrow.pulls]).reshape(-1, 4)
        way = None if scenery is None or scenery.way is None else scenery.way.detach().cpu().numpy()
        guess = guess_steps(rgb, disp, _members(unguided, count)[labels] & moving, maps, horizon_y, known, way)
    else:
        guess = Guess(np.zeros((*moving.shape, 2), np.float32), np.zeros(moving.shape, np.float32))
    untrusted = np.zeros_like(guess.weight)
    groups = _grouped(regions, areas, told)
    boxes = ndimage.find_objects(labels)
    roots = np.sqrt([areas[group].sum() for group in groups])
    step, slows = np.zeros((*moving.shape, 2), np.float32), np.zeros_like(moving)

    def solved(group: list[int], root: float) -> tuple[tuple[slice, slice], Array, Array]:
        guided = told.issuperset(group)
        trust = untrusted if guided else guess.weight
        num_cells = max(16, int(NUM_CELLS * root / roots.sum()))
        own = [arrow for arrow, met in zip(arrows, crossed, strict=True) if not met.isdisjoint(group)]
        box = _joined_box([boxes[k - 1] for k in group])
        region = _members(group, count)[labels[box]]
        if len(group) > 1:  # specks leave most of their grid empty
            num_cells = min(num_cells, max(16, int(MOST_GRID_CELLS * region.mean())))
        found = solve_region(region, box, moving, rgb, disp, own, guess.step_px, trust, num_cells)
        if guided:
            return box, found, np.zeros_like(region)
        expected, resting = guess.step_px[box], region & air[box]
        if _agreement(found, expected) < AGREES:
            found = solve_region(region, box, moving, rgb, disp, own, guess.step_px, trust, num_cells, WAVES)
            resting = region
        return box, _held_to(expected, found), resting

    with two_threads() as both:  # factors are found on one core
        for box, part, resting in both.map(solved, groups, roots):
            step[box] += part
            slows[box] |= resting
    used = sum(not met.isdisjoint(regions) for met in crossed)
    note = _describe(used, len(arrows), len(unguided), len(regions), int((areas[1:] >= LEAST_REGION_PX).sum()))
    step *= moving[..., None]
    return _field(step if water is None else slowed_towards_rest(step, slows, air), image.rgb.device), note


def _regions(moving: Array, disp: Array, water: Array | None) -> tuple[Array, int]:
    """What flows as one, with what it goes on behind, numbered from 1, and their number. The sea ends where the sky begins:
    what is known to be ``water`` is no one region with what is not."""
    wet = np.zeros_like(moving) if water is None else moving & water
    labels, count = ndimage.label(wet | goes_on_behind(wet, disp))
    dry = moving & ~wet
    others, more = ndimage.label((dry | goes_on_behind(dry, disp)) & ((labels == 0) | dry))
    return np.where(others > 0, others + count, labels), count + more


def _agreement(step_px: Array, guess_px: Array) -> float:
    """The mean cosine between two steps ``[h, w, 2]``, by how long both are."""
    lengths = np.linalg.norm(step_px, axis=-1) * np.linalg.norm(guess_px, axis=-1)
    return float((step_px * guess_px).sum() / max(float(lengths.sum()), 1e-9))


def _held_to(guess_px: Array, step_px: Array) -> Array:
    """``step_px`` no faster than `MOST_OF_GUESS` times ``guess_px``, both ``[h, w, 2]``.

    A sheet that is squeezed or spread on its way becomes many times as fast in places, and its crests would be torn there.
    """
    speed, most = (np.linalg.norm(part, axis=-1, keepdims=True) for part in (step_px, MOST_OF_GUESS * guess_px))
    return step_px / np.sqrt(np.sqrt(1 + (speed / np.maximum(most, LEAST_STEP_PX)) ** 4))


def _grouped(regions: list[int], areas: Array, told: set[int]) -> list[list[int]]:
    """What is solved at once: every region on its own, but those together that are too small for a grid worth its while and
    that no arrow guides. So the time does not grow with the number of a mask's specks."""
    roots = np.sqrt(areas[regions])
    cells = NUM_CELLS * roots / max(roots.sum(), 1e-9)
    small = [k for k, share in zip(regions, cells, strict=True) if share < LEAST_CELLS and k not in told]
    return [[k] for k in regions if k not in small] + [small] * bool(small)


def _members(labels: list[int], count: int) -> Array:
    """bool per label, 0 to ``count``: whether it is one of these."""
    members = np.zeros(count + 1, bool)
    members[labels] = True
    return members


def _joined_box(boxes: list[tuple[slice, slice]]) -> tuple[slice, slice]:
    rows, cols = (
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*boxes, strict=True)
    )
    return rows, cols


def _describe(used: int, given: int, unguided: int, regions: int, found: int) -> str:
    if not regions:
        return "nothing in it may move"
    arrows = f"flow along {used} arrow{'s' * (used != 1)}" if used else ""
    lost = f" ({given - used} outside the mask)" if given > used else ""
    guessed = ""
    if unguided:
        which = "" if unguided == regions else f" in {unguided} of {regions} regions"
        guessed = f"flow guessed along streaks{which}"
    left = found - regions
    specks = f"{left} speck{'s' * (left != 1)} left still" if left else ""
    return ", ".join(filter(None, [arrows + lost, guessed, specks]))


def _field(step: Array, device: torch.device) -> FlowField:
    moving = np.hypot(step[..., 0], step[..., 1]) >= LEAST_STEP_PX
    step = np.ascontiguousarray(np.where(moving[..., None], step, 0), dtype=np.float32)
    return FlowField(torch.from_numpy(step).to(device), torch.from_numpy(moving).to(device))


def _arrows(hints: MotionHints) -> list[Arrow]:
    ends = hints.arrows.detach().cpu().numpy().astype(np.float64)
    return [Arrow(start, end, (end - start) / FRAMES_PER_ARROW) for start, end in ends]


def _crossed(arrow: Arrow, labels: Array) -> set[int]:
    """The labels of the regions that an arrow passes."""
    t = np.linspace(0, 1, 33)[:, None]
    points = np.floor(arrow.start + t * (arrow.end - arrow.start)).astype(int)
    fits = (points >= 0).all(axis=1) & (points < labels.shape[::-1]).all(axis=1)
    return set(labels[points[fits, 1], points[fits, 0]].tolist()) - {0}


def _allowed(hints: MotionHints, size: tuple[int, int]) -> Array:
    allowed = np.ones(size, bool) if hints.mask is None else hints.mask.detach().cpu().numpy().copy()
    if hints.freeze is not None:
        allowed &= ~hints.freeze.detach().cpu().numpy()
    return allowed


def _maps(scenery: Scenery | None, size: tuple[int, int]) -> dict[str, Array]:
    if scenery is None:
        return {kind: np.zeros(size, np.float32) for kind in KINDS}
    return {kind: getattr(scenery, kind).detach().cpu().numpy() for kind in KINDS}


def _check_sizes(owner: str, image: Image, depth: DepthMap, hints: MotionHints, scenery: Scenery | None = None) -> None:
    given = {"depth": depth.z_cam, "hints.mask": hints.mask, "hints.freeze": hints.freeze}
    if scenery is not None:
        given["scenery"] = scenery.sky
    for name, value in given.items():
        if value is not None and tuple(value.shape) != image.size:
            raise ValueError(f"{owner}: {name} must be {list(image.size)} like the image, got {list(value.shape)}")
    if not bool(torch.isfinite(hints.arrows).all()):
        raise ValueError(f"{owner}: hints.arrows must be finite, got NaN or infinity")
