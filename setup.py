"""Builds the extension: the torch-free core of csrc/ and its one torch binding, on torch's stable ABI and Python's limited API."""

import os

from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

TORCH_2_10 = "0x020a000000000000"  # the stable ABI targeted: the extension loads under any torch >= 2.10
SOURCES = [
    "csrc/bindings/torch_ops.cpp",
    "csrc/cpu/executor.cpp",
    "csrc/cpu/splat.cpp",
    "csrc/cpu/trace.cpp",
    "csrc/cpu/blend.cpp",
    "csrc/cpu/holes.cpp",
]
DEPENDS = ["csrc/include/c3d/api.h", "csrc/include/c3d/formulas.h", "csrc/cpu/parallel.h", "csrc/cpu/simd.h"]

extension = CppExtension(
    "c3drender._C",
    SOURCES,
    depends=DEPENDS,
    include_dirs=[os.path.abspath("csrc/include")],
    # -Wno-psabi: vector types never cross a call that is not inlined. -fno-math-errno: sqrt and rint vectorise; no fast-math.
    extra_compile_args=["-std=c++17", "-O3", "-g0", "-fno-math-errno", "-Wall", "-Wno-psabi"],
    define_macros=[("TORCH_TARGET_VERSION", TORCH_2_10)],
    py_limited_api=True,
)

setup(
    ext_modules=[extension],
    cmdclass={"build_ext": BuildExtension.with_options(no_python_abi_suffix=True)},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
