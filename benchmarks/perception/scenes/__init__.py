"""Rendered scenes with exact depth, classes, layout and fluid direction, to train the perception network on.

``make.py`` draws them with Blender (``pip install bpy==4.5.* OpenEXR scikit-image`` beside c3drender, Python 3.11),
``pack.py`` packs a folder of them into shards, which `c3drender.perception.training.packed` reads.
"""
