"""Builds ``c3d_twins``: both halves of the core below torch, the CUDA half as emulated by ``csrc/emulation``.

Objects are kept in ``build/twins`` under the hash of everything that goes into them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC, BUILD = ROOT / "csrc", ROOT / "build" / "twins"
COMPILER = shutil.which("g++") or shutil.which("clang++")
FLAGS = ["-std=c++17", "-O1", "-g1", "-fPIC", "-ffp-contract=off", "-Wall", "-Wno-psabi", "-Wno-unknown-pragmas", "-Werror"]
SANITIZE = ["-fsanitize=address", "-fno-omit-frame-pointer"]


def include_dirs() -> list[Path]:
    pybind11 = pytest.importorskip("pybind11", reason="the emulated kernels need pybind11")
    return [CSRC / "emulation", CSRC / "include", CSRC, Path(pybind11.get_include()), Path(sysconfig.get_paths()["include"])]


def build_twins(*, sanitize: bool = False, kernels: Path = CSRC / "cuda", without: tuple[str, ...] = ()) -> Path:
    """The module's path. ``kernels``: another folder with the sources of ``csrc/cuda``; ``without``: instruction sets, of
    AVX512 and AVX2, that the CPU half shall not find."""
    if COMPILER is None:
        pytest.skip("the emulated kernels need a C++ compiler, and there is no g++ or clang++ on the path")
    checked = SANITIZE if sanitize else []
    jobs = [(source, [f"-DC3D_CPU_HAS_{name}=false" for name in without]) for source in sorted((CSRC / "cpu").glob("*.cpp"))]
    jobs += [(source, []) for source in sorted((CSRC / "emulation").glob("*.cpp"))]
    jobs += [(source, ["-x", "c++", *checked]) for source in sorted(kernels.glob("*.cu"))]
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda job: compile_object(*job), jobs))
    module = BUILD / hash_of("".join(map(str, objects)), *checked) / "c3d_twins.so"
    if not module.exists():
        run(COMPILER, "-shared", *checked, *objects, "-pthread", output=module)
    return module


def compile_object(source: Path, flags: list[str]) -> Path:
    command = [COMPILER, *FLAGS, *(f"-I{folder}" for folder in include_dirs()), *flags, "-c", str(source)]
    headers = [*CSRC.glob("**/*.h"), *source.parent.glob("*.cuh")]
    texts = [path.read_text() for path in (source, *sorted(headers))]
    compiled = BUILD / hash_of(*command[1:], *texts) / f"{source.stem}.o"
    if not compiled.exists():
        run(*command, output=compiled)
    return compiled


def hash_of(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def run(*command: str | Path, output: Path) -> None:
    """Writes beside the output first: two test runs at once do not meet half a file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.{id(command)}")
    done = subprocess.run([*command, "-o", partial], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
    partial.replace(output)


def load(module: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("c3d_twins", module)
    twins = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twins)
    return twins


def run_apart(module: Path, script: str, *, sanitize: bool = False, text: bool = True) -> subprocess.CompletedProcess[Any]:
    """``script`` in a process of its own, with ``twins`` imported from ``module``: pybind11 gives a process one module of a
    name, and the address sanitizer must be there from a process's start."""
    environment = {"OPENBLAS_NUM_THREADS": "1"}
    if sanitize:
        asked = subprocess.run([COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        runtime = asked.stdout.strip()
        if not Path(runtime).is_absolute():
            pytest.skip(f"the address sanitizer's runtime is not there for {COMPILER}")
        environment |= {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    start = f"import sys\nsys.path[:0] = [{str(module.parent)!r}, {str(Path(__file__).parent)!r}]\nimport c3d_twins as twins\n"
    return subprocess.run([sys.executable, "-c", start + script], env=environment, capture_output=True, text=text)
