"""Builds the extension: the torch-free core of csrc/ and its torch binding, on torch's stable ABI and Python's limited API.

Where there is an nvcc ($CUDACXX, or on the path), the kernels of csrc/cuda are compiled in, with a static CUDA runtime: the
wheel also loads under a torch without CUDA. They are compiled here, not by torch's rules, which bind a build to torch's CUDA.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.modified import newer_group
from torch.utils.cpp_extension import BuildExtension, CppExtension

TORCH_2_10 = "0x020a000000000000"  # the stable ABI targeted: the extension loads under any torch >= 2.10
SOURCES = [
    "csrc/bindings/torch_ops.cpp",
    "csrc/cpu/executor.cpp",
    "csrc/cpu/splat.cpp",
    "csrc/cpu/splat_bwd.cpp",
    "csrc/cpu/trace.cpp",
    "csrc/cpu/blend.cpp",
    "csrc/cpu/blend_bwd.cpp",
    "csrc/cpu/holes.cpp",
    "csrc/cpu/inpaint.cpp",
    "csrc/cpu/drift.cpp",
    "csrc/cpu/frame.cpp",
]
HEADERS = sorted(str(path) for part in (".", "include/c3d", "cpu", "cuda") for path in Path("csrc", part).glob("*.*h"))
NVCC = shutil.which(os.environ.get("CUDACXX", "nvcc"))
RULES = ["setup.py", "cmake/cuda_architectures.txt"]
KERNELS = sorted(map(str, Path("csrc/cuda").glob("*.cu"))) if NVCC else []


def nvcc_flags() -> list[str]:
    """Machine code for each architecture of cmake/cuda_architectures.txt, and PTX for one that is not marked -real.

    -fmad=false: products are rounded as on the CPU.
    """
    flags = ["-std=c++17", "-O3", "-fmad=false", "-lineinfo", "-Icsrc/include", "-Icsrc", "-Xcompiler=-fPIC", "--threads=0"]
    for entry in Path("cmake/cuda_architectures.txt").read_text().strip().split(";"):
        number, _, only_real = entry.partition("-")
        codes = f"sm_{number}" if only_real else f"sm_{number},compute_{number}"
        flags.append(f"-gencode=arch=compute_{number},code=[{codes}]")
    return flags


def cuda_library_dirs() -> list[str]:
    """Asked of nvcc, which may be a wrapper far from its toolkit."""
    plan = subprocess.run([NVCC, "--dryrun", "none.o"], capture_output=True, text=True).stderr
    return re.findall(r'-L([^"\s]+)', plan)


class Build(BuildExtension.with_options(no_python_abi_suffix=True)):
    def build_extensions(self) -> None:
        extension.extra_objects = [self.compile_kernels(source) for source in KERNELS]
        super().build_extensions()

    def compile_kernels(self, source: str) -> str:
        compiled = Path(self.build_temp, source).with_suffix(".o").absolute()
        if newer_group([source, *HEADERS, *RULES], compiled):
            compiled.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([NVCC, *nvcc_flags(), "-c", source, "-o", compiled], check=True)
        return str(compiled)


extension = CppExtension(
    "c3drender._C",
    SOURCES,
    depends=[*HEADERS, *KERNELS, *RULES],
    include_dirs=[str(Path(folder).absolute()) for folder in ("csrc/include", "csrc")],
    # -Wno-psabi: vector types never cross a call that is not inlined. -fno-math-errno, -fno-trapping-math: sqrt, rint and
    # choices vectorise; no fast-math. -ffp-contract=off: products round as in the kernels, for the same decisions.
    # -falign-loops: where a hot loop happens to begin moved the splat by several percent from one edit to the next.
    extra_compile_args=[
        *("-std=c++17", "-O3", "-g0", "-Wall", "-Wno-psabi"),
        *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-falign-loops=64"),
    ],
    define_macros=[("TORCH_TARGET_VERSION", TORCH_2_10), *([("C3D_WITH_CUDA", None)] if KERNELS else [])],
    library_dirs=cuda_library_dirs() if KERNELS else [],
    libraries=["cudart_static", "dl", "rt", "pthread"] if KERNELS else [],
    py_limited_api=True,
)

setup(
    ext_modules=[extension],
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
