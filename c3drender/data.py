"""The values that pass between stages: frozen dataclasses over torch tensors, nothing else.

Conventions (every module): camera space is +x right, +y down, +z forward; pixel ``(x, y)`` covers ``[x, x+1) x [y, y+1)`` and
has its centre at ``(x+0.5, y+0.5)``; ``u = fx*x/z + cx``; images are ``[H, W, C]``, contiguous, sRGB-encoded float32 in 0..1.

Constructors check shape, dtype and device and never read a value (no device synchronisation). Values are checked once, where
data enters the package (`files`, `pipeline`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import accumulate
from math import inf, isfinite, pi
from numbers import Real
from typing import Any

import torch
from torch import Tensor

FRAMES_PER_ARROW = 50  # an arrow's length is this many frames of motion (the released annotation format's unit)
HIDES = 1.1  # times a fluid's disparity (1/z): what is so much nearer hides it, what is not touches it, as banks do


def check_tensor(owner: str, name: str, value: Any, shape: tuple[int | str | None, ...], dtype: torch.dtype) -> None:
    """Raise TypeError or ValueError unless ``value`` is a contiguous tensor of ``dtype`` whose sizes match ``shape``.

    Entries of ``shape``: an int must be equal, a string is a free size with a name for the message.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: {name} must be a torch.Tensor, got {type(value).__name__}")
    expected = "[" + ", ".join(str(s) for s in shape) + "]"
    sizes_match = value.dim() == len(shape) and all(
        not isinstance(s, int) or s == n for s, n in zip(shape, value.shape, strict=False)
    )
    if not sizes_match:
        raise ValueError(f"{owner}: {name} must be {expected}, got {list(value.shape)}")
    if value.dtype != dtype:
        raise TypeError(f"{owner}: {name} must be {dtype}, got {value.dtype}")
    if not value.is_contiguous():
        raise ValueError(f"{owner}: {name} must be contiguous, got strides {value.stride()}")


def _check_one_device(owner: str, **tensors: Tensor) -> None:
    devices = {name: t.device for name, t in tensors.items()}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(f"{owner}: all tensors must be on one device, got {listed}")


def to_device(value: Any, device: torch.device | str) -> Any:
    """Return a copy of a dataclass of this module with every tensor in it on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: to_device(getattr(value, f.name), device) for f in fields(value)})
    return value


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: intrinsics in pixels, the size of its picture, and its pose.

    ``world_to_cam``: float32 ``[3, 4]``, or ``[V, 3, 4]`` for V cameras with these intrinsics; None is the identity.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    world_to_cam: Tensor | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"Camera: width and height must be >= 1, got {self.width} x {self.height}")
        if not (self.fx > 0 and self.fy > 0):
            raise ValueError(f"Camera: fx and fy must be > 0, got {self.fx}, {self.fy}")
        if self.world_to_cam is not None:
            batched = isinstance(self.world_to_cam, Tensor) and self.world_to_cam.dim() == 3
            shape = ("V", 3, 4) if batched else (3, 4)
            check_tensor("Camera", "world_to_cam", self.world_to_cam, shape, torch.float32)

    @classmethod
    def for_photo(cls, width: int, height: int, focal_px: float | None = None) -> Camera:
        """The camera of a photo, centred; where its lens is unknown the focal length is the longer side (53 degrees)."""
        focal = float(max(width, height)) if focal_px is None else focal_px
        return cls(focal, focal, width / 2, height / 2, width, height)

    def unproject(self, xy_px: Tensor, z_cam: Tensor) -> Tensor:
        """Points ``[N, 3]`` of this camera's space that it sees at ``xy_px [N, 2]`` in the depth ``z_cam [N]``."""
        x = (xy_px[:, 0] - self.cx) / self.fx * z_cam
        y = (xy_px[:, 1] - self.cy) / self.fy * z_cam
        return torch.stack([x, y, z_cam], dim=1)

    def with_pose(self, world_to_cam: Tensor) -> Camera:
        return replace(self, world_to_cam=world_to_cam)

    def zoomed(self, zoom: float) -> Camera:
        return replace(self, fx=self.fx * zoom, fy=self.fy * zoom)

    def padded(self, margin_px: int) -> Camera:
        """The same camera with ``margin_px`` more pixels on every side."""
        return replace(
            self,
            cx=self.cx + margin_px,
            cy=self.cy + margin_px,
            width=self.width + 2 * margin_px,
            height=self.height + 2 * margin_px,
        )


