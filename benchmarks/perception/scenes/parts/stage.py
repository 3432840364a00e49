"""An empty Blender scene that families put things into."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np

from .camera import Camera
from .meshes import Mesh, reshape, to_blender

Velocity = Callable[[np.ndarray], np.ndarray]  # world points [N, 3] -> m/s [N, 3]


@dataclass
class Air:
    """What lies between the camera and things, applied to the linear picture by depth.

    Attributes
    ----------
    density : 1/m at height 0; 0 is clear.
    height : metres over which it falls to 1/e; inf is uniform.
    colour : linear RGB, None takes the picture's own horizon.
    """

    density: float = 0.0
    height: float = np.inf
    colour: tuple[float, float, float] | None = None


@dataclass
class Stage:
    """State of the scene being built.

    What moves is built at time 0 and, by ``set_time``, shown as it is before or after (seconds). ``detail`` multiplies the
    number of vertices and texels along each side of what is made for the camera's view. ``exact``: the registered flows are
    the speed of what one sees, and textures go along; else their direction is enough, as `passes.labels` needs no more.
    """

    family: str
    seed: int
    rng: np.random.Generator
    camera: Camera | None = None
    air: Air = field(default_factory=Air)
    exposure: float = 0.0  # stops over the automatic one
    white: np.ndarray = field(default_factory=lambda: np.ones(3))  # colour of the main light, which the camera balances out
    night: bool = False
    samples: int = 8
    bounces: int = 1  # of diffuse light
    detail: float = 1.0
    exact: bool = False
    fluids: list[Velocity] = field(default_factory=list)
    clockwork: list[Callable[[float], None]] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)

    def seed32(self) -> int:
        return int(self.rng.integers(2**31))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, *choices: object) -> object:
        return choices[self.rng.integers(len(choices))]

    def log_uniform(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def fluid(self, velocity: Velocity) -> int:
        """Registers a flow; the index marks the objects that are carried by it."""
        self.fluids.append(velocity)
        return len(self.fluids)

    def drift(self, velocity: Sequence[float]) -> int:
        """A flow that is the same everywhere."""
        constant = np.asarray(velocity, float)
        return self.fluid(lambda xyz: np.broadcast_to(constant, xyz.shape))

    def add(
        self,
        mesh: Mesh | bpy.types.Mesh,
        materials: Sequence[bpy.types.Material] = (),
        at: Sequence[float] = (0, 0, 0),
        turn: float | Sequence[float] = 0.0,
        scale: float | Sequence[float] = 1.0,
        fluid: int = 0,
    ) -> bpy.types.Object:
        """Places a mesh; hand the returned object's ``data`` in again to place it once more without a copy."""
        data = to_blender(mesh, materials) if isinstance(mesh, Mesh) else mesh
        thing = bpy.data.objects.new("thing", data)
        thing.location = tuple(map(float, at))
        thing.rotation_euler = (0, 0, float(turn)) if np.isscalar(turn) else tuple(map(float, turn))
        thing.scale = (float(scale),) * 3 if np.isscalar(scale) else tuple(map(float, scale))
        thing.pass_index = fluid
        bpy.context.scene.collection.objects.link(thing)
        return thing

    def moving(
        self, shape: Callable[[float], Mesh], materials: Sequence[bpy.types.Material] = (), fluid: int = 0
    ) -> bpy.types.Object:
        """Places a mesh whose vertices and attributes, not its faces, depend on the time in seconds."""
        thing = self.add(shape(0.0), materials, fluid=fluid)
        self.clockwork.append(lambda time: reshape(thing.data, shape(time)))
        return thing

    def moving_image(self, name: str, texels: Callable[[float], np.ndarray]) -> bpy.types.Image:
        """A picture [R, C, 4] (bottom row first; linear RGB, opacity) that depends on the time in seconds."""

        def picture(values: np.ndarray) -> bpy.types.Image:
            image = bpy.data.images.new(name, values.shape[1], values.shape[0], alpha=True, float_buffer=True)
            image.colorspace_settings.name, image.alpha_mode = "Non-Color", "CHANNEL_PACKED"
            image.pixels.foreach_set(values.astype(np.float32).ravel())
            image.update()
            return image

        image = picture(texels(0.0))

        def show(time: float) -> None:
            """Puts another in its place: of a picture that changes, Cycles goes on to show what it saw first."""
            nonlocal image
            before, image = image, picture(texels(time))
            before.user_remap(image)
            bpy.data.images.remove(before)

        self.clockwork.append(show)
        return image

    def set_time(self, time: float) -> None:
        for move in self.clockwork:
            move(time)

    def fine(self, count: int) -> int:
        return round(self.detail * count)

    def lamp(self, kind: str, at: Sequence[float], energy: float, colour: Sequence[float] = (1, 1, 1), **settings: float):
        """A lamp of Blender's ``kind`` (POINT, AREA, SUN, SPOT); further names set its properties."""
        lamp = bpy.data.lights.new("lamp", kind)
        lamp.energy, lamp.color = energy, tuple(colour)
        turn = settings.pop("turn", (0, 0, 0))
        for name, value in settings.items():
            setattr(lamp, name, value)
        thing = bpy.data.objects.new("lamp", lamp)
        thing.location, thing.rotation_euler = tuple(map(float, at)), turn
        bpy.context.scene.collection.objects.link(thing)
        return thing


def new_stage(family: str, seed: int) -> Stage:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.engine = "CYCLES"
    return Stage(family, seed, np.random.default_rng([zlib.crc32(family.encode()), seed]))
