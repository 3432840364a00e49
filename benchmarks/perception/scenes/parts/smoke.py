"""Smoke, steam, mist and fire: noise that the flow has drawn out, on cards that face the camera.

Cards, because true volumes need hundreds of samples a pixel in a path tracer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..classes import Layout, Surface
from .materials import Rgb, blank
from .meshes import Mesh
from .noise import fbm, ridged, smooth_step
from .stage import Stage


def card(
    stage: Stage,
    at: np.ndarray,
    width: float,
    height: float,
    texels: Callable[[float], np.ndarray],
    surface: Surface,
    glow: float,
    velocity,
) -> None:
    """A picture, see `Stage.moving_image`, that stands upright, the middle of its foot at ``at``.

    ``glow`` is the light it gives of its own; at 0 it is lit by the scene.
    """
    camera = stage.camera
    image = stage.moving_image("card", texels)
    away = np.asarray(at)[:2] - np.array(camera.location[:2])
    right = np.array([away[1], -away[0], 0]) / max(np.linalg.norm(away), 1e-6)
    up = np.array([0, 0, 1.0])
    corners = [at + right * (u - 0.5) * width + up * v * height for v in (0, 1) for u in (0, 1)]
    mesh = Mesh(corners, [[0, 1, 3, 2]], attributes={"u": np.array([0, 1, 0, 1.0]), "v": np.array([0, 0, 1.0, 1])})
    made, n = blank(surface, Layout.UPRIGHT)
    place = n.new("CombineXYZ")
    n.set(place.inputs[0], n.attribute("u"))
    n.set(place.inputs[1], n.attribute("v"))
    texture = n.new("TexImage", image=image, extension="CLIP", interpolation="Cubic")
    n.set(texture.inputs[0], place.outputs[0])
    if glow > 0:
        body = n.new("Emission")
        body.inputs[1].default_value = glow
        n.set(body.inputs[0], texture.outputs["Color"])
        made.cycles.emission_sampling = "NONE"
    else:
        body = n.new("BsdfTranslucent")
        n.set(body.inputs[0], texture.outputs["Color"])
        front = n.new("BsdfDiffuse")
        n.set(front.inputs[0], texture.outputs["Color"])
        body = n.mix_shader(0.5, body.outputs[0], front.outputs[0]).node
    n.finish(n.mix_shader(texture.outputs["Alpha"], n.new("BsdfTransparent").outputs[0], body.outputs[0]))
    thing = stage.add(mesh, [made], fluid=stage.fluid(velocity))
    thing.visible_shadow = False


def plume(
    stage: Stage,
    at: np.ndarray,
    width: float,
    height: float,
    colour: Rgb,
    lean: float = 0.0,
    thick: float = 1.0,
    glow: float = 0.0,
) -> None:
    """A column that rises from ``at`` and widens to ``width``; ``lean`` is how far its top drifts, in heights."""
    rng = stage.rng
    rows, columns = stage.fine(220), stage.fine(180)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    seed = stage.seed32() % 100000
    span = max(width, 2 * abs(lean) * height + width)
    bend = lean * height / (span / 2) * v**1.4
    spread = (width / span) * (0.10 + 0.90 * v ** rng.uniform(0.5, 1.0))
    lit_from = rng.choice([-1, 1])
    speed = stage.log_uniform(0.4, 4) * max(height, 1) ** 0.3
    rise = np.array([lean, 0, 1.0]) / np.hypot(lean, 1) * speed
    right = stage.camera.world_to_cam[0]
    velocity = right * rise[0] + np.array([0, 0, rise[2]])
    foot = np.asarray(at, float)

    def texels(time: float) -> np.ndarray:
        """The outline stays; folds and curls rise through it."""
        from_v = v - rise[2] * time / height
        wave = 0.25 * spread * fbm(np.stack([from_v * 3, 0 * v + 3.7], -1), seed, 3)
        across = (u - bend - wave) / spread
        where = np.stack([across * 1.1, from_v * 4.0 * height / max(width, 1e-6) ** 0.5 / max(height, 1e-6) ** 0.5], -1)
        curl = 0.5 * np.stack([fbm(where * 0.9, seed + 1, 4), fbm(where * 0.9, seed + 2, 4)], -1)
        if thick < 0.5:  # a thin thread: sheets that fold over
            body = ridged(where * 0.6 + 1.4 * curl, seed + 3, 4) ** 3
        else:
            body = 0.5 + 0.75 * fbm(where * 1.3 + curl, seed + 3, 6)
        edge = np.clip(1 - across**2, 0, 1) * smooth_step(0, 0.03, v) * smooth_step(1.0, 0.65, v)
        alpha = smooth_step(0.12, 0.75, body * edge * 1.6) * min(1.0, 0.55 + 0.4 * thick)
        relief = np.gradient(body * edge, axis=1) * columns / 8
        shade = np.clip(0.75 + 0.35 * lit_from * relief + 0.25 * (body - 0.5), 0.25, 1.2)
        return np.concatenate([np.asarray(colour) * shade[..., None], alpha[..., None]], -1)

    card(stage, foot, span, height, texels, Surface.SMOKE, glow, lambda xyz: np.broadcast_to(velocity, xyz.shape))


def mist(stage: Stage, at: np.ndarray, width: float, height: float, thick: float = 0.6, glow: float = 0.0) -> None:
    """A low bank of mist or spray, lit by the scene, or, without a path's noise, as bright as ``glow``."""
    rows, columns = stage.fine(110), stage.fine(220)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    seed = stage.seed32() % 100000
    aside = stage.rng.choice([-1, 1]) * 0.6
    velocity = stage.camera.world_to_cam[0] * aside + np.array([0, 0, 0.3])

    def texels(time: float) -> np.ndarray:
        from_u, from_v = u - 2 * aside * time / width, v - 0.3 * time / height
        where = np.stack([from_u * width / max(height, 1e-3) * 0.8, from_v * 2.0], -1)
        body = 0.55 + 0.6 * fbm(where + 0.5 * fbm(where, seed, 3)[..., None], seed + 5, 6)
        alpha = thick * smooth_step(0.1, 0.9, body * (1 - v) ** 0.8 * np.clip(1 - u**4, 0, 1) * 1.5) * smooth_step(0, 0.06, v)
        return np.concatenate([np.full((rows, columns, 3), 0.85), alpha[..., None]], -1)

    card(
        stage,
        np.asarray(at, float),
        width,
        height,
        texels,
        Surface.SMOKE,
        glow,
        lambda xyz: np.broadcast_to(velocity, xyz.shape),
    )


