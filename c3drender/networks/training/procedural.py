"""Samples from procedural scenes: true flow, true geometry, true views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data import Camera, Layers
from .hints import random_hint
from .samples import MotionSample, RenderSample, Split, integer, numbered_generator, uniform
from .scenes import NUM_BACKDROPS, ProceduralScene, look_at, make_scene, visible_flow

NUM_FRAMES = (8, 24)  # between start and end
TRAVEL = (0.03, 0.15)  # of the picture's side: how far the fastest point drifts from start to end
VIEW_SHIFT = 0.1  # scene units the camera moves at most along x and y, and along z; the nearest object's depth is about 1
MOTION_TRAVEL = 0.01  # of the picture's side: the fastest step of a motion sample


@dataclass(frozen=True)
class ProceduralMotion:
    """Pictures of ``size_px`` squared and their flow."""

    size_px: int
    seed: int
    split: Split

    def __getitem__(self, number: int) -> MotionSample:
        generator = numbered_generator(self.seed, self.split, number)
        camera = Camera.for_photo(self.size_px, self.size_px)
        fastest = uniform(generator, 0.1, 1.0) * MOTION_TRAVEL * self.size_px
        scene = make_scene(generator, camera, fastest)
        view = look_at(scene, camera, 0)
        step_px, moving = visible_flow(scene, view)
        planes = step_px.permute(2, 0, 1).contiguous()
        mask = moving[None].to(torch.float32)
        return MotionSample(view.rgb.permute(2, 0, 1).contiguous(), planes, mask, random_hint(generator, planes, mask))


@dataclass(frozen=True)
class ProceduralViews:
    """Even numbers: a flowing scene from a resting camera, at three moments. Odd: a static one from a camera that moved.

    Frames have ``size_px`` squared, the canvas ``margin_px`` more on every side. Two layers: what the source view shows, and
    the backdrop behind its objects.
    """

    size_px: int
    margin_px: int
    seed: int
    split: Split

    def __getitem__(self, number: int) -> RenderSample:
        generator = numbered_generator(self.seed, self.split, number)
        camera = Camera.for_photo(self.size_px, self.size_px)
        num_frames = integer(generator, *NUM_FRAMES)
        static = number % 2 == 1
        travel_px = 0.0 if static else uniform(generator, *TRAVEL) * self.size_px / num_frames
        scene = make_scene(generator, camera.padded(self.margin_px), travel_px)
        frame = integer(generator, 1, num_frames - 1)
        shift = VIEW_SHIFT * (2 * torch.rand(3, generator=generator) - 1) * static
        pose = torch.cat([torch.eye(3), shift[:, None]], dim=1)
        start = _layers(scene, 0, self.margin_px)
        end = start if static else _layers(scene, num_frames, self.margin_px)
        view = camera.with_pose(pose)
        return RenderSample(start, end, view, num_frames, frame, look_at(scene, view, frame).rgb)


def _layers(scene: ProceduralScene, frame: int, margin_px: int) -> Layers:
    front = look_at(scene, scene.canvas, frame)
    back = look_at(scene, scene.canvas, frame, backdrops_only=True)
    objects = front.surface >= NUM_BACKDROPS
    flows = [visible_flow(scene, view) for view in (front, back)]

    def stacked(of_front: Tensor, of_back: Tensor) -> Tensor:
        return torch.stack([of_front, of_back])

    def of_views(name: str) -> Tensor:
        return stacked(*(getattr(view, name) for view in (front, back)))

    alpha = stacked(torch.ones_like(objects), objects)
    return Layers.from_planes(
        rgb=of_views("rgb"),
        alpha=alpha.to(torch.float32),
        z_cam=of_views("z_cam"),
        seen=alpha,
        step_px=stacked(flows[0][0], flows[1][0]),
        moving=stacked(flows[0][1], flows[1][1]) & alpha,
        margin_px=margin_px,
    )
