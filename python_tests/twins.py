"""Builds the ops once more, for tests: with the kernels of ``csrc/cuda`` emulated, or for lesser processors.

Each build is the bindings of ``csrc/bindings`` under another library's name, over one half of the core. Objects are kept in
``build/twins`` under the hash of everything that goes into them.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from twin_cases import Arrays, Call

ROOT = Path(__file__).resolve().parent.parent
CSRC, BUILD, TORCH = ROOT / "csrc", ROOT / "build" / "twins", Path(torch.__file__).parent
COMPILER = shutil.which("g++") or shutil.which("clang++")
FLAGS = ["-std=c++17", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-Wno-unknown-pragmas", "-Werror"]
FLAGS += [line for line in (ROOT / "cmake" / "cxx_flags.txt").read_text().splitlines() if not line.startswith("#")]
INCLUDE = [*(f"-I{CSRC / folder}" for folder in ("emulation", "include", ".")), "-isystem", str(TORCH / "include")]
SANITIZE = ["-fsanitize=address", "-fno-omit-frame-pointer"]
GARBAGE = "-DC3D_GARBAGE=0xC5"
ORDERS = ("forward", "reversed", "random")
SCHEDULES = [("forward", 0), ("reversed", 0), ("random", 1), ("random", 2), ("random", 3)]


class Emulation:
    """The kernels as emulated by ``csrc/emulation``: ``torch.ops.c3d_emulated``, of which a process can load one build."""

    def __init__(self, library: Path) -> None:
        torch.ops.load_library(library)
        self._grid = ctypes.CDLL(str(library))
        self._grid.c3d_emulation_num_kernels_run.restype = ctypes.c_uint64

    def run(self, call: Call) -> Arrays:
        return call.run("c3d_emulated")

    def set_schedule(self, order: str, seed: int) -> None:
        self._grid.c3d_emulation_set_schedule(ORDERS.index(order), ctypes.c_uint64(seed))

    @property
    def num_kernels_run(self) -> int:
        return self._grid.c3d_emulation_num_kernels_run()

    def run_under_all_schedules(self, call: Call) -> Arrays:
        """The result, the same bits under every schedule. Kernels did run."""
        results = []
        for order, seed in SCHEDULES:
            self.set_schedule(order, seed)
            before = self.num_kernels_run
            results.append(self.run(call))
            assert self.num_kernels_run > before
            for first, other in zip(results[0], results[-1], strict=True):
                assert np.array_equal(first, other, equal_nan=True), f"a race: schedule {order} {seed} gives something else"
        return results[0]


def build_emulation(*, sanitize: bool = False, kernels: Path = CSRC / "cuda") -> Path:
    """``kernels``: another folder with the sources of ``csrc/cuda``."""
    checked = SANITIZE if sanitize else []
    jobs = bindings("-DC3D_LIBRARY=c3d_emulated", "-DC3D_EMULATION")
    jobs += [(source, []) for source in sorted((CSRC / "emulation").glob("*.cpp"))]
    jobs += [(source, ["-x", "c++", *checked]) for source in sorted(kernels.glob("*.cu"))]
    return build_library(jobs, checked)


def build_lesser(without: Iterable[str]) -> Path:
    """``torch.ops.c3d_lesser``: the CPU half that does not find the instruction sets ``without``, of AVX512 and AVX2."""
    jobs = bindings("-DC3D_LIBRARY=c3d_lesser")
    jobs += [(source, [f"-DC3D_CPU_HAS_{name}=false" for name in without]) for source in sorted((CSRC / "cpu").glob("*.cpp"))]
    return build_library(jobs, [])


def bindings(*flags: str) -> list[tuple[Path, list[str]]]:
    sources = sorted((CSRC / "bindings").glob("*.cpp"))
    return [(source, [*flags, GARBAGE]) for source in sources if source.stem != "module"]


def build_program(main: Path, flags: list[str]) -> Path:
    """A program over the core on the CPU, without torch."""
    sources = [main, *(path for room in ("cpu", "host", "scene") for path in sorted((CSRC / room).glob("*.cpp")))]
    objects = compile_objects([(source, [*flags, "-DC3D_WITHOUT_CUDA"]) for source in sources])
    program = BUILD / hash_of("".join(map(str, objects)), *flags) / main.stem
    if not program.exists():
        run(COMPILER, *flags, *objects, "-pthread", output=program)
    return program


def build_library(jobs: list[tuple[Path, list[str]]], flags: list[str]) -> Path:
    objects = compile_objects(jobs)
    library = BUILD / hash_of("".join(map(str, objects)), *flags) / "ops.so"
    if not library.exists():
        run(COMPILER, "-shared", *flags, *objects, f"-L{TORCH / 'lib'}", "-ltorch_cpu", "-pthread", output=library)
    return library


def compile_objects(jobs: list[tuple[Path, list[str]]]) -> list[Path]:
    if COMPILER is None:
        pytest.skip("this needs a C++ compiler, and there is no g++ or clang++ on the path")
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: compile_object(*job), jobs))


def compile_object(source: Path, flags: list[str]) -> Path:
    command = [COMPILER, *FLAGS, *INCLUDE, *flags, "-c", str(source)]
    headers = [*CSRC.glob("**/*.h"), *source.parent.glob("*.cuh")]
    texts = [path.read_text() for path in (source, *sorted(headers))]
    compiled = BUILD / hash_of(torch.__version__, *command[1:], *texts) / f"{source.stem}.o"
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


def run_apart(script: str, *, sanitize: bool = False, text: bool = True) -> subprocess.CompletedProcess[Any]:
    """``script`` in a process of its own: torch gives a process one library of a name, and the address sanitizer must be
    there from a process's start."""
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{Path(__file__).parent}:{ROOT}"}
    if sanitize:
        # The C++ runtime comes with it, or the sanitizer would miss it, and end a process that throws.
        runtimes = [found_by_compiler(name) for name in ("libasan.so", "libstdc++.so")]
        environment |= {"LD_PRELOAD": ":".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=text)


def found_by_compiler(library: str) -> str:
    asked = subprocess.run([COMPILER, f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    found = asked.stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip(f"{library}, for the address sanitizer, is not there for {COMPILER}")
    return found
