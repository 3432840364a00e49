"""A scene's pixels as points of space, at rest or at a moment of the loop: what is exported is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scene import Scene

UP = np.array([1, -1, -1], np.float32)  # from camera space, +y down, +z forward, to glTF's, +y up and looking along -z


@dataclass(frozen=True, eq=False)
class Moment:
    """Where the layers' P pixels are at one moment, in camera space.

    Attributes
    ----------
    xyz : array
        float32 ``[P, 3]``; of those that drift, on their way forward from the loop's start.
    drifts : array
        bool ``[P]``, M of them.
    back : array
        float32 ``[M, 3]``: those that drift once more, on their way back from the loop's end.
    stays : array
        bool ``[2, M]``: on either way, still inside the fluid.
    loop_t : float
        0..1, the share of the second way.
    """

    xyz: np.ndarray
    drifts: np.ndarray
    back: np.ndarray
    stays: np.ndarray
    loop_t: float = 0.0


@dataclass(frozen=True, eq=False)
class LoopMotion:
    """How the layers' P pixels move over the whole loop, in camera space.

    Attributes
    ----------
    drifts, sways : array
        bool ``[P]``, M and S of them.
    forward, backward : array
        float32 ``[K, M, 3]``: where those that drift are after 1/K, 2/K ... of the loop, and so long before its end.
    sine, cosine : array
        float32 ``[H, S, 3]``: those that sway are displaced by ``sum_h sine_h sin(2 pi h t) + cosine_h (cos(2 pi h t) - 1)``.
    seconds : float
        That the loop takes.
    """

    drifts: np.ndarray
    sways: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    sine: np.ndarray
    cosine: np.ndarray
    seconds: float


@dataclass(frozen=True, eq=False)
class Cloud:
    """N points in camera space: ``xyz [N, 3]``, colours ``rgb [N, 3]`` and cover ``alpha [N]`` in 0..1, and the size of a
    pixel where they are, ``pixel [N]``."""

    xyz: np.ndarray
    rgb: np.ndarray
    alpha: np.ndarray
    pixel: np.ndarray


def at_rest(scene: Scene) -> Moment:
    layers, camera = scene.layers, scene.camera
    xy = layers.centre_px().numpy() - layers.margin_px
    z = layers.z_cam.numpy()
    xyz = np.stack([(xy[:, 0] - camera.cx) / camera.fx * z, (xy[:, 1] - camera.cy) / camera.fy * z, z], axis=1)
    return Moment(xyz, np.zeros(len(z), bool), np.zeros((0, 3), np.float32), np.zeros((2, 0), bool))


def cloud_of(scene: Scene, moment: Moment) -> Cloud:
    """The pixels as points; those that drift twice, each way as much as it is seen."""
    rgb, alpha = scene.layers.rgb.numpy(), scene.layers.alpha.numpy().copy()
    drifts = moment.drifts
    alpha[drifts] *= (1 - moment.loop_t) * moment.stays[0]
    back = scene.layers.alpha.numpy()[drifts] * moment.loop_t * moment.stays[1]
    xyz = np.concatenate([moment.xyz, moment.back])
    alpha = np.concatenate([alpha, back])
    shown = alpha > 0
    xyz = xyz[shown]
    return Cloud(xyz, np.concatenate([rgb, rgb[drifts]])[shown], alpha[shown], xyz[:, 2] / scene.camera.fx)


def as_bytes(values: np.ndarray) -> np.ndarray:
    """0..1 as uint8."""
    return (values * 255).round().clip(0, 255).astype(np.uint8)
