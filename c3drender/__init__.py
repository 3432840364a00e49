"""c3drender: one photo becomes a 3D cinemagraph, a looping video with moving water, clouds or smoke and a moving camera.

The public names stand in ``__init__.pyi``. They load when first used: importing torch takes seconds, and ``c3drender --help``
needs none of it. The rooms, each of which uses those above it alone:

- ``data``: the values that pass between stages
- ``pixels``: image arithmetic that knows no scene
- ``ops``: the compiled operations
- ``files``: everything that touches the disk
- ``scenery``, ``depth``, ``motion``, ``layers``, ``camera``, ``render``: the stages
- ``networks``: the learned parts and their training
- ``pipeline``: composes them
- ``web``: a scene in a web page
- ``jobs``: a photo and options become an output, here or in a child process
- ``batch``, ``serve``: many photos, on Ray or alone; photos by HTTP
- ``bench``, ``inspect``, ``info``, ``jobs``, ``batch``, ``serve``, ``studio``, ``cli``: what is built on top
"""

import os
import sys

import lazy_loader

if "torch" not in sys.modules:
    # Read when torch is loaded: its threads then sleep where they wait for each other. By default they spin, and beside other
    # busy processes the stages took several times as long (benchmarks/shared_cores.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Read at the first large tensor: its memory then comes in pages of 2 MB, in a fifth of the page faults.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
