"""What a measurement must say beside its numbers."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from .. import __version__

PACKAGES = ("numpy", "gsplat", "pytorch3d")
AVX512, AVX2 = ("avx512bw", "avx512vl", "avx512dq"), ("avx2", "fma", "bmi2")  # as csrc/cpu/simd.h asks for


def describe(device: torch.device) -> dict[str, str]:
    """The device, the processor and what the ops use of it, threads and versions."""
    told = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU",
        "cpu": cpu_model(),
        "simd": simd_level(),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "python": platform.python_version(),
        "c3drender": __version__,
    }
    return told | {name: found for name in PACKAGES if (found := _version(name))}


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.is_file() else None
    return found[1].strip() if found else platform.processor() or "unknown"


def simd_level(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """For which instruction set the ops' code is chosen here."""
    found = re.search(r"^flags\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.is_file() else None
    flags = set(found[1].split()) if found else set()
    if flags.issuperset(AVX512):
        return "AVX-512"
    return "AVX2" if flags.issuperset(AVX2) else f"{platform.machine()} baseline"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
