"""Photographs a traced scene at every time from every camera, and keeps each frame: a run may be stopped and started again."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..textures import Array
from ..truth import CENTRES, HEIGHT, NUM_ARROWS, TIMES, WIDTH, Truth, camera_poses, compared, draw_arrows
from .registry import TAKES

if TYPE_CHECKING:
    from perception.scenes.parts.stage import Stage

FOV = 2 * np.arctan(0.5)  # the focal length is the width, as everywhere in this benchmark
DETAIL = 2.0  # of vertices and texels, over scenes of 300 px
FARTHEST_M = 20000.0  # the sky's depth
LEAST_STEP_PX = 0.03  # a frame, on average: what is slower goes less than half a pixel in 15 frames, and counts as at rest
THREADS = 2
NEEDS = "quality: expected Blender as a module to draw traced scenes, got none: pip install 'bpy==4.5.*' OpenEXR (Python 3.11)"

Frame = dict[str, Array]


def draw(name: str, folder: Path) -> Truth:
    """The scene's truth; frames that ``folder/name.frames`` holds are not traced again, and those that no metric compares
    (`truth.compared`) not at all: they are black."""
    parts = folder / f"{name}.frames"
    parts.mkdir(parents=True, exist_ok=True)
    studio = _Studio(name, parts)
    photo = studio.frame(0, 0)
    poses = camera_poses(photo["z_cam"], WIDTH)
    studio.poses = poses
    cameras = range(len(CENTRES))
    frames = {(t, c): studio.frame(time, c) for t, time in enumerate(TIMES) for c in cameras if compared(t, c)}
    frames_u8 = np.zeros((len(TIMES), len(CENTRES), HEIGHT, WIDTH, 3), np.uint8)
    for where, frame in frames.items():
        frames_u8[where] = frame["rgb_u8"]
    return Truth(
        photo_u8=photo["rgb_u8"],
        z_cam=photo["z_cam"],
        moving=photo["moving"],
        step_px=photo["step_px"],
        arrows=draw_arrows(photo["moving"], photo["step_px"], NUM_ARROWS),
        poses=poses,
        times=np.array(TIMES),
        frames_u8=frames_u8,
        moving_seen=np.stack([np.any([f["moving"] for (_, c), f in frames.items() if c == own], axis=0) for own in cameras]),
    )


def frame_path(parts: Path, time: int, camera: int) -> Path:
    """Where a frame is kept."""
    return parts / f"{time:+03d}_{camera}.npz"


class _Studio:
    """Builds the scene when the first frame that is not there is asked for."""

    def __init__(self, name: str, parts: Path) -> None:
        self.name, self.parts = name, parts
        self.poses: Array | None = None
        self.shooting: Shooting | None = None

    def frame(self, time: int, camera: int) -> Frame:
        path = frame_path(self.parts, time, camera)
        if not path.exists():
            if self.shooting is None:
                self.shooting = Shooting(self.name, self.parts)
                if self.poses is not None:
                    self.shooting.set_exposure(self.frame(0, 0))
            pose = np.eye(3, 4) if self.poses is None else self.poses[camera]
            partial = path.with_suffix(".part.npz")
            np.savez_compressed(partial, **self.shooting.frame(time, pose))
            partial.replace(path)
        with np.load(path) as archive:
            return dict(archive)


def set_stage(name: str, seed: int) -> Stage:
    """An empty stage for a scene of this benchmark."""
    from perception.scenes.parts.camera import Camera
    from perception.scenes.parts.stage import new_stage

    stage = new_stage(name, seed)
    stage.camera = Camera((0.0, 0.0, 1.6), 0.0, 0.0, 0.0, float(FOV), (WIDTH, HEIGHT))
    stage.detail, stage.exact = DETAIL, True
    return stage


class Shooting:
    """A scene that is built, and its camera, whose exposure is that of the first frame it takes, or of another."""

    def __init__(self, name: str, scratch: Path, noise_seed: int = 0) -> None:
        try:
            import bpy
        except ImportError:
            raise SystemExit(NEEDS) from None
        from perception.scenes.parts import passes

        self.passes, self.take = passes, TAKES[name]
        self.stage = set_stage(name, self.take.seed)
        importlib.import_module(f"{__package__}.scenes.{name}").build(self.stage)
        self.stage.samples = self.take.samples
        self.time: int | None = None
        self.scratch = scratch / f".{os.getpid()}.exr"
        self.lens = passes.set_camera(self.stage)
        passes.set_up(self.stage, THREADS)
        scene = bpy.context.scene
        scene.cycles.seed, scene.cycles.denoising_prefilter = noise_seed, "ACCURATE"
        scene.render.use_persistent_data = True
        scene.view_layers[0].use_pass_mist = True
        mist = scene.world.mist_settings
        mist.start, mist.depth, mist.falloff = 0.0, FARTHEST_M, "LINEAR"
        self.gain: Array | None = None

    def set_exposure(self, photo: Frame) -> None:
        self.gain, self.stage.air.colour = photo["gain"], photo["air"]

    def _meter(self, light: Array, z: Array) -> None:
        passes, stage = self.passes, self.stage
        stage.air.colour = passes.horizon(stage, light, z)
        self.gain = passes.metered(stage, passes.with_air(stage, {"Combined": light}, z)) * passes.balance(stage, 0.8)

    def _trace(self, time: int, pose: Array) -> tuple[Array, Array, dict[str, Array]]:
        """Linear light without air, the depth averaged over each pixel, and the passes."""
        stage, camera = self.stage, self.stage.camera
        if time != self.time:
            stage.set_time(time * self.take.seconds_per_frame)
            self.time = time
        turn = pose[:, :3] @ camera.world_to_cam
        centre = np.array(camera.location) - turn.T @ pose[:, 3]
        self.passes.aim(self.lens, turn, centre)
        channels = self.passes.trace(self.scratch)
        return channels["Combined"], channels["Mist"] * FARTHEST_M, channels

    def frame(self, time: int, pose: Array) -> Frame:
        """What a camera sees ``time`` frames after the photo; ``pose`` [3, 4] is from the photo's camera to its own."""
        light, z, channels = self._trace(time, pose)
        if self.gain is None:
            self._meter(light, z)
        aired = self.passes.with_air(self.stage, {"Combined": light}, z)
        owner = channels["IndexOB"].round().astype(int)
        moving = np.zeros((HEIGHT, WIDTH), bool)
        step_px = np.zeros((HEIGHT, WIDTH, 2), np.float32)
        for index, velocity in enumerate(self.stage.fluids, 1):
            at = owner == index
            if at.any():
                xyz = channels["Position"][at].astype(np.float64)
                step = self._projected(xyz, velocity(xyz), pose) * self.take.seconds_per_frame
                if np.hypot(*step.T).mean() >= LEAST_STEP_PX:
                    step_px[at], moving[at] = step, True
        return {
            "gain": self.gain,
            "air": np.asarray(self.stage.air.colour),
            "rgb_u8": self.passes.as_bytes(self.passes.Film(self.gain, contrast=0.25).printed(aired)),
            "z_cam": np.minimum(channels["Depth"], FARTHEST_M).astype(np.float32),
            "moving": moving,
            "step_px": step_px,
        }

    def _projected(self, xyz: Array, rate: Array, pose: Array) -> Array:
        """Pixels per second [N, 2] of points [N, 3] that move at ``rate`` m/s [N, 3]."""
        camera = self.stage.camera
        seen = camera.to_cam(xyz) @ pose[:, :3].T + pose[:, 3]
        turned = rate @ camera.world_to_cam.T @ pose[:, :3].T
        return camera.focal_px * (turned[:, :2] - seen[:, :2] / seen[:, 2:] * turned[:, 2:]) / seen[:, 2:]
