"""What the label maps of a scene mean."""

from __future__ import annotations

from enum import IntEnum


class Surface(IntEnum):
    """What a pixel shows."""

    SKY = 0
    CLOUD = 1
    STILL_WATER = 2
    MOVING_WATER = 3  # waves and streams
    WHITE_WATER = 4  # falls, rapids, surf
    SMOKE = 5  # smoke, steam, mist
    FIRE = 6
    FOLIAGE = 7  # trees, bushes, grass
    PERSON = 8
    ANIMAL = 9
    GROUND = 10
    OBJECT = 11  # buildings, rocks, things


class Layout(IntEnum):
    """How the surface around a pixel lies in space."""

    PLANE = 0  # recedes: ground, floor, water, ceiling
    UPRIGHT = 1  # stands: walls, trees, figures, falls
    FAR = 2  # the sky, and all that is farther than FAR_M


FAR_M = 300.0
SPEED_LIMITS = (0.6, 2.5)  # m/s: below the first is speed class 1 (drifts), above the second 3 (rushes); 0 does not flow
FLUIDS = frozenset((Surface.CLOUD, Surface.MOVING_WATER, Surface.WHITE_WATER, Surface.SMOKE, Surface.FIRE))
