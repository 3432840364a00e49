"""The nodes. ComfyUI's ``IMAGE`` is float32 ``[B, H, W, C]`` in 0..1, its ``MASK`` float32 ``[B, H, W]``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy.utils import ProgressBar
from torch import Tensor

import c3drender as c3d
from c3drender import defaults, render
from c3drender.data import SPLAT_RULES, CameraPath

CATEGORY = "c3drender"
NO_MASK_PX = 64  # ComfyUI's loader hands out an empty mask of that many pixels a side where a picture has none
MAX_POINTS = 64
PRESETS = ("circle", "swing", "zoom", "dolly", "rise", "orbit", "still", "dolly-zoom")
FILES = ("glb", "glb, animated", "ply", "ply, splats", "spz", "ora", "psd", "npz", "html")


def number(default: float, least: float, most: float, step: float = 0.05) -> tuple[str, dict[str, float]]:
    return "FLOAT", {"default": default, "min": least, "max": most, "step": step}


def whole(default: int, least: int, most: int) -> tuple[str, dict[str, int]]:
    return "INT", {"default": default, "min": least, "max": most}


def one_picture(name: str, batch: Tensor) -> Tensor:
    if len(batch) != 1:
        raise ValueError(f"{name}: expected one picture, got a batch of {len(batch)}")
    return batch[0]


@dataclass(frozen=True)
class CameraChoice:
    """The arguments of `c3drender.camera_path`."""

    camera: str = defaults.CAMERA
    amplitude: float = defaults.AMPLITUDE
    ease: float = 0.0

    def path(self, scene: c3d.Scene, frames: int) -> CameraPath:
        return c3d.camera_path(scene, self.camera, frames, self.amplitude, self.ease)


class C3DPrepare:
    """Depth, flow, layers, filled holes: `c3drender.prepare`."""

    CATEGORY, FUNCTION = CATEGORY, "prepare"
    RETURN_TYPES, RETURN_NAMES = ("C3D_SCENE", "STRING"), ("scene", "notes")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"image": ("IMAGE",)},
            "optional": {
                "mask": ("MASK", {"tooltip": "what moves; nothing connected: found"}),
                "depth": ("IMAGE", {"tooltip": "a depth map; nothing connected: estimated"}),
                "depth_near": (["bright", "dark", "auto"],),
                "depth_kind": (["auto", "disparity", "metric"],),
                "hints": ("STRING", {"default": "", "tooltip": "arrows in pixels: [[[x0, y0], [x1, y1]], ...]"}),
                "amplitude": number(defaults.AMPLITUDE, 0.0, 4.0),
                "size": (
                    "INT",
                    {"default": 0, "min": 0, "max": 16384, "tooltip": "longer side; 0: the picture's, to 1920"},
                ),
            },
        }

    def prepare(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        depth: Tensor | None = None,
        depth_near: str = "bright",
        depth_kind: str = "auto",
        hints: str = "",
        amplitude: float = 1.0,
        size: int = 0,
    ) -> tuple[c3d.Scene, str]:
        if mask is not None and tuple(mask.shape[-2:]) == (NO_MASK_PX, NO_MASK_PX) and not bool(mask.any()):
            mask = None
        given: dict[str, Any] = {}
        if depth is not None:
            given = {"depth": one_picture("depth", depth), "depth_kind": depth_kind}
            given["depth_near"] = "auto" if depth_kind == "metric" else depth_near
        try:
            arrows = json.loads(hints) if hints.strip() else None
        except ValueError as error:
            raise ValueError(f"hints: expected arrows [[[x0, y0], [x1, y1]], ...], got {hints[:80]!r}") from error
        scene = c3d.prepare(
            one_picture("image", image),
            mask=None if mask is None else one_picture("mask", mask),
            hints=arrows,
            amplitude=amplitude,
            size=size or None,
            **given,
        )
        return scene, "\n".join(scene.notes)


class C3DCamera:
    """A camera's way through the scene."""

    CATEGORY, FUNCTION = CATEGORY, "choose"
    RETURN_TYPES, RETURN_NAMES = ("C3D_CAMERA",), ("camera",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        wanted = {"preset": (list(PRESETS),), "amplitude": number(defaults.AMPLITUDE, 0.0, 4.0), "ease": number(0.0, 0.0, 1.0)}
        return {"required": wanted}

    def choose(self, preset: str, amplitude: float = 1.0, ease: float = 0.0) -> tuple[CameraChoice]:
        return (CameraChoice(preset, amplitude, ease),)


class C3DRender:
    """One period of the loop: pictures, what moves in each, and their depth, near is bright."""

    CATEGORY, FUNCTION = CATEGORY, "render"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "MASK", "IMAGE"), ("images", "moving", "depth")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "scene": ("C3D_SCENE",),
                "frames": whole(defaults.FRAMES, 1, 10_000),
                "speed": number(1.0, 0.0, 10.0),
                "blend": (["phase", "contrast", "linear"],),
            },
            "optional": {"camera": ("C3D_CAMERA",)},
        }

    def render(
        self, scene: c3d.Scene, frames: int, speed: float = 1.0, blend: str = "phase", camera: CameraChoice | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        path = (camera or CameraChoice()).path(scene, frames)
        shown = ProgressBar(2 * frames)
        images = []
        for frame in c3d.animate(scene, frames=frames, speed=speed, blend=blend).render(path):
            images.append(frame.rgb_u8.cpu().to(torch.float32) / 255)
            shown.update(1)
        moving, disp = zip(*self._passes(scene, path, frames, speed, shown), strict=True)
        depth = torch.stack(disp)
        depth = (depth / depth.max().clamp_min(1e-12))[..., None].expand(-1, -1, -1, 3).contiguous()
        return torch.stack(images), torch.stack(moving), depth

    @staticmethod
    def _passes(scene: c3d.Scene, path: CameraPath, frames: int, speed: float, shown: ProgressBar) -> Any:
        """What moves and how near it is in each frame: the points splatted with that instead of their colours."""
        animation = render.animate(scene, frames, speed, blend="linear")
        moves = scene.layers.moving[animation.source].to(torch.float32)[:, None].contiguous()
        zooms = [1.0] * frames if path.zoom is None else path.zoom.tolist()
        for n, (pose, zoom) in enumerate(zip(path.world_to_cam, zooms, strict=True)):
            points, hidden = render.place_points(animation, n)
            view = scene.camera.with_pose(pose.to(points.xyz)).zoomed(zoom)
            sides = c3d.ops.splat_points(
                points.xyz,
                moves,
                points.radius,
                view.with_pose(view.pose.repeat(len(hidden), 1, 1)),
                compositor="surface",
                depth_tolerance=SPLAT_RULES.depth_tolerance,
                max_points=MAX_POINTS,
                opacity=points.opacity,
                hidden=hidden,
            )
            share = torch.lerp(sides.feat[0, ..., 0], sides.feat[-1, ..., 0], n / frames).clamp(0, 1)
            yield share.cpu(), torch.lerp(sides.disp[0], sides.disp[-1], n / frames).cpu()
            shown.update(1)


class C3DExport:
    """A file for other programs, in ComfyUI's folder of outputs: `c3drender.export_scene`, `c3drender.export_html`."""

    CATEGORY, FUNCTION, OUTPUT_NODE = CATEGORY, "export", True
    RETURN_TYPES, RETURN_NAMES = ("STRING",), ("path",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        wanted = {"scene": ("C3D_SCENE",), "filename_prefix": ("STRING", {"default": "c3d/scene"}), "kind": (list(FILES),)}
        return {"required": wanted, "optional": {"camera": ("C3D_CAMERA",)}}

    def export(self, scene: c3d.Scene, filename_prefix: str, kind: str, camera: CameraChoice | None = None) -> dict[str, Any]:
        height, width = scene.camera.height, scene.camera.width
        folder, name, counter, _, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory(), width, height
        )
        suffix, _, how = kind.partition(", ")
        out = Path(folder) / f"{name}_{counter:05}_.{suffix}"
        choice = camera or CameraChoice()
        if suffix == "html":
            c3d.export_html(scene, out, camera=choice.camera, amplitude=choice.amplitude, ease=choice.ease)
        else:
            path = choice.path(scene, defaults.FRAMES)
            c3d.export_scene(scene, out, splats=how == "splats", animated=how == "animated", camera=path)
        return {"ui": {"text": [str(out)]}, "result": (str(out),)}


NODES = {"Prepare": C3DPrepare, "Camera": C3DCamera, "Render": C3DRender, "Export": C3DExport}
NODE_CLASS_MAPPINGS = {f"C3D{name}": kind for name, kind in NODES.items()}
NODE_DISPLAY_NAME_MAPPINGS = {f"C3D{name}": f"c3drender: {name.lower()}" for name in NODES}
