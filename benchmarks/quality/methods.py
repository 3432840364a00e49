"""Methods on one footing: each gets what a user would have (photo, depth, flow, camera poses) and makes any frame of the loop.

The paper's baselines and the ablations of the point renderer stand in `baselines`; here are ours, and what is left out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from c3drender import pipeline, render
from c3drender.data import CameraPath, DepthMap, FlowField, Harmonics, Image, MotionHints
from c3drender.depth import estimate as depths
from c3drender.files.scene import Scene
from c3drender.motion import flow as motion
from c3drender.motion import harmonics as harmonic
from c3drender.motion import sway
from c3drender.pipeline.see import look

from .flows import SWINGS, sway_rate
from .scenes import LOOP_FRAMES
from .truth import Truth

SWAY_SIGMA = 1 / 80  # of the width

Picture = NDArray[np.uint8]
Video = Callable[[int, int], tuple[Picture, NDArray[np.bool_]]]  # frame, camera -> rgb_u8 [H, W, 3], uncovered [H, W]


@dataclass(frozen=True, eq=False)
class Given:
    """What a method works from. ``poses [C, 3, 4]``: the cameras that will look, the first at rest. ``harmonics``: what sways;
    a method that knows only flows takes the ``flow`` for it, the velocity at the photo's time."""

    image: Image
    depth: DepthMap
    flow: FlowField
    poses: torch.Tensor
    harmonics: Harmonics | None = None


Method = Callable[[Given], Video]


def given_truth(truth: Truth, sways: bool = False) -> Given:
    """The true depth and the true motion, which ``sways`` or flows."""
    return Given(
        image=photo_of(truth),
        depth=DepthMap(torch.from_numpy(truth.z_cam), measured=True),
        flow=FlowField(torch.from_numpy(truth.step_px * truth.moving[..., None]), torch.from_numpy(truth.moving)),
        poses=torch.from_numpy(truth.poses),
        harmonics=true_sway(truth) if sways else None,
    )


def true_sway(truth: Truth) -> Harmonics:
    """The true swing, continued around what swings, where it fades out, and smoothed: a surface that bends must not tear."""
    reach_px = truth.step_px / sway_rate(LOOP_FRAMES)
    beyond, nearest = ndimage.distance_transform_edt(~truth.moving, return_indices=True)
    fall_off = max(sway.FALL_OFF * float(np.hypot(*reach_px[truth.moving].T).max()), sway.LEAST_FALL_OFF_PX)
    along = harmonic.smooth_step(torch.from_numpy(1 - beyond / fall_off)).numpy()
    swing = (reach_px[tuple(nearest)] * along[..., None]).astype(np.float32)
    swing = ndimage.gaussian_filter(swing, (SWAY_SIGMA * truth.size[1], SWAY_SIGMA * truth.size[1], 0))
    sine = np.zeros((len(SWINGS), *swing.shape), np.float32)
    for k, share in enumerate(SWINGS):
        sine[k] = share * swing
    return harmonic.joined([Harmonics(torch.from_numpy(sine), torch.zeros(sine.shape))])


def sway_from_arrows(truth: Truth) -> Harmonics:
    """The motion stage's own sway: parts that grow out of the picture's lower border are rooted there, others to the left; one
    arrow each tells how far the tip swings."""
    reach_px = truth.step_px / sway_rate(LOOP_FRAMES)
    labels = ndimage.label(truth.moving, np.ones((3, 3)))[0]
    grows = np.isin(labels, np.unique(labels[-1])) & truth.moving
    fields = []
    for mask, root in ((grows, "bottom"), (truth.moving & ~grows, "left")):
        arrows = []
        for part in np.unique(labels[mask]):
            size = np.where(labels == part, np.hypot(reach_px[..., 0], reach_px[..., 1]), 0)
            y, x = np.unravel_index(size.argmax(), size.shape)
            arrows.append(((x + 0.5, y + 0.5), (x + 0.5, y + 0.5) + reach_px[y, x]))
        fields.append(sway.sway_field(mask, np.array(arrows).reshape(-1, 2, 2), root))
    return harmonic.joined(fields)


def photo_of(truth: Truth) -> Image:
    return Image(torch.from_numpy(truth.photo_u8.astype(np.float32) / 255))


def builtin_depth(truth: Truth) -> DepthMap:
    """The built-in estimate. It knows depth up to a scale and a shift of 1/z, which are fitted to the truth."""
    image = photo_of(truth)
    shown = look(image)
    estimate, _ = depths.estimate_depth(image, shown.scenery, shown.nearness, method="builtin")
    disp, true = 1 / estimate.z_cam.numpy().astype(np.float64), 1 / truth.z_cam.astype(np.float64)
    scale, shift = np.polyfit(disp.ravel(), true.ravel(), 1)
    fitted = np.clip(scale * disp + shift, true.min(), true.max())
    return DepthMap(torch.from_numpy((1 / fitted).astype(np.float32)))


def flow_from_arrows(truth: Truth, depth: DepthMap) -> FlowField:
    """The motion stage's own field, from the true mask and a few arrows."""
    hints = MotionHints(torch.from_numpy(truth.moving), torch.from_numpy(truth.arrows))
    return motion.flow_from_hints(photo_of(truth), depth, hints)


def automatic_flow(truth: Truth, depth: DepthMap) -> FlowField:
    """The motion stage's own field, from the photo alone."""
    image = photo_of(truth)
    hints = MotionHints(None, torch.zeros(0, 2, 2))
    shown = look(image)
    return motion.find_flow(image, depth, shown.scenery, hints, None, shown.stays)[0]


@lru_cache(maxsize=1)
def prepared(given: Given) -> Scene:
    views = CameraPath(given.poses.contiguous())
    flow = given.flow
    if given.harmonics is not None:
        flow = FlowField(torch.zeros_like(flow.step_px), torch.zeros_like(flow.moving))
    return pipeline.build_scene(given.image, given.depth, flow, views, 1.0, (), harmonics=given.harmonics)


def shown(scene: Scene, given: Given, blend: render.BlendMode = "phase") -> Video:
    animation = render.animate(scene, LOOP_FRAMES, blend=blend)

    def video(frame: int, camera: int) -> tuple[Picture, NDArray[np.bool_]]:
        made = render.render_frame(animation, given.poses[camera], frame)
        return made.rgb_u8.numpy(), made.uncovered.numpy()

    return video


def ours(given: Given, blend: render.BlendMode = "phase") -> Video:
    return shown(prepared(given), given, blend)


def without_inpainting(given: Given) -> Video:
    """Only what the photo shows: nothing behind, nothing beyond its border."""
    scene = prepared(given)
    layers = scene.layers
    return shown(replace(scene, layers=layers.kept(layers.seen)), given)


def forward_only(given: Given) -> Video:
    """The photo's points drift forward and nothing else: no second side, so the loop jumps at its end."""
    animation = render.animate(prepared(given), LOOP_FRAMES, blend="linear")
    forward = animation.fluid.forward
    reversed_way = replace(forward, units=forward.units.flip(0), unit_px=forward.unit_px.flip(0))
    one_way = replace(animation, fluid=replace(animation.fluid, backward=reversed_way))

    def video(frame: int, camera: int) -> tuple[Picture, NDArray[np.bool_]]:
        made = render.render_frame(one_way, given.poses[camera], frame)
        return made.rgb_u8.numpy(), made.uncovered.numpy()

    return video