@dataclass(frozen=True)
class SplatRules:
    """How the layers' surfaces are drawn as discs: what fills them, renders them and trains on them must agree on it.

    ``radius_px``: of a disc where nothing is stretched. ``depth_tolerance``: relative depth within which hits are one surface.
    ``closed_px``: px between neighbours up to which discs of that radius leave no gap. ``max_stretch_px``: up to which a
    fluid's discs widen with the distance to stay one surface. ``least_existence``: a point that drifts to where less of a
    fluid pixel is than this has left the fluid and is not drawn.
    """

    radius_px: float = 1.5
    depth_tolerance: float = 0.02
    closed_px: float = 1.5
    max_stretch_px: float = 3.0
    least_existence: float = 0.75

    def __post_init__(self) -> None:
        for rule in fields(self):
            value = getattr(self, rule.name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"SplatRules: {rule.name} must be a number, got {value!r}")
        sizes_fit = 0 < self.radius_px < inf and self.closed_px > 1 and self.max_stretch_px >= 1
        if not (sizes_fit and self.depth_tolerance >= 0 and 0 <= self.least_existence < 1):
            expected = "radius_px > 0, depth_tolerance >= 0, closed_px > 1, max_stretch_px >= 1 and 0 <= least_existence < 1"
            raise ValueError(f"SplatRules: expected {expected}, got {self}")

    @property
    def tear_px(self) -> float:
        """By how much more than on the grid two neighbours may come apart and still be one surface."""
        return self.closed_px - 1.0


SPLAT_RULES = SplatRules()


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: ``rgb`` float32 ``[H, W, 3]``, sRGB-encoded, 0..1."""

    rgb: Tensor

    def __post_init__(self) -> None:
        check_tensor("Image", "rgb", self.rgb, ("H", "W", 3), torch.float32)

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)``"""
        return self.rgb.shape[0], self.rgb.shape[1]


