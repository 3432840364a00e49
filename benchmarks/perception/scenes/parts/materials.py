"""Procedural materials. Every material says what it is: its pass index codes the surface class and the layout.

Positions are object coordinates, in metres. A *recipe* lays out nodes and returns two sockets, colour and height.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence

import bpy
import numpy as np

from ..classes import Layout, Surface
from .stage import Stage

Rgb = tuple[float, float, float]
Socket = bpy.types.NodeSocket
Recipe = Callable[["Nodes"], tuple[Socket, Socket]]

PALETTES: dict[str, tuple[str, ...]] = {
    "meadow": ("3b4a1d", "566b2a", "7a8a3c", "9a9a55"),
    "dry grass": ("6b5a2e", "94824a", "b5a468", "d0c184"),
    "lush": ("1f3a14", "2f5a1e", "4a7a2c", "6b983c"),
    "leaf": ("24401a", "35591f", "4d7a2b", "709a3f"),
    "autumn": ("7a2f10", "a8521a", "c98a25", "d8b13c"),
    "conifer": ("14261a", "1f3a24", "2e4f2e", "42643a"),
    "blossom": ("c77d8e", "e0a6b4", "efcdd5", "f4e4e6"),
    "soil": ("2d2117", "463423", "5f4931", "7d6547"),
    "sand": ("a58d63", "bfa67a", "d3bd93", "e2d1ac"),
    "gravel": ("4d4a46", "6e6a64", "8d8880", "aca79d"),
    "granite": ("3a3937", "5a5855", "7b7873", "9d9991"),
    "limestone": ("7a7464", "989180", "b5ad9a", "cfc8b6"),
    "sandstone": ("6d4a32", "8f6440", "b08355", "cba476"),
    "basalt": ("17181a", "26282a", "3a3c3e", "55575a"),
    "slate": ("2a3036", "3c444b", "555d63", "727a7e"),
    "snow": ("c6d2e0", "dbe4ee", "eaf0f6", "f6f9fc"),
    "moss": ("1f2c10", "34461a", "4c6124", "6d7d38"),
    "bark": ("241a13", "3b2c20", "574536", "7a6a5a"),
    "wood": ("4a2d18", "6b4426", "8c6038", "ab8152"),
    "brick": ("5d2a20", "7b3a2b", "944d39", "a86a52"),
    "plaster": ("b9a98d", "cfc2aa", "dfd6c4", "ece6da"),
    "concrete": ("6a6863", "84827c", "9d9b95", "b3b1ab"),
    "asphalt": ("1f2022", "2f3032", "424345", "58595a"),
    "roof": ("4a2219", "6d3324", "8a4a34", "a3674d"),
    "fur": ("2a1b10", "54371f", "86613c", "b8966a"),
    "skin": ("6e4630", "9c6b4c", "c99573", "e6bd9f"),
}


ROCKS = ("granite", "limestone", "sandstone", "basalt", "slate")
GRASSES = ("meadow", "dry grass", "lush", "moss")


def linear(code: str) -> Rgb:
    """Linear RGB of an sRGB hex code."""
    values = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return tuple(float(v) for v in np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def tones(stage: Stage, name: str, jitter: float = 0.025) -> list[Rgb]:
    """A palette, dark to light, its hue, saturation and value shifted as a whole."""
    hue, saturation, value = stage.rng.normal(0, jitter), stage.rng.normal(0.9, 3 * jitter), stage.rng.normal(1, 5 * jitter)
    shifted = []
    for code in PALETTES[name]:
        h, s, v = colorsys.rgb_to_hsv(*linear(code))
        shifted.append(colorsys.hsv_to_rgb((h + hue) % 1, np.clip(s * saturation, 0, 1), np.clip(v * value, 0.003, 0.92)))
    return shifted


def dyes(stage: Stage, count: int = 3, saturation: tuple[float, float] = (0.1, 0.85)) -> list[Rgb]:
    """Colours of one hue, for cloth, paint and fruit."""
    hue, s, v = stage.rng.random(), stage.rng.uniform(*saturation), stage.rng.uniform(0.08, 0.75)
    return [
        colorsys.hsv_to_rgb((hue + stage.rng.normal(0, 0.02)) % 1, s, float(np.clip(v * k, 0, 0.9)))
        for k in np.linspace(0.75, 1.2, count)
    ]


class Nodes:
    """Shorthand for building a shader tree."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree
        self._coordinates: dict[str, Socket] = {}

    def new(self, kind: str, **settings: object) -> bpy.types.Node:
        node = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in settings.items():
            setattr(node, name, value)
        return node

    def set(self, socket: Socket, value: object) -> None:
        """Links a socket, or sets a number or a colour."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, tuple | list) and socket.type == "RGBA":
            socket.default_value = (*value, 1.0)[:4]
        else:
            socket.default_value = value

    def coordinates(self, name: str = "Object") -> Socket:
        if name not in self._coordinates:
            self._coordinates[name] = self.new("TexCoord").outputs[name]
        return self._coordinates[name]

    def carried(self) -> None:
        """Looks textures up at the vertex attributes ``from_x``, ``from_y``: where the flow was at time 0."""
        where = self.new("CombineXYZ")
        for axis in range(2):
            self.set(where.inputs[axis], self.attribute("from_" + "xy"[axis]))
        self._coordinates["Object"] = where.outputs[0]

    def stretched(self, scale: Sequence[float], vector: Socket | None = None) -> Socket:
        node = self.new("Mapping")
        self.set(node.inputs["Vector"], vector or self.coordinates())
        node.inputs["Scale"].default_value = tuple(scale)
        return node.outputs[0]

    def noise(self, size: float, detail: float = 4, vector: Socket | None = None, distortion: float = 0.0) -> Socket:
        """Fractal noise 0..1 with features of ``size`` metres."""
        node = self.new("TexNoise")
        self.set(node.inputs["Vector"], vector or self.coordinates())
        node.inputs["Scale"].default_value = 1 / size
        node.inputs["Detail"].default_value = detail
        node.inputs["Distortion"].default_value = distortion
        return node.outputs["Fac"]

    def attribute(self, name: str) -> Socket:
        return self.new("Attribute", attribute_name=name).outputs["Fac"]

    def per_object(self) -> Socket:
        return self.new("ObjectInfo").outputs["Random"]

    def math(self, operation: str, a: object, b: object = 0.0, clamp: bool = False) -> Socket:
        node = self.new("Math", operation=operation, use_clamp=clamp)
        self.set(node.inputs[0], a)
        self.set(node.inputs[1], b)
        return node.outputs[0]

    def span(self, value: Socket, low: float, high: float, to_low: float = 0.0, to_high: float = 1.0) -> Socket:
        node = self.new("MapRange", interpolation_type="SMOOTHSTEP")
        for name, number in zip(("From Min", "From Max", "To Min", "To Max"), (low, high, to_low, to_high), strict=True):
            node.inputs[name].default_value = number
        self.set(node.inputs["Value"], value)
        return node.outputs[0]

    def ramp(self, value: Socket, colours: Sequence[Rgb], low: float = 0.3, high: float = 0.7) -> Socket:
        node = self.new("ValToRGB")
        elements = node.color_ramp.elements
        for _ in colours[2:]:
            elements.new(0.5)
        for element, position, colour in zip(elements, np.linspace(low, high, len(colours)), colours, strict=True):
            element.position, element.color = float(position), (*colour, 1)
        self.set(node.inputs[0], value)
        return node.outputs[0]

    def mix(self, share: object, a: object, b: object, blend: str = "MIX") -> Socket:
        node = self.new("MixRGB", blend_type=blend)
        for socket, value in zip(node.inputs, (share, a, b), strict=True):
            self.set(socket, value)
        return node.outputs[0]

    def mix_shader(self, share: object, a: Socket, b: Socket) -> Socket:
        node = self.new("MixShader")
        for socket, value in zip(node.inputs, (share, a, b), strict=True):
            self.set(socket, value)
        return node.outputs[0]

    def bump(self, height: Socket, distance: float, strength: object = 1.0, normal: Socket | None = None) -> Socket:
        node = self.new("Bump")
        self.set(node.inputs["Strength"], strength)
        node.inputs["Distance"].default_value = distance
        self.set(node.inputs["Height"], height)
        if normal is not None:
            self.set(node.inputs["Normal"], normal)
        return node.outputs[0]

    def principled(self, **inputs: object) -> Socket:
        node = self.new("BsdfPrincipled")
        for name, value in inputs.items():
            self.set(node.inputs[name.replace("_", " ")], value)
        return node.outputs[0]

    def finish(self, shader: Socket) -> None:
        self.set(self.new("OutputMaterial").inputs["Surface"], shader)


def blank(surface: Surface, layout: Layout) -> tuple[bpy.types.Material, Nodes]:
    material = bpy.data.materials.new(surface.name)
    material.use_nodes = True
    material.node_tree.nodes.clear()
    material.pass_index = pass_index(surface, layout)
    return material, Nodes(material.node_tree)


def pass_index(surface: Surface, layout: Layout) -> int:
    """0 is the background; ``passes.labels`` takes it apart again."""
    return 1 + 4 * int(surface) + int(layout)


def variant(material: bpy.types.Material, surface: Surface, layout: Layout) -> bpy.types.Material:
    """The same looks under another label."""
    copy = material.copy()
    copy.pass_index = pass_index(surface, layout)
    return copy


# --- recipes ----------------------------------------------------------------------------------------------------------


def mottled(colours: Sequence[Rgb], size: float, stretch: Sequence[float] = (1, 1, 1)) -> Recipe:
    """Patches of ``size`` metres with fine grain."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        where = n.stretched(stretch)
        coarse, fine = n.noise(size, 3, where), n.noise(size / 9, 3, where)
        colour = n.ramp(n.mix(0.45, coarse, fine), colours, 0.34, 0.66)
        return n.mix(0.6, colour, n.ramp(fine, [(0.3,) * 3, (1.0,) * 3], 0.3, 0.65), "MULTIPLY"), fine

    return lay


