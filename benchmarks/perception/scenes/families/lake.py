"""Still water before hills: mirrors, reeds, wooded and rocky shores, jetties."""

from __future__ import annotations

import numpy as np

from ..classes import Layout, Surface
from ..parts import materials as mt
from ..parts.camera import pick_camera
from ..parts.meshes import box, joined, polar_grid, surface
from ..parts.noise import fbm, smooth_step
from ..parts.plants import forest, reeds
from ..parts.rocks import boulders
from ..parts.sky import outdoors
from ..parts.stage import Stage
from ..parts.terrain import add_ground, mountains, scatter
from ..parts.water import water


def build(stage: Stage) -> None:
    rng = stage.rng
    stage.camera = pick_camera(rng, (0.8, 12), (-0.22, 0.06), (0.55, 1.35))
    outdoors(stage)
    width = stage.log_uniform(25, 500)
    seed = stage.seed32() % 1000
    near_bank = rng.uniform(1.0, 5) if stage.chance(0.75) else -3.0
    tilt = rng.normal(0, 0.25)
    peaks = mountains(stage, stage.log_uniform(30, 1500), stage.log_uniform(300, 3000), width * 1.4)

    def land(xy: np.ndarray) -> np.ndarray:
        bend = 0.12 * width * fbm(xy / width * 1.2, seed, 4)
        out = xy[..., 1] - near_bank - tilt * xy[..., 0] - 0.7 * fbm(xy / 5, seed + 3, 4)
        far = xy[..., 1] + bend - width + 0.35 * np.abs(xy[..., 0])
        rise = np.where(far > 0, 0.10 * np.maximum(far, 0) ** 0.8 + 0.3 * smooth_step(0, 1.5, far), 0)
        bed = -0.12 * np.clip(np.minimum(out, -far), 0, 20)
        bank = np.where(out < 0, np.minimum(-0.15 * out, 0.35 * stage.camera.location[2]), 0)
        return bed + bank + np.minimum(rise, 25) + 0.12 * fbm(xy / 2.1, seed + 7, 4) + np.where(far > 0, peaks(xy), 0)

    grassy = stage.chance(0.6)
    kind = str(stage.pick("meadow", "lush", "dry grass")) if grassy else str(stage.pick("gravel", "sand", "soil"))
    recipe = mt.blended(
        mt.mottled(mt.tones(stage, kind), 1.2),
        mt.cells(mt.tones(stage, "gravel"), stage.log_uniform(0.05, 0.25)),
        "shore",
        0.15,
    )
    soil = recipe, Surface.FOLIAGE if grassy else Surface.GROUND
    add_ground(
        stage,
        land,
        soil,
        mt.cover(stage, str(stage.pick(*mt.ROCKS))),
        masks=lambda xy, z, _: {"shore": smooth_step(0.35, 0.1, z)},
        far=8000,
    )

    camera = stage.camera
    xy = polar_grid(camera.location, camera.yaw, min(camera.half_angle + 0.2, 1.5), 0.3, 3000, 160, 120)
    pool = surface(xy, np.zeros(xy.shape[:2]))
    pool.attributes["foam"] = np.zeros(len(pool.points))
    still, _ = water(
        stage,
        Surface.STILL_WATER,
        stage.log_uniform(0.0004, 0.012) * stage.pick(0, 1, 1, 1),
        (1, 1.8, 1),
        clear=0.6 * rng.random(),
    )
    stage.add(pool, [still])

    if stage.chance(0.75):
        forest(stage, land, int(stage.log_uniform(40, 900)), width * 0.9, width * 3, lowest=0.25)
    if stage.chance(0.4):
        reeds(stage, scatter(stage, int(stage.log_uniform(3, 30)), max(near_bank, 1.5), max(near_bank, 1.5) + 6), 0.0)
    stone = mt.rock(stage, wet=0.2, mossy=0.3 * rng.random())
    if stage.chance(0.6):
        shapes = [stage.add(mesh, [stone], at=(0, -300, -50)).data for mesh in boulders(stage)]
        for x, y in scatter(stage, int(stage.log_uniform(3, 40)), 2.2, 30, bias=1.4):
            size = stage.log_uniform(0.12, 1.2)
            stage.add(
                shapes[rng.integers(4)],
                at=(x, y, max(float(land(np.array([[x, y]]))[0]), -0.2)),
                turn=rng.uniform(0, 6.3),
                scale=size,
            )
    if stage.chance(0.3):
        jetty(stage, near_bank)


def jetty(stage: Stage, start: float) -> None:
    """A plank walk on posts out into the water."""
    rng = stage.rng
    wood = mt.material(Surface.OBJECT, Layout.PLANE, mt.grained(mt.tones(stage, "wood"), 0.1), 0.8, 0.004)
    wide, long, high = rng.uniform(0.9, 1.8), stage.log_uniform(4, 18), rng.uniform(0.25, 0.6)
    planks = [box((wide, 0.13, 0.04), (0, y, high + rng.normal(0, 0.006))) for y in np.arange(-1, long, 0.16)]
    posts = [
        box((0.12, 0.12, high + 1.2), (side * wide / 2, y, high / 2 - 0.3))
        for y in np.arange(0, long, 2.0)
        for side in (-1, 1)
    ]
    upright = mt.variant(wood, Surface.OBJECT, Layout.UPRIGHT)
    parts = joined(planks + [post.with_slot(1) for post in posts])
    stage.add(parts, [wood, upright], at=(rng.uniform(-2.5, 2.5), start + rng.uniform(-0.5, 1), 0), turn=rng.normal(0, 0.4))