@dataclass(frozen=True, eq=False)
class Scenery:
    """What the picture shows, as soft maps, each float32 ``[H, W]`` in 0..1 (1 = surely).

    ``sky``: sky and clouds. ``water``: level water (sea, lake, pool, slow river). ``rapids``: falling or foaming water.
    ``smoke``: smoke, steam, flames. ``horizon_y``: row (px, may lie outside the picture) of the ground's vanishing line.
    """

    sky: Tensor
    water: Tensor
    rapids: Tensor
    smoke: Tensor
    horizon_y: float

    def __post_init__(self) -> None:
        for name in ("sky", "water", "rapids", "smoke"):
            check_tensor("Scenery", name, getattr(self, name), (*self.sky.shape,), torch.float32)


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Depth along the view axis of every pixel: ``z_cam`` float32 ``[H, W]``, > 0, in any unit. ``measured``: its edges lie
    where the picture's do; an estimate's are soft and get sharpened. ``focal_px``: the photo's focal length in pixels, where
    what gave the depth knows it."""

    z_cam: Tensor
    measured: bool = False
    focal_px: float | None = None

    def __post_init__(self) -> None:
        check_tensor("DepthMap", "z_cam", self.z_cam, ("H", "W"), torch.float32)
        if self.focal_px is not None and not 0 < self.focal_px < inf:
            raise ValueError(f"DepthMap: focal_px must be finite and > 0, got {self.focal_px}")


@dataclass(frozen=True, eq=False)
class MotionHints:
    """What the user says about motion, in pixels of the photo.

    ``mask``: bool ``[H, W]``, True moves; None: to be found. ``arrows``: float32 ``[A, 2, 2]``, ``(start, end)`` x ``(x, y)``;
    an arrow's length is `FRAMES_PER_ARROW` frames of motion. ``freeze``: bool ``[H, W]``, True stays whatever the mask says.
    """

    mask: Tensor | None
    arrows: Tensor
    freeze: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("MotionHints", "arrows", self.arrows, ("A", 2, 2), torch.float32)
        for name in ("mask", "freeze"):
            if getattr(self, name) is not None:
                check_tensor("MotionHints", name, getattr(self, name), ("H", "W"), torch.bool)


@dataclass(frozen=True, eq=False)
class FlowField:
    """An Eulerian flow field. ``step_px`` float32 ``[H, W, 2]``: (x, y) pixels per frame; ``moving`` bool ``[H, W]``."""

    step_px: Tensor
    moving: Tensor

    def __post_init__(self) -> None:
        check_tensor("FlowField", "step_px", self.step_px, ("H", "W", 2), torch.float32)
        check_tensor("FlowField", "moving", self.moving, (*self.step_px.shape[:2],), torch.bool)
        _check_one_device("FlowField", step_px=self.step_px, moving=self.moving)


@dataclass(frozen=True)
class Fluid:
    """Something fluid, as the user describes it: ``mask``, ``hints`` and ``flow`` as in `pipeline.prepare`."""

    mask: Any = None
    hints: Any = None
    flow: Any = None


@dataclass(frozen=True)
class Sway:
    """Something that swings about its root, as the user describes it: a tree, grass, a flag, hair, a boat.

    ``mask``: picture or array, white sways. ``hints``: arrows whose direction is the swing's and whose length is the tip's
    reach to either side, in pixels; without, sideways, by a share of the picture's size. ``root``: the side on which each
    connected part of the mask is held: ``bottom top left right``. ``strength`` scales the reach.
    """

    mask: Any
    hints: Any = None
    root: str = "bottom"
    strength: float = 1.0


@dataclass(frozen=True)
class Ripple:
    """Still water that mirrors something, as the user describes it: waves run over the reflection.

    ``mask``: picture or array, white ripples. ``hints``: arrows along which the waves run; without, toward the camera.
    ``strength`` scales the waves' height.
    """

    mask: Any
    hints: Any = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Harmonics:
    """A periodic displacement of every pixel: ``sum_k sine_k sin(2 pi k t) + cosine_k (cos(2 pi k t) - 1)``, k = 1..K, with t
    the loop's time, 0..1. Nothing is displaced at t = 0. ``sine_px``, ``cosine_px``: float32 ``[K, H, W, 2]``, (x, y)."""

    sine_px: Tensor
    cosine_px: Tensor

    def __post_init__(self) -> None:
        check_tensor("Harmonics", "sine_px", self.sine_px, ("K", "H", "W", 2), torch.float32)
        check_tensor("Harmonics", "cosine_px", self.cosine_px, (*self.sine_px.shape,), torch.float32)

    def at(self, loop_t: float) -> Tensor:
        """The displacement ``[H, W, 2]`` at this moment of the loop, px."""
        return harmonic_px(self.sine_px, self.cosine_px, loop_t)


def harmonic_px(sine_px: Tensor, cosine_px: Tensor, loop_t: float) -> Tensor:
    """The displacement ``[..., 2]`` at ``loop_t`` from coefficients ``[K, ..., 2]`` (see `Harmonics`)."""
    turns = 2 * pi * loop_t * torch.arange(1, len(sine_px) + 1, dtype=torch.float64)
    shape = (-1, *(1 for _ in sine_px.shape[1:]))
    sine, cosine = (wave.to(sine_px).reshape(shape) for wave in (turns.sin(), turns.cos() - 1.0))
    return (sine * sine_px + cosine * cosine_px).sum(dim=0)