def layered(colours: Sequence[Rgb], size: float) -> Recipe:
    """Rock: bedding planes, bent, over mottling and cracks."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        bed = n.noise(size, 3, n.stretched((0.25, 0.25, 2.2)), 0.6)
        grain = n.noise(size / 6, 4)
        crack = n.new("TexVoronoi", feature="DISTANCE_TO_EDGE")
        n.set(crack.inputs["Vector"], n.stretched((0.8, 0.8, 1.3)))
        crack.inputs["Scale"].default_value = 1 / size
        cleft = n.span(crack.outputs["Distance"], 0.0, 0.07, 0.35, 1.0)
        shade = n.mix(0.5, bed, grain)
        return n.mix(1.0, n.ramp(shade, colours, 0.32, 0.68), cleft, "MULTIPLY"), grain

    return lay


def cells(colours: Sequence[Rgb], size: float, gap: float = 0.08) -> Recipe:
    """Pebbles and cobbles: cells of their own shade, dark joints."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        near = n.new("TexVoronoi")
        edge = n.new("TexVoronoi", feature="DISTANCE_TO_EDGE")
        for node in (near, edge):
            n.set(node.inputs["Vector"], n.coordinates())
            node.inputs["Scale"].default_value = 1 / size
        own = n.new("SeparateColor")
        n.set(own.inputs[0], near.outputs["Color"])
        joint = n.span(edge.outputs["Distance"], 0.0, gap)
        stone = n.mix(0.35, n.ramp(own.outputs[0], colours, 0.1, 0.9), n.noise(size / 5, 4), "OVERLAY")
        dome = n.math("MULTIPLY", n.span(edge.outputs["Distance"], 0, 0.5), min(6 * size, 1.0))
        return n.mix(joint, tuple(c * 0.35 for c in colours[0]), stone), dome

    return lay


