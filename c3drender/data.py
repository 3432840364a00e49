"""The values that pass between stages: frozen dataclasses over torch tensors, nothing else.

Conventions (every module): camera space is +x right, +y down, +z forward; pixel ``(x, y)`` covers ``[x, x+1) x [y, y+1)`` and
has its centre at ``(x+0.5, y+0.5)``; ``u = fx*x/z + cx``; images are ``[H, W, C]``, contiguous, sRGB-encoded float32 in 0..1.

Constructors check shape, dtype and device, raise TypeError or ValueError, and never read a value (no device synchronisation).
Values are checked once, where data enters the package (`c3drender.files`, `c3drender.pipeline`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import accumulate
from math import inf, isfinite, pi
from numbers import Real
from typing import Any, TypeVar, cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor

# What a user may hand over; the readers of `files` turn it into the values below.
PathLike = str | os.PathLike[str]
PictureLike = PathLike | PIL.Image.Image | np.ndarray | Tensor
Arrow = tuple[tuple[float, float], tuple[float, float]]  # ((x0, y0), (x1, y1)), px of the photo
Arrows = PathLike | Sequence[Arrow] | np.ndarray | Tensor

Value = TypeVar("Value")

FRAMES_PER_ARROW = 50  # an arrow's length is this many frames of motion (the released annotation format's unit)
LEAST_RANGE = 0.5  # of the near disparity: a scene with less between near and far is looked at as if it had this much
HIDES = 1.1  # times a fluid's disparity (1/z): what is so much nearer hides it, what is not touches it, as banks do


def check_tensor(owner: str, name: str, value: Any, shape: tuple[int | str | None, ...], dtype: torch.dtype) -> None:
    """Raise unless ``value`` is a contiguous tensor of ``dtype`` whose sizes match ``shape``.

    Parameters
    ----------
    owner, name : str
        Whose value it is, for the message.
    value : Any
        What should be such a tensor.
    shape : tuple of int, str or None
        Sizes: an int must be equal, a string is a free size with a name for the message.
    dtype : torch.dtype

    Raises
    ------
    TypeError
        For what is no tensor, or of another dtype.
    ValueError
        For another shape or layout.
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


def to_device(value: Value, device: torch.device | str) -> Value:
    """Return a copy of a dataclass of this package with every tensor in it on ``device``.

    Parameters
    ----------
    value : dataclass, Tensor or anything else
        What is neither a dataclass nor a tensor is returned as it is.
    device : torch.device or str

    Returns
    -------
    Value
        Of the same type as ``value``.
    """
    if isinstance(value, Tensor):
        return cast(Value, value.to(device))
    if is_dataclass(value) and not isinstance(value, type):
        return cast(Value, replace(value, **{f.name: to_device(getattr(value, f.name), device) for f in fields(value)}))
    return value


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: intrinsics in pixels, the size of its picture, and its pose.

    Attributes
    ----------
    fx, fy : float
        Focal lengths, px, > 0.
    cx, cy : float
        Principal point, px: ``u = fx*x/z + cx``, ``v = fy*y/z + cy``.
    width, height : int
        Size of the picture, px, >= 1.
    world_to_cam : Tensor or None
        float32 ``[3, 4]``, or ``[V, 3, 4]`` for V cameras with these intrinsics; None is the identity.

    Raises
    ------
    ValueError, TypeError
        For a size or a focal length out of range, a pose of another shape or dtype.

    Examples
    --------
    >>> import torch
    >>> from c3drender import Camera
    >>> camera = Camera.for_photo(640, 480)
    >>> camera.fx, camera.cx, camera.cy
    (640.0, 320.0, 240.0)
    >>> camera.unproject(torch.tensor([[320.0, 240.0]]), torch.tensor([2.0]))  # its middle, two units away
    tensor([[0., 0., 2.]])
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
    def for_photo(cls, width: int, height: int) -> Camera:
        """The camera assumed for a photo of unknown lens: focal length = the longer side (53 degrees), centred."""
        focal = float(max(width, height))
        return cls(focal, focal, width / 2, height / 2, width, height)

    def unproject(self, xy_px: Tensor, z_cam: Tensor) -> Tensor:
        """Points of this camera's space that it sees in a given depth.

        Parameters
        ----------
        xy_px : Tensor
            float32 ``[N, 2]``, where the camera sees them, px.
        z_cam : Tensor
            float32 ``[N]``, depths along the view axis.

        Returns
        -------
        Tensor
            ``[N, 3]``.
        """
        x = (xy_px[:, 0] - self.cx) / self.fx * z_cam
        y = (xy_px[:, 1] - self.cy) / self.fy * z_cam
        return torch.stack([x, y, z_cam], dim=1)

    @property
    def pose(self) -> Tensor:
        """`world_to_cam`, or the identity ``[3, 4]``."""
        return torch.eye(3, 4) if self.world_to_cam is None else self.world_to_cam

    def with_pose(self, world_to_cam: Tensor) -> Camera:
        """The same camera at the pose ``world_to_cam``, float32 ``[3, 4]`` or ``[V, 3, 4]``."""
        return replace(self, world_to_cam=world_to_cam)

    def zoomed(self, zoom: float) -> Camera:
        """The same camera with its focal lengths times ``zoom``."""
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

    Attributes
    ----------
    radius_px : float
        Radius of a disc where nothing is stretched, px.
    depth_tolerance : float
        Relative depth within which hits are one surface.
    closed_px : float
        px between neighbours up to which discs of that radius leave no gap.
    max_stretch_px : float
        Up to which a fluid's discs widen with the distance to stay one surface.
    least_existence : float
        A point that drifts to where less of a fluid pixel is than this has left the fluid and is not drawn.
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
    """A picture.

    Attributes
    ----------
    rgb : Tensor
        float32 ``[H, W, 3]``, sRGB-encoded, 0..1.
    """

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

    Attributes
    ----------
    sky : Tensor
        Sky and clouds.
    water : Tensor
        Level water (sea, lake, pool, slow river).
    rapids : Tensor
        Falling or foaming water.
    smoke : Tensor
        Smoke, steam, flames.
    horizon_y : float
        Row (px, may lie outside the picture) of the ground's vanishing line.
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
    """Depth along the view axis of every pixel.

    Attributes
    ----------
    z_cam : Tensor
        float32 ``[H, W]``, > 0, in any unit.
    measured : bool
        Its edges lie where the picture's do; an estimate's are soft and get sharpened.
    """

    z_cam: Tensor
    measured: bool = False

    def __post_init__(self) -> None:
        check_tensor("DepthMap", "z_cam", self.z_cam, ("H", "W"), torch.float32)


