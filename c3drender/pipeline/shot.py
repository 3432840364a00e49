"""How a scene is taken: along a camera's path, through a window and a lens, one picture after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import camera as cameras
from ..data import Camera, CameraPath, Frame, Lens
from ..files.scene import Scene
from ..render.lens import Draw, Optics, develop, expose, light_of, optics_of
from .crop import Window

Change = Callable[[Camera], Camera]
Cover = Callable[[Camera, float, Tensor], Tensor]  # of a view, at a frame, of the layers' pixels that are marked


def unchanged(view: Camera) -> Camera:
    return view


@dataclass(frozen=True, eq=False)
class Shot:
    """``draw``, which renders ``scene``, along ``path``, through ``window`` (None: all of it) and ``lens``."""

    draw: Draw
    scene: Scene
    path: CameraPath
    lens: Lens
    optics: Optics
    window: Window | None = None

    def view_at(self, n: float) -> Camera:
        """The camera at frame ``n``, also between two."""
        pose, zoom = self.path.at(n)
        view = self.scene.camera.with_pose(pose).zoomed(zoom)
        return view if self.window is None else self.window.of(view, n)

    def taken(self, n: int, change: Change = unchanged) -> Frame:
        """Frame ``n`` (any integer: the loop repeats), as the camera sees it that ``change`` makes of its view: another eye's,
        or a smaller one."""
        n %= len(self.path)
        if self.lens.is_pinhole:
            frame = self.draw(change(self.view_at(n)), n)
            return frame if self.lens.is_plain else self._developed(light_of(frame), frame.uncovered, n, change)
        return self._developed(*expose(self.draw, lambda moment: change(self.view_at(moment)), n, self.optics), n, change)

    def _developed(self, light: Tensor, uncovered: Tensor, n: int, change: Change) -> Frame:
        return Frame(develop(light, self.lens, change(self.view_at(n)).fx, n), uncovered)

    def disp(self, n: int, change: Change = unchanged) -> Tensor:
        """The disparity of what frame ``n`` shows, without the lens: float32 ``[H, W]``."""
        disp = self.draw(change(self.view_at(n)), n, True).disp
        assert disp is not None  # it was asked for
        return disp


def shot_of(
    draw: Draw,
    scene: Scene,
    path: CameraPath,
    lens: Lens | None,
    window: Window | None = None,
    sharp_px: tuple[float, float] | None = None,
) -> Shot:
    """A `Shot`, of which ``sharp_px``, or else what the lens says, or else what the camera keeps in place, is sharp."""
    taken = Lens() if lens is None else lens
    return Shot(draw, scene, path, taken, optics_of(taken, scene.camera, scene.span, _focus(scene, taken, sharp_px)), window)


def _focus(scene: Scene, lens: Lens, sharp_px: tuple[float, float] | None) -> Tensor | float:
    camera = scene.camera
    at_px = sharp_px if sharp_px is not None else lens.focus
    if at_px is None:
        return cameras.focus_point(camera, scene.span).to(torch.float64).cpu()
    if not isinstance(at_px, tuple | list):
        return float(at_px)
    x, y = at_px
    if not (0 <= x <= camera.width and 0 <= y <= camera.height):
        raise ValueError(f"lens_focus: expected (x, y) inside {camera.width} x {camera.height} px, got ({x:g}, {y:g})")
    z_cam = scene.layers.of_photo(scene.layers.z_cam)[min(int(y), camera.height - 1), min(int(x), camera.width - 1)]
    return camera.unproject(torch.tensor([[x, y]], dtype=torch.float32), z_cam.cpu()[None])[0].to(torch.float64)


def smaller(view: Camera, width: int, height: int) -> Camera:
    """``view`` on a picture of another size of the same proportions."""
    across, down = width / view.width, height / view.height
    return replace(
        view, fx=view.fx * across, fy=view.fy * down, cx=view.cx * across, cy=view.cy * down, width=width, height=height
    )