def courses(colours: Sequence[Rgb], width: float, height: float, joint: Rgb = (0.35, 0.33, 0.3), gap: float = 0.012) -> Recipe:
    """Bricks, tiles, planks and slabs. Walls take x + y as their long axis, floors x and y."""

    def lay(n: Nodes, flat: bool = False) -> tuple[Socket, Socket]:
        axes = n.new("SeparateXYZ")
        n.set(axes.inputs[0], n.coordinates())
        place = n.new("CombineXYZ")
        n.set(place.inputs[0], axes.outputs[0] if flat else n.math("ADD", axes.outputs[0], axes.outputs[1]))
        n.set(place.inputs[1], axes.outputs[1] if flat else axes.outputs[2])
        node = n.new("TexBrick")
        n.set(node.inputs["Vector"], place.outputs[0])
        for name, value in (
            ("Scale", 1.0),
            ("Brick Width", width),
            ("Row Height", height),
            ("Mortar Size", gap),
            ("Bias", 0.0),
        ):
            node.inputs[name].default_value = value
        for name, value in (("Color1", colours[0]), ("Color2", colours[-1]), ("Mortar", joint)):
            node.inputs[name].default_value = (*value, 1)
        stain = n.noise(max(width, height) * 3, 6)
        grain = n.noise(min(width, height) / 2, 4)
        worn = n.mix(0.4, node.outputs[0], n.ramp(stain, [(0.25,) * 3, (1,) * 3], 0.3, 0.7), "MULTIPLY")
        worn = n.mix(0.3, worn, n.ramp(grain, [(0.3,) * 3, (1,) * 3], 0.3, 0.7), "MULTIPLY")
        return worn, n.math("SUBTRACT", n.math("MULTIPLY", grain, 0.3), node.outputs["Fac"])

    return lay


