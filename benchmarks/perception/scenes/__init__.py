"""Rendered scenes with exact depth, classes, layout and fluid direction, to train the perception network on.

``make.py`` draws them with Blender (``pip install bpy==4.5.* OpenEXR scipy scikit-image``, Python 3.11), ``pack.py`` packs a
folder of them into shards, ``packed.py`` reads the shards with NumPy and Pillow alone.
"""
