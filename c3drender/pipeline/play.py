"""`export_play`: a scene set in motion, as a file that the C++ core plays without Python (docs/scene-format.md).

What `c3drender.animate` traces and measures is kept as arrays, ready for `drift_points` and `splat_points`; whatever depends
on the time alone is a row for each frame. What is left to a player are sums and products in a fixed order, so that its frames
have the bits of `c3drender.render_frames`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from .. import camera as cameras
from .. import defaults, render
from ..data import CameraKeys, CameraPath, PathLike, PointCloud
from ..data.motion import harmonics_at
from ..files.place import check_writable, naming, replacing
from ..files.scene import Scene
from ..render import BlendMode, contrast, phase
from ..render.drift import Drift
from ..render.fluid import FluidPoints
from .inputs import Amplitude, CameraLike, check_blend, check_motion
from .plain import plainly
from .render import camera_path, periods

SUFFIX = ".c3dplay"
FORMAT_NAME = "c3drender play"
FORMAT_VERSION = 1
NAME = re.compile(r"[ -~]{1,64}")  # of a camera: printable ASCII

Arrays = dict[str, np.ndarray]


@plainly
def export_play(
    scene: Scene,
    out: PathLike,
    *,
    camera: CameraLike | Sequence[CameraLike] = defaults.CAMERA,
    amplitude: Amplitude | None = None,
    ease: float = 0.0,
    frames: int | None = None,
    fps: float = defaults.FPS,
    speed: float = 1.0,
    blend: BlendMode = "phase",
) -> Path:
    """Write a scene set in motion, for programs in C++: ``c3d/scene.h`` reads it and renders any frame of any camera, with
    the bits of `render_frames` on the CPU.

    Parameters
    ----------
    scene : Scene
        From `prepare` or `load_scene`.
    out : path
        ``.c3dplay``; it appears only when complete.
    camera : CameraLike or sequence of them
        Paths that the file offers by their names, beside whatever the program does with its camera. See `render_frames`.
    amplitude : float or sequence of three, optional
        See `render_frames`.
    ease : float
        See `render_frames`.
    frames : int, optional
        See `render_frames`.
    fps : float
        Frames per second that the loop is meant for.
    speed : float
        See `render_frames`.
    blend : {"phase", "contrast", "linear"}
        See `render_frames`.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument.

    Examples
    --------
    >>> import c3drender as c3d
    >>> c3d.export_play(c3d.load_scene("scene.c3d"), "scene.c3dplay", camera=["circle", "swing"], frames=8).name
    'scene.c3dplay'
    """
    if not isinstance(scene, Scene):
        raise TypeError(f"scene: expected a Scene, got {type(scene).__name__}")
    target = Path(out)
    if target.suffix.lower() != SUFFIX:
        raise ValueError(f"out: expected the suffix {SUFFIX}, got {target.name!r}")
    if isinstance(fps, bool) or not isinstance(fps, Real) or not 0 < fps < float("inf"):
        raise ValueError(f"fps: expected a finite number > 0, got {fps!r}")
    check_writable("out", target)
    loop, total = periods(frames)
    check_motion(loop, speed)
    check_blend(blend)
    wanted = [camera] if isinstance(camera, str | os.PathLike | CameraKeys | CameraPath) else camera
    if not isinstance(wanted, Sequence) or not wanted:
        raise TypeError(f"camera: expected a camera or a list of them, got {wanted!r:.80}")
    paths = {path.name: path for path in (camera_path(scene, one, total, amplitude, ease) for one in wanted)}
    if len(paths) < len(wanted) or not all(NAME.fullmatch(name) for name in paths):
        raise ValueError(f"camera: expected paths of different names in ASCII, of 1 to 64 letters, got {list(paths)}")
    for path in paths.values():
        if not path.world_to_cam.isfinite().all() or (
            path.zoom is not None and not (path.zoom.isfinite() & (path.zoom > 0)).all()
        ):
            raise ValueError(f"camera: expected finite poses and finite zooms > 0, got others in {path.name}")
    scene = scene.to("cpu")
    arrays = _arrays(scene, render.animate(scene, loop, speed, blend=blend), list(paths.values()), fps)
    metadata = {"format": FORMAT_NAME, "version": str(FORMAT_VERSION)}
    with naming("out", "write", target), replacing(target) as part:
        part.write_bytes(safetensors.numpy.save(arrays, metadata))
    return target


def _arrays(scene: Scene, animation: render.Animation, paths: list[CameraPath], fps: float) -> Arrays:
    camera, rules, bent, fluid = scene.camera, animation.rules, animation.bent, animation.fluid
    limits = (rules.radius_px, rules.max_stretch_px, rules.least_existence, rules.depth_tolerance, animation.sharpness)
    num_still = len(animation.points) - len(bent.cloud) - 2 * len(fluid.cloud)
    points = animation.points
    arrays: Arrays = {
        "lens": np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float64),
        "size": np.array([camera.width, camera.height], np.int32),
        "margin_px": np.array([scene.layers.margin_px], np.int32),
        "focus": cameras.focus_point(camera, scene.span).to(torch.float32).numpy(),
        "fps": np.array([fps], np.float32),
        "rules": np.array(limits, np.float32),
        "still.xyz": _array(points.xyz[:num_still]),
        "still.feat": _array(points.feat[:num_still]),
        "still.radius": _array(points.radius[:num_still]),
        "still.opacity": _array(_opacity(points)[:num_still]),
        **_of_frames(animation),
    }
    for k, path in enumerate(paths):
        zoom = torch.ones(len(path)) if path.zoom is None else path.zoom
        name = np.frombuffer(path.name.encode(), np.uint8)
        arrays |= {f"path.{k}.name": name, f"path.{k}.pose": _array(path.world_to_cam), f"path.{k}.zoom": _array(zoom)}
    if len(bent.cloud) > 0:
        arrays |= _named("bent", bent, "start_px", "sine_px", "cosine_px") | _named("bent", bent.cloud, "feat", "radius")
        arrays |= {"bent.z_cam": _array(bent.cloud.xyz[:, 2]), "bent.opacity": _array(_opacity(bent.cloud))}
    if len(fluid.cloud) > 0:
        arrays |= _of_fluid(fluid)
    return arrays


def _of_fluid(fluid: FluidPoints) -> Arrays:
    arrays: Arrays = _named("fluid", fluid, "start_px", "right", "below", "surface", "phase") | _named(
        "fluid", fluid.cloud, "feat"
    )
    arrays |= {"fluid.opacity": _array(_opacity(fluid.cloud)), "fluid.stride": np.array([fluid.forward.stride], np.int32)}
    arrays |= _of_drift("forward", fluid.forward) | _of_drift("backward", fluid.backward)
    arrays |= _named("fringe", fluid.fringe, "resting", "clean") | {"fringe.index": _array(fluid.fringe.index.to(torch.int32))}
    if fluid.gains is not None:
        arrays |= _named("detail", fluid.detail, "fine", "broad") | _named("gain", fluid.gains, "gain")
        arrays["gain.spacing_px"] = np.array([fluid.gains.spacing_px], np.float32)
    if fluid.copies is not None:
        arrays |= _named("waves", fluid.copies, "even", "least", "most", "spread", "tint")
        arrays["waves.colour"] = _array(fluid.copies.colour.index_copy(0, fluid.fringe.index, fluid.fringe.steady))
    return arrays


def _of_drift(name: str, drift: Drift) -> Arrays:
    return {f"{name}.units": _array(drift.units), f"{name}.unit_px": _array(drift.unit_px)}


def _of_frames(animation: render.Animation) -> Arrays:
    """What depends on the time alone, a row for each frame."""
    fluid, bent, num_frames = animation.fluid, animation.bent, animation.num_frames
    moments = [n / num_frames for n in range(num_frames)]
    shares = [contrast.backward_share(loop_t) for loop_t in moments]
    linear = animation.blend == "linear"
    fades = [(0.0, 0.0) if linear or share == 0 else contrast.fades(share) for share in shares]
    arrays = {"share": np.array(moments if linear else shares, np.float32), "fade": np.array(fades, np.float32)}
    if len(bent.cloud) > 0:
        harmonics = [harmonics_at(loop_t, len(bent.sine_px)) for loop_t in moments]
        arrays["harmonics"] = np.array(harmonics, np.float32)
    if len(fluid.cloud) > 0 and fluid.copies is not None:
        weights = [[phase.weights(share, backward) for backward in (False, True)] for share in shares]
        arrays["wave_weights"] = np.array(weights, np.float32)
    if fluid.gains is not None:
        between = [fluid.gains.between(loop_t) for loop_t in moments]
        arrays["gain_row"] = np.array([row for row, _ in between], np.int32)
        arrays["gain_share"] = np.array([share for _, share in between], np.float32)
    return {f"frames.{name}": array for name, array in arrays.items()}


def _opacity(cloud: PointCloud) -> Tensor:
    assert cloud.opacity is not None, "an animation's points have an opacity"
    return cloud.opacity


def _named(group: str, owner: object, *names: str) -> Arrays:
    return {f"{group}.{name}": _array(getattr(owner, name)) for name in names}


def _array(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.cpu().numpy())
