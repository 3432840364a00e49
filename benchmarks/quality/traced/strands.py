"""Water in the air."""

from __future__ import annotations

import bpy
from perception.scenes.classes import Layout, Surface
from perception.scenes.parts import materials as mt


def white_water(size: float) -> bpy.types.Material:
    """Strands and drops: noise with features of ``size`` along the vertex attributes ``across`` and ``since``; the latter goes
    with the flow. The more the attribute ``torn`` says, the more is missing."""
    made, n = mt.blank(Surface.WHITE_WATER, Layout.UPRIGHT)
    where = n.new("CombineXYZ")
    n.set(where.inputs[0], n.attribute("across"))
    n.set(where.inputs[1], n.attribute("since"))
    strands = n.noise(size, 5, where.outputs[0], 0.3)
    body = n.principled(
        Base_Color=n.ramp(strands, [(0.5, 0.56, 0.6), (0.92, 0.94, 0.95)], 0.35, 0.65), Roughness=0.15, IOR=1.33
    )
    alpha = n.math("SUBTRACT", n.math("ADD", strands, 0.2), n.attribute("torn"))
    n.finish(n.mix_shader(n.span(alpha, 0.42, 0.55), n.new("BsdfTransparent").outputs[0], body))
    return made
