"""Render an exported ``.glb`` by Blender (``pip install bpy``), by its camera: ``python in_blender.py scene.glb out.png``.

Prints the objects, and of an animated one the shape keys and the length of the action.
"""

from __future__ import annotations

import sys

import bpy


def main(file: str, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=file)
    scene = bpy.context.scene
    for item in scene.objects:
        keys = len(item.data.shape_keys.key_blocks) if item.type == "MESH" and item.data.shape_keys else 0
        print(item.name, item.type, len(item.data.vertices) if item.type == "MESH" else f"{item.data.angle_y:.4f} rad", keys)
    print(*((action.name, *action.frame_range) for action in bpy.data.actions))
    scene.camera = next(item for item in scene.objects if item.type == "CAMERA")
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 4, False
    scene.render.resolution_x, scene.render.resolution_y = 480, 320
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = out
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
