"""Large public models: which there are, where they lie on this machine, and how each is run.

``registry`` lists them, ``store`` fetches and checks them, ``depth`` and ``segmentation`` are the adapters that turn what a
model says into this package's values. Nothing here downloads but `store.get`.
"""

from .registry import ENTRIES, Entry, ModelFile, find
from .store import best, get, installed, model_folder, path, remove

__all__ = ["ENTRIES", "Entry", "ModelFile", "best", "find", "get", "installed", "model_folder", "path", "remove"]
