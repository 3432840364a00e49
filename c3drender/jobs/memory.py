"""What a job takes in memory, known before it begins, from the photo's size and the options."""

from __future__ import annotations

from ..files.resize import fit_size
from ..models import best, find
from ..models.registry import Task
from .options import Options

BASE_BYTES = 640 * 2**20  # the imports and the built-in network
BYTES_PER_PX = 600  # of what is rendered
BYTES_PER_SOURCE_PX = 4  # of what is decoded
MODEL_TIMES = 3  # its weights, and what passes through them
MODELS: dict[str, Task] = {"depth": "depth", "segments": "segmentation", "inpainter": "inpainting"}


def needed_bytes(height: int, width: int, options: Options) -> int:
    """Resident memory at its highest, with room to spare; ``benchmarks/batch.py --memory`` prints what is taken.

    Parameters
    ----------
    height, width : int
        Of the photo, px.
    options : mapping
        As `c3drender.jobs.options.read_options` returns them.

    Returns
    -------
    int
        Bytes.
    """
    size = options.get("size")
    try:
        rendered = fit_size(height, width, tuple(size) if isinstance(size, list) else size)
    except (ValueError, TypeError):  # the job will say so
        rendered = (0, 0)
    pixels = BYTES_PER_PX * rendered[0] * rendered[1] + BYTES_PER_SOURCE_PX * height * width
    return BASE_BYTES + pixels + sum(_model_bytes(options, name) for name in MODELS)


def _model_bytes(options: Options, name: str) -> int:
    """What a large model takes, where one is named, or installed and used by itself."""
    named = options.get(name)
    task = MODELS[name]
    if named is None:
        entry = None if name == "inpainter" else best(task)
    else:
        entry = find(named, task) if isinstance(named, str) else None
    return 0 if entry is None else MODEL_TIMES * (entry.size_mb or 0) * 10**6
