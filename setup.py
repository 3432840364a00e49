"""Builds the extension: the torch-free core of csrc/ and its torch binding, on torch's stable ABI and Python's limited API.

Where there is an nvcc ($CUDACXX, or on the path), the kernels of csrc/cuda are compiled in, with a static CUDA runtime: the
wheel also loads under a torch without CUDA. They are compiled here, not by torch's rules, which bind a build to torch's CUDA.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.modified import newer_group
from torch.utils.cpp_extension import BuildExtension, CppExtension, get_cxx_compiler

SOURCES = sorted(str(path) for part in ("bindings", "cpu") for path in Path("csrc", part).glob("*.cpp"))
HEADERS = sorted(
    str(path) for part in (".", "include/c3d", "cpu", "cuda", "host", "bindings") for path in Path("csrc", part).glob("*.*h")
)
NVCC = shutil.which(os.environ.get("CUDACXX", "nvcc"))
RULES = ["setup.py", *sorted(map(str, Path("cmake").glob("*.txt")))]
KERNELS = sorted(map(str, Path("csrc/cuda").glob("*.cu"))) if NVCC else []
LEAST_COMPILER = {"__clang_major__": ("Clang", 14), "__GNUC__": ("GCC", 11)}  # in this order: Clang says __GNUC__ too


def listed(name: str) -> list[str]:
    """The entries of a file of cmake/, which CMakeLists.txt reads too."""
    return [line for line in Path("cmake", name).read_text().splitlines() if not line.startswith("#")]


def check_compiler() -> None:
    """One line instead of pages of template errors."""
    compiler = get_cxx_compiler()
    expected = " or ".join(f"{name} >= {least}" for name, least in reversed(LEAST_COMPILER.values()))
    try:
        asked = subprocess.run([*shlex.split(compiler), "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit(f"c3drender needs a C++ compiler, {expected}, named by CXX; there is no {compiler}") from None
    macros = dict(re.findall(r"^#define (\w+) (\d+)$", asked.stdout, re.MULTILINE))
    for macro, (name, least) in LEAST_COMPILER.items():
        if macro in macros:
            if int(macros[macro]) < least:
                raise SystemExit(f"c3drender needs {expected}, named by CXX; {compiler} is {name} {macros[macro]}")
            return


def nvcc_flags() -> list[str]:
    """Machine code for each architecture of cmake/cuda_architectures.txt, and PTX for one that is not marked -real."""
    flags = ["-std=c++17", "-O3", *listed("nvcc_flags.txt"), "-Icsrc/include", "-Icsrc", "-Xcompiler=-fPIC", "--threads=0"]
    for entry in listed("cuda_architectures.txt"):
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
        check_compiler()
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
    # -fvisibility=hidden: nothing but the module's initialiser is for others.
    extra_compile_args=["-std=c++17", "-O3", "-g0", "-fvisibility=hidden", *listed("cxx_flags.txt")],
    define_macros=[("C3D_WITH_CUDA", None)] if KERNELS else [],
    library_dirs=cuda_library_dirs() if KERNELS else [],
    libraries=["cudart_static", "dl", "rt", "pthread"] if KERNELS else [],
    py_limited_api=True,
)

setup(
    ext_modules=[extension],
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
