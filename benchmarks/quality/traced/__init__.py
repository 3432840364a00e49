"""Scenes path-traced by Blender, textured, with true motion over time: the second set of the benchmark.

`registry` names them, `scenes` builds them from the generators of ``perception/scenes``, `camera` photographs them. That needs
Blender as a module (``pip install 'bpy==4.5.*' OpenEXR``, Python 3.11); measuring on what was drawn does not.
"""