@dataclass(frozen=True)
class DepthSpan:
    """The disparities (1/z) that scale a scene's camera paths.

    Attributes
    ----------
    near, far : float
        Of its near and its far content, but for specks.
    focus : float
        Of what stays in place while the camera moves.
    focus_px : (float, float) or None
        Where on the photo (x, y) that is; None: the middle.

    Raises
    ------
    ValueError
        Unless 0 <= far <= near, 0 < near and 0 < focus, all finite.
    """

    near: float
    far: float
    focus: float
    focus_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not (0 < self.near < inf and 0 <= self.far <= self.near and 0 < self.focus < inf):
            expected = "0 <= far <= near, 0 < near and 0 < focus, all finite"
            raise ValueError(f"DepthSpan: expected {expected}, got near {self.near}, far {self.far}, focus {self.focus}")

    @property
    def limits(self) -> tuple[float, float]:
        """The farthest and the nearest disparity that a scene of this span may hold: specks beyond them are pulled in, or no
        bound on what a camera path shifts could be kept."""
        beyond = 0.5 * max(self.near - self.far, LEAST_RANGE * self.near)
        return max(self.far - beyond, 1e-3 * self.near), self.near + beyond


@dataclass(frozen=True, eq=False)
class MotionHints:
    """What the user says about motion, in pixels of the photo.

    Attributes
    ----------
    mask : Tensor or None
        bool ``[H, W]``, True moves; None: to be found.
    arrows : Tensor
        float32 ``[A, 2, 2]``, ``(start, end)`` x ``(x, y)``; an arrow's length is `FRAMES_PER_ARROW` frames of motion.
    freeze : Tensor or None
        bool ``[H, W]``, True stays whatever the mask says.
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
    """An Eulerian flow field.

    Attributes
    ----------
    step_px : Tensor
        float32 ``[H, W, 2]``: (x, y) pixels per frame.
    moving : Tensor
        bool ``[H, W]``.
    """

    step_px: Tensor
    moving: Tensor

    def __post_init__(self) -> None:
        check_tensor("FlowField", "step_px", self.step_px, ("H", "W", 2), torch.float32)
        check_tensor("FlowField", "moving", self.moving, (*self.step_px.shape[:2],), torch.bool)
        _check_one_device("FlowField", step_px=self.step_px, moving=self.moving)


@dataclass(frozen=True)
class Fluid:
    """Something fluid, as the user describes it: water, clouds, smoke, fire.

    Attributes
    ----------
    mask : PictureLike or None
        Picture or array, white moves; None: found (`c3drender.files.read_mask`).
    hints : Arrows, MotionHints or None
        Arrows ``((x0, y0), (x1, y1))`` in pixels, each as long as 50 frames of motion, or a file
        (`c3drender.files.read_hints`); None: the direction is guessed.
    flow : path, array, Tensor or None
        The dense flow itself, ``[H, W, 2]``, px per frame (`c3drender.files.read_flow`).
    """

    mask: PictureLike | None = None
    hints: Arrows | MotionHints | None = None
    flow: PathLike | np.ndarray | Tensor | None = None


@dataclass(frozen=True)
class Sway:
    """Something that swings about its root, as the user describes it: a tree, grass, a flag, hair, a boat.

    Attributes
    ----------
    mask : PictureLike or None
        Picture or array, white sways; None where the file of ``hints`` has polygons.
    hints : Arrows, MotionHints or None
        Arrows whose direction is the swing's and whose length is the tip's reach to either side, in pixels; without, sideways,
        by a share of the picture's size.
    root : str
        The side on which each connected part of the mask is held: ``bottom top left right``.
    strength : float
        Scales the reach, >= 0.
    """

    mask: PictureLike | None
    hints: Arrows | MotionHints | None = None
    root: str = "bottom"
    strength: float = 1.0


@dataclass(frozen=True)
class Ripple:
    """Still water that mirrors something, as the user describes it: waves run over the reflection.

    Attributes
    ----------
    mask : PictureLike or None
        Picture or array, white ripples; None where the file of ``hints`` has polygons.
    hints : Arrows, MotionHints or None
        Arrows along which the waves run; without, toward the camera.
    strength : float
        Scales the waves' height, >= 0.
    """

    mask: PictureLike | None
    hints: Arrows | MotionHints | None = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Harmonics:
    """A periodic displacement of every pixel.

    It is ``sum_k sine_k sin(2 pi k t) + cosine_k (cos(2 pi k t) - 1)``, k = 1..K, with t the loop's time, 0..1. Nothing is
    displaced at t = 0.

    Attributes
    ----------
    sine_px, cosine_px : Tensor
        float32 ``[K, H, W, 2]``, (x, y).
    """

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
    """A layered depth image (LDI): the pixels that exist, near to far, on a canvas wider than the photo.

    Layer 0 is what the photo shows, continued into the margin; layer k is what layer k-1 hides and some view can reveal. Its
    pixels are ``first[k]`` to ``first[k + 1]``, row by row.

    Attributes
    ----------
    pixel : Tensor
        int32 ``[P]``, where each pixel lies on the canvas: ``y * width + x``.
    rgb : Tensor
        float32 ``[P, 3]``, sRGB-encoded.
    alpha : Tensor
        float32 ``[P]``, > 0, the share of the canvas' pixel that it covers.
    z_cam : Tensor
        float32 ``[P]``, > 0, depth along the view axis.
    seen : Tensor
        bool ``[P]``, True where the colour is the photo's own, not filled.
    step_px : Tensor
        float32 ``[P, 2]``, the flow, px per frame, continued into what was filled.
    moving : Tensor
        bool ``[P]``, what flows, continued likewise.
    first : tuple of int
        Where each layer begins, and P at the end.
    size : tuple of int
        ``(height, width)`` of the canvas.
    margin_px : int
        By how much the canvas is wider than the photo on every side.

    References
    ----------
    Shade, Gortler, He, Szeliski, "Layered Depth Images", SIGGRAPH 1998.
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
            pixel=exists.flatten(1).nonzero()[:, 1].to(torch.int32),
            rgb=rgb[exists],
            alpha=alpha[exists],
            z_cam=z_cam[exists],
            seen=seen[exists],
            step_px=step_px[exists],
            moving=moving[exists],
            first=(0, *exists.flatten(1).sum(dim=1).cumsum(0).tolist()),
            size=(alpha.shape[1], alpha.shape[2]),
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
    """Feature points in the photo's camera space.

    Attributes
    ----------
    xyz : Tensor
        float32 ``[N, 3]``.
    feat : Tensor
        float32 ``[N, C]``.
    radius : Tensor
        float32 ``[N]``, in scene units.
    opacity : Tensor or None
        float32 ``[N]``, 0..1; None: 1.
    """

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
    """Poses of a moving camera, one per frame; the frame after the last would repeat the first.

    Attributes
    ----------
    world_to_cam : Tensor
        float32 ``[F, 3, 4]``.
    name : str
        For messages.
    zoom : Tensor or None
        float32 ``[F]``, > 0, factors of the focal length; None: one.
    """

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
    """Key frames of a camera, to be joined by a spline.

    Attributes
    ----------
    loop_t : tuple of float
        Their times: rising, from 0, below 1 where the path is ``closed``, else to 1.
    position : tuple of (x, y, z)
        In the units of the presets: 1 is as far to a side, or forward, as ``swing`` or half of ``zoom`` go.
    zoom : tuple of float
        Factors of the focal length, >= 1.
    closed : bool
        The path returns to its start.

    Raises
    ------
    ValueError
        For times, positions or zooms that differ in number, or are out of range.

    Examples
    --------
    >>> from c3drender import CameraKeys
    >>> CameraKeys(loop_t=(0.0, 0.5), position=((0, 0, 0), (1, 0, 0.5)), zoom=(1, 1.2)).closed
    True
    """

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
    """What a splat leaves, all composited (premultiplied by coverage).

    Attributes
    ----------
    feat : Tensor
        float32 ``[(V,) H, W, C]``.
    alpha, disp : Tensor
        float32 ``[(V,) H, W]``.
    idx : Tensor or None
        int32 ``[(V,) H, W, K]``, nearest hits, ascending, -1 where empty.
    """

    feat: Tensor
    alpha: Tensor
    disp: Tensor
    idx: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One finished picture.

    Attributes
    ----------
    rgb_u8 : Tensor
        uint8 ``[H, W, 3]``, sRGB.
    uncovered : Tensor
        bool ``[H, W]``: what no point covered.
    """

    rgb_u8: Tensor
    uncovered: Tensor = field(repr=False)