def paved(colours: Sequence[Rgb], width: float, height: float, joint: Rgb = (0.2, 0.19, 0.18), gap: float = 0.012) -> Recipe:
    lay = courses(colours, width, height, joint, gap)
    return lambda n: lay(n, flat=True)


def grained(colours: Sequence[Rgb], size: float) -> Recipe:
    """Wood: rings stretched along x."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        ring = n.noise(size, 5, n.stretched((0.08, 1, 1)), 1.2)
        pore = n.noise(size / 8, 2, n.stretched((0.05, 1, 1)))
        return n.ramp(n.mix(0.35, ring, pore), colours, 0.3, 0.7), pore

    return lay


def striped(colours: Sequence[Rgb], size: float, checked: bool = False) -> Recipe:
    """Cloth of bands, or checks."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        weave = n.noise(0.004, 1)
        bands = n.new("TexWave", bands_direction="DIAGONAL" if checked else "Z")
        n.set(bands.inputs["Vector"], n.coordinates())
        bands.inputs["Scale"].default_value = 0.3 / size
        value = bands.outputs["Fac"]
        if checked:
            across = n.new("TexWave", bands_direction="X")
            n.set(across.inputs["Vector"], n.coordinates())
            across.inputs["Scale"].default_value = 0.3 / size
            value = n.mix(0.5, value, across.outputs["Fac"])
        return n.mix(0.3, n.ramp(value, colours, 0.4, 0.6), weave, "OVERLAY"), weave

    return lay


