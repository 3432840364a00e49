"""From a photo and a document to a scene: the stages of `c3drender.prepare`, each remembered until what it hangs on changes.

Where nothing is drawn, the scene is `prepare`'s, bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from .. import camera as cameras
from .. import render
from ..data import CameraPath, DepthMap, Flame, FlowField, Fluid, Harmonics, MotionHints, Ripple, Sway
from ..files.resize import Size
from ..files.scene import Scene
from ..motion import find_flow
from ..motion.flow import guess_motion
from ..pipeline.inputs import LEAST_MATTE, HarmonicGiven, Inputs, read_inputs
from ..pipeline.plain import plainly
from ..pipeline.prepare import build_scene, find_depth, find_harmonics, found_beside, scaled
from ..pipeline.render import camera_path, periods
from ..pipeline.see import Shown, look
from ..pixels.nearest import Nearest
from ..render import Animation, BlendMode
from ..web.export import hand_reach
from ..web.pack import pack
from . import edits as of
from .drawn import Drawn, Part, Sheet, correct_depth, draw_motion, drawn_nothing

DEVICE = torch.device("cpu")  # the page and the player work from the CPU's memory, and the same bits come out everywhere
DRAFT: BlendMode = "linear"  # which takes the least time
HAND_SHARE = 0.7  # of a path's extent, to which a hand may move a camera that sees what the path shows alone
HARMONIC: dict[str, type[Sway] | type[Flame] | type[Ripple]] = {"sways": Sway, "flickers": Flame, "ripples": Ripple}
MOST_CHANGED = 0.004  # of the picture: up to so much of it starts or stops moving while a preview keeps its layers
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Seen:
    """What does not hang on the document: the photo, what it shows, how far that is, and what the library would move."""

    inputs: Inputs
    shown: Shown
    beside: tuple[HarmonicGiven, ...]
    depth: DepthMap
    depth_note: str
    found: np.ndarray  # bool [H, W]


@dataclass(frozen=True, eq=False)
class Moved:
    """What moves, and one line each that says so."""

    flow: FlowField
    harmonics: Harmonics | None
    notes: tuple[str, ...]


class Stages:
    """One photo's scene at one size.

    Attributes
    ----------
    times_s, processor_s : dict of str to float
        How long each stage took that was computed since these were emptied last, less what it waited for: by the clock, and of
        the processor.
    """

    def __init__(self, photo: Path, document_photo: of.Photo, size: Size) -> None:
        self.photo, self.told, self.size = photo, document_photo, size
        self.times_s: dict[str, float] = {}
        self.processor_s: dict[str, float] = {}
        self._kept: dict[str, tuple[Hashable, Any]] = {}
        self._built: tuple[str, FlowField, Scene] | None = None  # a preview's layers, and what they were made from
        self._strokes: tuple[tuple[of.MotionEdit, ...], Drawn] | None = None

    def seen(self) -> Seen:
        return self._once("photo", (), self._see)

    @property
    def sheet(self) -> Sheet:
        height, width = self.seen().inputs.image.size
        return Sheet(height, width, (width / self.told.width, height / self.told.height))

    def depth(self, document: of.Document) -> DepthMap:
        changes = document.edits(*of.DEPTH)
        return self._once("depth", of.digest(*changes), lambda: self._correct(changes))

    def drawn(self, document: of.Document) -> Drawn:
        changes = document.edits(*of.MOTION)
        return self._once("masks", of.digest(*changes), lambda: self._draw(changes))

    def moved(self, document: of.Document) -> Moved:
        key = of.digest(*document.edits(*of.MOTION, *of.DEPTH))
        return self._once("flow", key, lambda: self._move(document))

    def scene(self, document: of.Document, preview: bool = False, amplitude: float | None = None) -> Scene:
        """For every camera of the document's ``amplitude``, or of another; a preview for the document's own path only, which
        is quicker; where the same pixels move another way, with the layers that it had."""
        settings, moved, depth = document.settings, self.moved(document), self.depth(document)
        camera = settings.camera if preview else None
        amplitude = settings.amplitude if amplitude is None else amplitude
        made_from = (key_of(document), camera, amplitude)
        seen = self.seen()
        notes = (*seen.inputs.notes, *seen.shown.notes, seen.depth_note, *moved.notes)
        focus = settings.focus and tuple(p * s for p, s in zip(settings.focus, self.sheet.scale, strict=True))
        build = partial(build_scene, seen.inputs.image, depth, moved.flow, camera, amplitude, notes)

        def make() -> Scene:
            if not preview or moved.harmonics is not None:
                return plainly(build)(focus, moved.harmonics)
            hangs_on = of.digest(*document.edits(*of.DEPTH), settings.amplitude, focus, camera)
            if self._built is None or self._built[0] != hangs_on or not _moves_the_same(self._built[1], moved.flow):
                self._built = hangs_on, moved.flow, plainly(build)(focus)
            return replace(_flowing(self._built[2], moved.flow), notes=notes)

        return self._once("layers", made_from, make)

    def animated(
        self, document: of.Document, preview: bool = False, blend: BlendMode = "phase"
    ) -> tuple[tuple[Hashable, ...], Animation]:
        """The scene in motion, and what it was made from."""
        settings, scene = document.settings, self.scene(document, preview)
        loop = periods(settings.frames)[0]
        made_from = (key_of(document), preview, preview and settings.camera, loop, settings.speed, blend)
        animate = partial(render.animate, scene, loop, settings.speed, blend=blend)
        return made_from, self._once("animate", made_from, lambda: plainly(animate)())

    def packed(self, document: of.Document, preview: bool = False, blend: BlendMode = "phase") -> bytes:
        """The scene for the player, whose loop is that of a video unless another ``blend`` is asked for."""
        settings, scene = document.settings, self.scene(document, preview)
        made_from, animation = self.animated(document, preview, blend)
        path = camera_path(scene, settings.camera, periods(settings.frames)[1], settings.amplitude)
        packing = partial(
            pack,
            scene,
            animation,
            path,
            blend=blend,
            fps=settings.fps,
            speed=settings.speed,
            focus=cameras.focus_point(scene.camera, scene.span).tolist(),
            reach=_reach(path) if preview else hand_reach(scene, settings.amplitude),
        )
        return self._once("pack", (*made_from, settings.camera, settings.fps), packing)

    def _once(self, stage: str, made_from: Hashable, make: Callable[[], Value]) -> Value:
        kept = self._kept.get(stage)
        if kept is None or kept[0] != made_from:
            start = np.array([time.perf_counter(), time.process_time(), *self._spent()])
            kept = (made_from, make())
            end = np.array([time.perf_counter(), time.process_time(), *self._spent()])
            clock, processor, others_clock, others_processor = (end - start).tolist()
            self.times_s[stage] = clock - others_clock
            self.processor_s[stage] = processor - others_processor
            self._kept[stage] = kept
        return kept[1]

    def _spent(self) -> tuple[float, float]:
        return sum(self.times_s.values()), sum(self.processor_s.values())

    @plainly
    def _see(self) -> Seen:
        inputs = read_inputs(str(self.photo), (Fluid(),), "auto", None, self.size, "auto")
        shown = look(inputs.image, inputs.segments, DEVICE, inputs.eyes)
        depth, note = find_depth(inputs, shown, DEVICE)
        nothing = MotionHints(None, torch.zeros(0, 2, 2))
        beside, scenery = found_beside(inputs, shown)
        shown = replace(shown, scenery=scenery)
        found, _ = guess_motion(inputs.image, depth, scenery, nothing)
        moves = np.zeros(inputs.image.size, bool) if found.mask is None else found.mask.numpy()
        return Seen(inputs, shown, beside, depth, note, moves if shown.stays is None else moves & ~shown.stays.numpy())

    def _correct(self, changes: tuple[of.DepthEdit, ...]) -> DepthMap:
        depth = self.seen().depth
        if not changes:
            return depth
        return replace(depth, z_cam=torch.from_numpy(1 / correct_depth(1 / depth.z_cam.numpy(), changes, self.sheet)))

    def _draw(self, changes: tuple[of.MotionEdit, ...]) -> Drawn:
        """From the last one on, where that is its beginning: a stroke costs the same after a thousand others."""
        begun = drawn_nothing(self.sheet)
        found = self.seen().found.astype(np.float32)
        start, rest = Drawn({of.FOUND: Part(*_plain(begun.parts[of.FOUND]), found)}, begun.size), changes
        if self._strokes is not None and changes[: len(self._strokes[0])] == self._strokes[0]:
            start, rest = self._strokes[1], changes[len(self._strokes[0]) :]
        drawn = draw_motion(start, rest, self.sheet)
        self._strokes = (changes, drawn)
        return drawn

    @plainly
    def _move(self, document: of.Document) -> Moved:
        seen, depth = self.seen(), self.depth(document)
        image, scenery = seen.inputs.image, seen.shown.scenery
        if not document.edits(*of.MOTION):
            hints = seen.inputs.hints
            beside = [part.named for part in seen.beside]
            flow, note = find_flow(image, depth, scenery, hints, None, seen.shown.held(hints), beside)
            harmonics, notes = find_harmonics(seen.beside, depth, flow)
            return Moved(flow, harmonics, (note, *notes))
        drawn = self.drawn(document)
        fluid, still = drawn.joined("flows"), torch.from_numpy(drawn.joined("still") > 0.5)
        arrows = _arrows_by_part(drawn)
        own = [arrow for name, listed in arrows.items() if drawn.parts[name].kind == "flows" for arrow in listed]
        hints = MotionHints(torch.from_numpy(fluid > LEAST_MATTE), _as_tensor(own), still)
        flow, note = find_flow(image, depth, scenery, hints, None, seen.shown.held(hints))
        speeds = [part.speed * part.matte for part in drawn.parts.values() if part.kind == "flows"]
        speed = np.sum(speeds, axis=0, dtype=np.float32) if speeds else np.zeros(drawn.size, np.float32)
        flow = scaled(flow, torch.from_numpy(speed))
        given = tuple(
            HarmonicGiven(
                HARMONIC[part.kind](None, strength=part.speed), torch.from_numpy(part.matte > 0.5), _as_tensor(arrows[name])
            )
            for name, part in drawn.parts.items()
            if part.kind in HARMONIC and (part.matte > 0.5).any()
        )
        if of.FOUND in drawn.parts:
            others = [part.matte > 0.5 for name, part in drawn.parts.items() if name != of.FOUND]
            rest = ~torch.from_numpy(np.any([np.zeros(fluid.shape, bool), *others], axis=0))
            given = (*given, *(replace(part, mask=part.mask & rest) for part in seen.beside))
        harmonics, notes = find_harmonics(given, depth, flow)
        return Moved(flow, harmonics, (note, *notes))


def key_of(document: of.Document) -> str:
    """Names the scene of a document: what its layers are made from."""
    settings = document.settings
    return of.digest(document.photo, *document.edits(*of.MOTION, *of.DEPTH), settings.amplitude, settings.focus)


def _moves_the_same(one: FlowField, other: FlowField) -> bool:
    return float((one.moving ^ other.moving).float().mean()) <= MOST_CHANGED


def _flowing(scene: Scene, flow: FlowField) -> Scene:
    """A scene whose fluid moves by another flow of (nearly) the same pixels, continued beyond them as theirs was."""
    layers, (height, width) = scene.layers, flow.moving.shape
    if not bool(flow.moving.any()):
        return scene
    nearest = Nearest.of(flow.moving.numpy()).to(np.ones((height, width), bool))
    row = (layers.pixel // layers.size[1] - layers.margin_px).clamp(0, height - 1)
    column = (layers.pixel % layers.size[1] - layers.margin_px).clamp(0, width - 1)
    step_px = flow.step_px.reshape(-1, 2)[torch.from_numpy(nearest)].reshape(height, width, 2)[row, column]
    return replace(scene, layers=replace(layers, step_px=step_px * layers.moving[:, None]))


def _plain(part: Part) -> tuple[str, float, str]:
    return part.kind, part.speed, part.title


def _arrows_by_part(drawn: Drawn) -> dict[str, list[np.ndarray]]:
    """The arrows of each region: the one in which an arrow starts owns it; elsewhere, what flows."""
    names = list(drawn.parts)
    flowing = next((name for name in names if drawn.parts[name].kind == "flows"), None)
    if not names:
        return {}
    mattes = np.stack([drawn.parts[name].matte for name in names])
    height, width = drawn.size
    owned: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for arrow in drawn.arrows.values():
        x, y = (min(max(int(at), 0), size - 1) for at, size in zip(arrow[0], (width, height), strict=True))
        owner = names[int(mattes[:, y, x].argmax())] if mattes[:, y, x].max() > LEAST_MATTE else flowing
        if owner is not None:
            owned[owner].append(arrow)
    return owned


def _as_tensor(arrows: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.array(arrows, np.float32).reshape(-1, 2, 2))


def _reach(path: CameraPath) -> list[float]:
    """How far a hand may move the camera along x and y: where the path itself leads."""
    poses = path.world_to_cam.double()
    centres = -(poses[:, :, :3].transpose(1, 2) @ poses[:, :, 3:])[..., 0]
    return [HAND_SHARE * float(side) for side in centres.abs().amax(dim=0)[:2]]
