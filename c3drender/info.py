"""What this installation can do: the lines that `c3drender info` prints."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import av
import torch

from .files.container import encoders
from .models import installed, model_folder
from .ops.device import has_cuda


def report() -> Iterator[str]:
    yield f"c3drender   {_version('c3drender')}"
    yield f"python      {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield f"torch       {torch.__version__}"
    yield f"extension   CPU{' and CUDA' if has_cuda() else ' only: built where there was no nvcc'}"
    yield f"cpu         {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    yield f"cuda        {', '.join(_cuda_devices()) or 'no device that torch can use'}"
    yield f"depth       builtin{_learned_depth()}"
    yield f"models      {', '.join(entry.name for entry in installed()) or 'none'} in {model_folder()}"
    missing = [suffix for suffix, codec in encoders().items() if codec not in av.codecs_available]
    yield f"video       PyAV {av.__version__}: {', '.join(suffix for suffix in encoders() if suffix not in missing)}"
    if missing:
        yield f"            not in this build of PyAV: {', '.join(missing)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed, run from its source tree"


def _cuda_devices() -> list[str]:
    return [
        f"cuda:{n} {torch.cuda.get_device_name(n)} ({torch.cuda.get_device_properties(n).total_memory / 2**30:.0f} GiB)"
        for n in range(torch.cuda.device_count())
    ]


def _learned_depth() -> str:
    if importlib.util.find_spec("transformers") is None:
        return "; learned models need: pip install 'c3drender[models]'"
    return f", learned models (transformers {_version('transformers')})"
