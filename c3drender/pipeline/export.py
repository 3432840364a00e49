"""`export_scene`: a scene for other programs, at rest, as an animated mesh, or frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import defaults, render
from ..data import PathLike, harmonic_px
from ..files.export import check_export, check_sequence, write_scene, write_sequence
from ..files.geometry import LoopMotion, Moment, at_rest
from ..files.scene import Scene
from .inputs import CameraLike, check_motion
from .plain import plainly
from .render import camera_path

KEYS = 6  # of a way in an animated mesh; between them its points go straight
LEAST_EXISTENCE = 0.75  # of the fluid where a point is: with less it has left it


@plainly
def export_scene(
    scene: Scene,
    out: PathLike,
    *,
    splats: bool = False,
    animated: bool = False,
    sequence: str | None = None,
    camera: CameraLike = defaults.CAMERA,
    frames: int = defaults.FRAMES,
    fps: float = defaults.FPS,
    speed: float = 1.0,
) -> Path:
    """Write a scene's geometry in the format that the suffix names, complete or not at all.

    Parameters
    ----------
    scene : Scene
        From `prepare` or `load_scene`, on any device.
    out : path
        ``.glb``: a textured, unlit mesh for each layer, cut where depth tears, and the photo's camera. ``.ply``: every pixel
        as a coloured point. ``.spz``: every pixel as a Gaussian. ``.ora``, ``.psd``: the layers as pictures, with their depth
        as hidden layers. ``.npz``: the layers' arrays. With ``sequence`` a folder.
    splats : bool
        Of a ``.ply`` Gaussians, as 3D Gaussian Splatting's viewers read it, instead of points.
    animated : bool
        Of a ``.glb``: what drifts, sways and ripples moves by morph targets, and the camera along its path.
    sequence : {"glb", "ply", "spz"}, optional
        A folder of ``frame_0000.ply`` ..., one file for each frame of the motion's loop.
    camera : CameraLike
        The path of ``animated`` (`render_frames`).
    frames : int
        One loop of the motion, which is as fast as in a video of so many frames.
    fps : float
        Frames per second.
    speed : float
        Of the motion, larger is faster.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line.

    Examples
    --------
    >>> import c3drender as c3d
    >>> scene = c3d.load_scene("scene.c3d")
    >>> c3d.export_scene(scene, "scene.glb", animated=True, frames=8).name
    'scene.glb'
    >>> sorted(path.name for path in c3d.export_scene(scene, "points", sequence="ply", frames=2).iterdir())
    ['frame_0000.ply', 'frame_0001.ply']
    """
    if not isinstance(scene, Scene):
        raise TypeError(f"scene: expected a Scene, got {type(scene).__name__}")
    if sequence is None:
        check_export(out, splats, animated)
    else:
        check_sequence(out, sequence, splats)
    check_motion(frames, speed)
    if isinstance(fps, bool) or not isinstance(fps, Real) or not 0 < fps < inf:
        raise ValueError(f"fps: expected a finite number > 0, got {fps!r}")
    scene = scene.to("cpu")
    if sequence is None and not animated:
        return write_scene(scene, out, splats)
    loop = render.animate(scene, int(frames), speed, blend="linear")
    if sequence is not None:
        return write_sequence(scene, out, sequence, _moments(scene, loop), splats)
    path = camera_path(scene, camera, int(frames))
    return write_scene(scene, out, motion=_loop_motion(scene, loop, int(frames) / float(fps)), path=path)


def _moments(scene: Scene, loop: render.Animation) -> Iterator[Moment]:
    """Where the pixels are in each frame."""
    rest, (drifts, sways) = at_rest(scene), _parts(scene, loop)
    for n in range(loop.num_frames):
        xyz = rest.xyz.copy()
        if sways.any():
            offset = harmonic_px(loop.bent.sine_px, loop.bent.cosine_px, n / loop.num_frames)
            xyz[sways] = _lifted(loop, loop.bent.start_px + offset, loop.bent.cloud.xyz[:, 2])
        ways = [loop.fluid.forward.at(n), loop.fluid.backward.at(loop.num_frames - n)]
        (xyz[drifts], back), stays = zip(*(_drifted(loop, way) for way in ways), strict=True)
        yield Moment(xyz, drifts, back, np.stack(stays), n / loop.num_frames)


def _loop_motion(scene: Scene, loop: render.Animation, seconds: float) -> LoopMotion:
    drifts, sways = _parts(scene, loop)
    ways = [np.stack(list(_keys(loop, way))) for way in (loop.fluid.forward, loop.fluid.backward)]
    z = loop.bent.cloud.xyz[:, 2]
    origin = _lifted(loop, loop.bent.start_px, z)
    swings = [
        np.stack([_lifted(loop, loop.bent.start_px + part, z) - origin for part in parts])
        if sways.any()
        else np.zeros((0, 0, 3))
        for parts in (loop.bent.sine_px, loop.bent.cosine_px)
    ]
    return LoopMotion(drifts, sways, ways[0], ways[1], swings[0], swings[1], seconds)


def _keys(loop: render.Animation, way: Any) -> Iterator[np.ndarray]:
    """A way's places at each key. A point that would leave the fluid waits where it last was inside, as a mesh has no gaps."""
    last, _ = _drifted(loop, way.at(0))
    for key in range(1, KEYS + 1):
        place, stays = _drifted(loop, way.at(round(key * loop.num_frames / KEYS)))
        last = np.where(stays[:, None], place, last)
        yield last


def _parts(scene: Scene, loop: render.Animation) -> tuple[np.ndarray, np.ndarray]:
    """Which of the layers' pixels drift, and which sway: bool ``[P]``, by the order of an animation's points."""
    count, num_moving = len(scene.layers.pixel), len(loop.fluid.start_px)
    end = len(loop.source) - 2 * num_moving
    drifts, sways = np.zeros(count, bool), np.zeros(count, bool)
    drifts[loop.source[end : end + num_moving].numpy()] = True
    sways[loop.source[end - len(loop.bent.cloud) : end].numpy()] = True
    return drifts, sways


def _drifted(loop: render.Animation, offset_px: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Where the fluid's points are after ``offset_px [M, 2]``, on its surface: ``[M, 3]``; and which are still inside."""
    at_px = loop.fluid.start_px + offset_px
    height, width = loop.fluid.surface.shape[:2]
    grid = at_px / at_px.new_tensor([width, height]) * 2 - 1
    planes = loop.fluid.surface[..., :2].permute(2, 0, 1)[None]
    disp, exists = functional.grid_sample(planes, grid[None, None], align_corners=False, padding_mode="border")[0, :, 0]
    own = loop.fluid.cloud.xyz[:, 2]
    stays = exists > LEAST_EXISTENCE
    z = torch.where(stays & (disp > 0), 1.0 / disp.clamp_min(1e-12), own)
    still = (offset_px == 0).all(dim=1)
    return _lifted(loop, at_px, torch.where(still, own, z)), (stays | still).numpy()


def _lifted(loop: render.Animation, at_px: Tensor, z: Tensor) -> np.ndarray:
    lifted: np.ndarray = loop.canvas.unproject(at_px, z).numpy()
    return lifted