def fire(stage: Stage, at: np.ndarray, width: float, height: float, glow: float) -> None:
    """Flames on several cards, and the light that they throw."""
    rng = stage.rng
    for layer in range(3):
        rows, columns = 150, 110
        v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
        seed = stage.seed32() % 100000
        where = np.stack([u * 2.2, v * 2.4 * height / width - 0.3], -1)
        warp = 0.55 * np.stack([fbm(where * 0.8, seed, 4), fbm(where * 0.8, seed + 1, 4)], -1) * v[..., None] ** 0.5
        tongues = ridged(where * [1.0, 0.35] + warp, seed + 2, 4)
        envelope = np.clip(1 - (np.abs(u) / (0.95 * (1 - v) ** 0.6 + 0.05)) ** 2, 0, 1) * smooth_step(0, 0.06, v)
        heat = np.clip(envelope * (0.25 + 1.15 * tongues) - 0.55 * v, 0, 1)
        alpha = smooth_step(0.04, 0.35, heat)
        colour = np.stack([0.9 + 0.6 * heat, 0.10 + 0.95 * heat**1.3, 0.008 + 0.4 * heat**3], -1)
        texels = np.concatenate([colour, alpha[..., None]], -1)
        spot = np.asarray(at, float) + [rng.normal(0, 0.15 * width), (layer - 1) * 0.15 * width, 0]
        size = rng.uniform(0.75, 1.1)
        card(
            stage,
            spot,
            width * size,
            height * size,
            lambda time, shown=texels: shown,
            Surface.FIRE,
            glow,
            lambda xyz: np.broadcast_to(np.array([0, 0, 2.0]), xyz.shape),
        )
    stage.lamp(
        "POINT",
        np.asarray(at, float) + [0, 0, 0.35 * height],
        60 * glow * width * height,
        (1, 0.45, 0.12),
        shadow_soft_size=0.3 * width,
    )