@dataclass(frozen=True, eq=False)
class Layers:
    """A layered depth image (LDI): the pixels that exist, near to far, on a canvas of ``size`` (height, width) that is
    ``margin_px`` wider than the photo on every side.

    Layer 0 is what the photo shows, continued into the margin; layer k is what layer k-1 hides and some view can reveal. Its
    pixels are ``first[k]`` to ``first[k + 1]``, row by row; ``pixel`` int32 ``[P]`` says where each lies (``y * width + x``).
    ``rgb`` float32 ``[P, 3]``; ``alpha`` float32 ``[P]``, > 0, the share of the canvas' pixel that it covers; ``z_cam``
    float32 ``[P]``, > 0; ``seen`` bool ``[P]``, True where the colour is the photo's own, not filled; ``step_px`` float32
    ``[P, 2]`` and ``moving`` bool ``[P]``: the flow, continued into what was filled.
    """

    pixel: Tensor
    rgb: Tensor
    alpha: Tensor
    z_cam: Tensor
    seen: Tensor
    step_px: Tensor
    moving: Tensor
    first: tuple[int, ...]
    size: tuple[int, int]
    margin_px: int

    def __post_init__(self) -> None:
        check_tensor("Layers", "pixel", self.pixel, ("P",), torch.int32)
        count = len(self.pixel)
        check_tensor("Layers", "rgb", self.rgb, (count, 3), torch.float32)
        check_tensor("Layers", "alpha", self.alpha, (count,), torch.float32)
        check_tensor("Layers", "z_cam", self.z_cam, (count,), torch.float32)
        check_tensor("Layers", "seen", self.seen, (count,), torch.bool)
        check_tensor("Layers", "step_px", self.step_px, (count, 2), torch.float32)
        check_tensor("Layers", "moving", self.moving, (count,), torch.bool)
        if len(self.first) < 2 or self.first[0] != 0 or self.first[-1] != count or list(self.first) != sorted(self.first):
            raise ValueError(f"Layers: first must rise from 0 to P = {count} (from pixel), got {self.first}")

    @classmethod
    def from_planes(
        cls, rgb: Tensor, alpha: Tensor, z_cam: Tensor, seen: Tensor, step_px: Tensor, moving: Tensor, margin_px: int
    ) -> Layers:
        """Of planes ``[L, H, W, ...]`` the pixels that have some ``alpha``."""
        exists = alpha > 0
        return cls(
            exists.flatten(1).nonzero()[:, 1].to(torch.int32),
            *(values[exists] for values in (rgb, alpha, z_cam, seen, step_px, moving)),
            first=(0, *exists.flatten(1).sum(dim=1).cumsum(0).tolist()),
            size=tuple(alpha.shape[1:]),
            margin_px=margin_px,
        )

    @property
    def num_layers(self) -> int:
        return len(self.first) - 1

    def part(self, layer: int) -> slice:
        """Where the pixels of one layer are."""
        return slice(self.first[layer], self.first[layer + 1])

    def plane(self, values: Tensor, layer: int, empty: float = 0) -> Tensor:
        """``values [P, ...]`` of one layer, spread over the canvas: ``[H, W, ...]``, ``empty`` where it has no pixel."""
        plane = values.new_full((self.size[0] * self.size[1], *values.shape[1:]), empty)
        plane[self.pixel[self.part(layer)]] = values[self.part(layer)]
        return plane.view(*self.size, *values.shape[1:])

    def of_photo(self, values: Tensor, layer: int = 0) -> Tensor:
        """`plane`, inside the photo's border: ``[H, W, ...]`` of the photo."""
        margin = self.margin_px
        return self.plane(values, layer)[margin : self.size[0] - margin, margin : self.size[1] - margin]

    def centre_px(self) -> Tensor:
        """The pixels' centres (x, y), float32 ``[P, 2]``."""
        width = self.size[1]
        return torch.stack([self.pixel % width, self.pixel // width], dim=1).to(torch.float32) + 0.5

    def nearest_moving(self) -> Tensor:
        """Of each place on the canvas the nearest pixel that moves, int64 ``[H, W]``; -1 where none does."""
        nearest = torch.full((self.size[0] * self.size[1],), -1, dtype=torch.int64, device=self.pixel.device)
        for layer in range(self.num_layers):
            part = self.part(layer)
            own = torch.arange(part.start, part.stop, device=self.pixel.device)
            moves = self.moving[part] & (nearest[self.pixel[part]] < 0)
            nearest[self.pixel[part][moves]] = own[moves]
        return nearest.view(self.size)

    def kept(self, where: Tensor) -> Layers:
        """The pixels that are True in ``where [P]`` alone."""
        counts = [int(where[self.part(layer)].sum()) for layer in range(self.num_layers)]
        names = ("pixel", "rgb", "alpha", "z_cam", "seen", "step_px", "moving")
        inside = {name: getattr(self, name)[where] for name in names}
        return replace(self, **inside, first=(0, *accumulate(counts)))


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Feature points in the photo's camera space: ``xyz [N, 3]``, ``feat [N, C]``, ``radius [N]`` in scene units, ``opacity
    [N]`` 0..1 (None: 1)."""

    xyz: Tensor
    feat: Tensor
    radius: Tensor
    opacity: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("PointCloud", "xyz", self.xyz, ("N", 3), torch.float32)
        check_tensor("PointCloud", "feat", self.feat, (len(self.xyz), "C"), torch.float32)
        check_tensor("PointCloud", "radius", self.radius, (len(self.xyz),), torch.float32)
        _check_one_device("PointCloud", xyz=self.xyz, feat=self.feat, radius=self.radius)
        if self.opacity is not None:
            check_tensor("PointCloud", "opacity", self.opacity, (len(self.xyz),), torch.float32)
            _check_one_device("PointCloud", xyz=self.xyz, opacity=self.opacity)

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Poses of a moving camera, one per frame: ``world_to_cam`` float32 ``[F, 3, 4]``; frame F would repeat frame 0.
    ``zoom``: float32 ``[F]``, > 0, factors of the focal length; None: one."""

    world_to_cam: Tensor
    name: str = "custom"
    zoom: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("CameraPath", "world_to_cam", self.world_to_cam, ("F", 3, 4), torch.float32)
        if len(self.world_to_cam) == 0:
            raise ValueError("CameraPath: world_to_cam must have at least one frame, got 0")
        if self.zoom is not None:
            check_tensor("CameraPath", "zoom", self.zoom, (len(self.world_to_cam),), torch.float32)

    def __len__(self) -> int:
        return len(self.world_to_cam)


@dataclass(frozen=True)
class CameraKeys:
    """Key frames of a camera, to be joined by a spline: at ``loop_t`` (rising, from 0, below 1 where the path is ``closed``,
    else to 1) it is at ``position`` (x, y, z), in the units of the presets (1 is as far to a side, or forward, as ``swing`` or
    half of ``zoom`` go), with the focal length times ``zoom`` (>= 1)."""

    loop_t: tuple[float, ...]
    position: tuple[tuple[float, float, float], ...]
    zoom: tuple[float, ...]
    closed: bool = True

    def __post_init__(self) -> None:
        count = len(self.loop_t)
        if count < 2 or len(self.position) != count or len(self.zoom) != count:
            got = f"{count} times, {len(self.position)} positions, {len(self.zoom)} zooms"
            raise ValueError(f"CameraKeys: expected as many times, positions and zooms, two or more, got {got}")
        rising = all(a < b for a, b in zip(self.loop_t, self.loop_t[1:], strict=False))
        if self.loop_t[0] != 0 or not rising or not (self.loop_t[-1] < 1 if self.closed else self.loop_t[-1] == 1):
            end = "below 1" if self.closed else "to 1"
            raise ValueError(f"CameraKeys: expected times that rise from 0 {end}, got {list(self.loop_t)}")
        if not all(isfinite(value) for position in self.position for value in position):
            raise ValueError(f"CameraKeys: expected finite positions (x, y, z), got {list(self.position)}")
        if not all(isfinite(zoom) and zoom >= 1 for zoom in self.zoom):
            raise ValueError(f"CameraKeys: expected zooms >= 1 (step back to see more), got {list(self.zoom)}")


@dataclass(frozen=True, eq=False)
class Raster:
    """What a splat leaves: ``feat`` ``[(V,) H, W, C]``, ``alpha`` and ``disp`` ``[(V,) H, W]``, float32, all composited
    (premultiplied by coverage). ``idx``: int32 ``[(V,) H, W, K]`` nearest hits, ascending, -1 where empty, or None."""

    feat: Tensor
    alpha: Tensor
    disp: Tensor
    idx: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One finished picture: ``rgb_u8`` uint8 ``[H, W, 3]``, sRGB; ``uncovered`` bool ``[H, W]``: what no point covered."""

    rgb_u8: Tensor
    uncovered: Tensor = field(repr=False)


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that `render_frames` needs, constant over the video: the photo's ``camera`` (identity pose), its ``layers``,
    and three disparities (1/z) that scale camera paths: ``disp_near`` (the nearest content), ``disp_far`` and ``disp_focus``
    (what stays in place while the camera moves, at ``focus_px`` (x, y); None: the middle). ``notes``: one line per guess that
    preparation made. ``harmonics``: what sways and ripples, on the layers' canvas, the same in every layer; None: nothing."""

    camera: Camera
    layers: Layers
    disp_near: float
    disp_far: float
    disp_focus: float
    notes: tuple[str, ...] = ()
    focus_px: tuple[float, float] | None = None
    harmonics: Harmonics | None = None