def weathered(recipe: Recipe, size: float = 300.0) -> Recipe:
    """Light and dark at every scale from ``size`` down, so that no distance shows a plain colour."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        colour, height = recipe(n)
        shade = n.noise(size, 9, n.stretched((1, 1, 2.5)))
        return n.mix(0.75, colour, n.ramp(shade, [(0.28, 0.3, 0.34), (1.0, 0.98, 0.92)], 0.38, 0.62), "MULTIPLY"), height

    return lay


def blended(first: Recipe, second: Recipe, mask: str | float, raggedness: float = 0.35, size: float = 0.8) -> Recipe:
    """``second`` over ``first`` where the vertex attribute ``mask`` is high; a number makes patches that cover that share."""

    def lay(n: Nodes) -> tuple[Socket, Socket]:
        (a, ha), (b, _) = first(n), second(n)
        rough = n.noise(size, 4)
        if isinstance(mask, str):
            swing = n.math("MULTIPLY", n.math("SUBTRACT", rough, 0.5), 4 * raggedness)
            share = n.span(n.math("ADD", n.attribute(mask), swing), 0.35, 0.65)
        else:
            share = n.span(rough, 0.62 - 0.25 * mask - 0.06, 0.62 - 0.25 * mask + 0.06)
        return n.mix(share, a, b), ha  # Blender walks a bump's height three times: one of the two does

    return lay


def material(
    surface: Surface,
    layout: Layout,
    recipe: Recipe,
    roughness: float = 0.85,
    bump: float = 0.02,
    metallic: float = 0.0,
    translucent: float = 0.0,
    wet: float = 0.0,
    per_object: float = 0.0,
) -> bpy.types.Material:
    """A solid from a recipe.

    Parameters
    ----------
    bump : how many metres the recipe's height stands for.
    translucent : share of light that passes, for leaves and cloth.
    wet : darkens, and lowers the roughness.
    per_object : how far the brightness and hue of each placed object vary.
    """
    made, n = blank(surface, layout)
    colour, height = recipe(n)
    if per_object:
        own = n.per_object()
        shift = n.new("HueSaturation")
        n.set(shift.inputs["Hue"], n.math("ADD", 0.5 - 0.06 * per_object, n.math("MULTIPLY", own, 0.12 * per_object)))
        n.set(shift.inputs["Value"], n.math("ADD", 1 - 0.5 * per_object, n.math("MULTIPLY", own, per_object)))
        n.set(shift.inputs["Color"], colour)
        colour = shift.outputs[0]
    if wet:
        colour = n.mix(0.6 * wet, colour, (0.02, 0.02, 0.02), "MULTIPLY")
        roughness = roughness * (1 - wet) + 0.12 * wet
    inputs = {"Base_Color": colour, "Roughness": roughness, "Metallic": metallic}
    if bump:
        inputs["Normal"] = n.bump(height, bump)
    shader = n.principled(**inputs)
    if translucent:
        through = n.new("BsdfTranslucent")
        n.set(through.inputs[0], colour)
        shader = n.mix_shader(translucent, shader, through.outputs[0])
    n.finish(shader)
    return made


def flat(colour: Rgb) -> Recipe:
    return lambda n: (n.mix(0.25, colour, n.noise(0.05, 3), "OVERLAY"), n.noise(0.01, 2))


def glowing(surface: Surface, layout: Layout, colour: Rgb, strength: float) -> bpy.types.Material:
    made, n = blank(surface, layout)
    node = n.new("Emission")
    n.set(node.inputs[0], colour)
    node.inputs[1].default_value = strength
    n.finish(node.outputs[0])
    return made


def glass(
    surface: Surface = Surface.OBJECT, layout: Layout = Layout.UPRIGHT, tint: Rgb = (0.9, 0.95, 0.95)
) -> bpy.types.Material:
    """Clear glass whose shadow is light."""
    made, n = blank(surface, layout)
    node = n.new("BsdfGlass")
    n.set(node.inputs["Color"], tint)
    n.finish(n.mix_shader(n.new("LightPath").outputs["Is Shadow Ray"], node.outputs[0], n.new("BsdfTransparent").outputs[0]))
    return made


def pane() -> bpy.types.Material:
    """A window seen from outside: a dark room behind a mirror."""
    return material(Surface.OBJECT, Layout.UPRIGHT, flat((0.015, 0.02, 0.025)), roughness=0.04, bump=0.0)


# --- what families ask for ---------------------------------------------------------------------------------------------


Cover = tuple[Recipe, Surface]


def cover(stage: Stage, kind: str) -> Cover:
    """Ground by the name of its palette, laid as that stuff lies, and its class: grass counts as foliage."""
    colours = tones(stage, kind)
    if kind == "gravel":
        recipe = blended(cells(colours, stage.log_uniform(0.03, 0.2)), mottled(colours, 1.5), 0.4, size=2.0)
    elif kind in ROCKS:
        recipe = layered(colours, stage.log_uniform(0.5, 2.5))
    else:
        recipe = blended(
            mottled(colours, stage.log_uniform(0.3, 1.5)), mottled(tones(stage, kind), stage.log_uniform(8, 80)), 0.5, size=25
        )
    recipe = weathered(recipe)
    return recipe, Surface.FOLIAGE if kind in GRASSES else Surface.OBJECT if kind in ROCKS else Surface.GROUND


def rock(stage: Stage, kind: str | None = None, layout: Layout = Layout.UPRIGHT, wet: float = 0.0, mossy: float = 0.0):
    kind = kind or str(stage.pick(*ROCKS))
    recipe = layered(tones(stage, kind), stage.log_uniform(0.4, 1.6))
    if mossy:
        recipe = blended(recipe, mottled(tones(stage, "moss"), 0.3), mossy)
    return material(Surface.OBJECT, layout, recipe, roughness=0.85, bump=0.08, wet=wet)


def cloth(stage: Stage, surface: Surface = Surface.OBJECT) -> bpy.types.Material:
    colours = dyes(stage)
    if stage.chance(0.3):
        colours = [colours[0], dyes(stage)[1]]
        recipe = striped(colours, stage.log_uniform(0.01, 0.08), stage.chance(0.4))
    else:
        recipe = mottled(colours, 0.06)
    return material(surface, Layout.UPRIGHT, recipe, roughness=0.9, bump=0.004)


def thing(stage: Stage) -> bpy.types.Material:
    """Some hard man-made stuff: painted, wooden, metal, ceramic, stone."""
    kind = stage.rng.integers(5)
    if kind == 0:
        return material(Surface.OBJECT, Layout.UPRIGHT, grained(tones(stage, "wood"), 0.08), 0.5, 0.002)
    if kind == 1:
        return material(
            Surface.OBJECT, Layout.UPRIGHT, flat((0.6, 0.58, 0.55)), stage.rng.uniform(0.1, 0.45), 0.001, metallic=1.0
        )
    if kind == 2:
        return material(Surface.OBJECT, Layout.UPRIGHT, flat(dyes(stage)[1]), stage.rng.uniform(0.05, 0.3), 0.0005)
    if kind == 3:
        return material(Surface.OBJECT, Layout.UPRIGHT, layered(tones(stage, "limestone"), 0.4), 0.6, 0.01)
    return material(Surface.OBJECT, Layout.UPRIGHT, mottled(dyes(stage), 0.05), 0.6, 0.002)
