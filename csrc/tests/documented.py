"""Does what docs/embedding.md says, word for word, where it leaves nothing behind: the build line, with and without nvcc, and
every program, by CMake from an installation, by pkg-config, and with the sources in the project.

    python csrc/tests/documented.py --cmake cmake --build build/documented
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOURCES = ("CMakeLists.txt", "LICENSE", "cmake", "csrc", "c3drender/__init__.py")
PREFIX = "/opt/c3drender"
PROJECT = "cmake_minimum_required(VERSION 3.24)\nproject(yours LANGUAGES C CXX)\nadd_executable(your_program {source})\n"


def run(command: str, folder: Path, **environment: str) -> str:
    print(f"+ {command}", flush=True)
    done = subprocess.run(["sh", "-ec", command], cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}\nended with {done.returncode}")
    return done.stdout


def blocks_of(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def one(blocks: list[str], part: str) -> str:
    (found,) = [text for text in blocks if part in text]
    return found


def empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def copy_sources(to: Path) -> None:
    for name in SOURCES:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, to / name)


def path_without(program: str, links: Path) -> str:
    """The search path, but for ``program``: of a folder that has it, links to all else it has, in ``links``."""
    parts = []
    for n, part in enumerate(os.environ["PATH"].split(os.pathsep)):
        parts.append(part)
        if (Path(part) / program).exists():
            parts[-1] = str(empty(links / str(n)))
            for path in Path(part).iterdir():
                if path.name != program:
                    (links / str(n) / path.name).symlink_to(path)
    return os.pathsep.join(parts)


def scene_file() -> bytes:
    """A scene of one grey point in one pixel, that goes nowhere (docs/scene-format.md)."""
    tensors = {
        "lens": ("F64", [4], struct.pack("<4d", 1, 1, 0.5, 0.5)),
        "size": ("I32", [2], struct.pack("<2i", 1, 1)),
        "margin_px": ("I32", [1], struct.pack("<i", 0)),
        "focus": ("F32", [3], struct.pack("<3f", 0, 0, 1)),
        "fps": ("F32", [1], struct.pack("<f", 25)),
        "rules": ("F32", [5], struct.pack("<5f", 1.5, 3, 0.75, 0.02, 4)),
        "still.xyz": ("F32", [1, 3], struct.pack("<3f", 0, 0, 1)),
        "still.feat": ("F32", [1, 4], struct.pack("<4f", 0.5, 0.5, 0.5, 1)),
        "still.radius": ("F32", [1], struct.pack("<f", 1.5)),
        "still.opacity": ("F32", [1], struct.pack("<f", 1)),
        "frames.share": ("F32", [1], struct.pack("<f", 0)),
        "frames.fade": ("F32", [1, 2], struct.pack("<2f", 0, 0)),
        "path.0.name": ("U8", [5], b"still"),
        "path.0.pose": ("F32", [1, 3, 4], struct.pack("<12f", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
        "path.0.zoom": ("F32", [1], struct.pack("<f", 1)),
    }
    told, data = ['"__metadata__": {"format": "c3drender play", "version": "1"}'], b""
    for name, (kind, shape, values) in tensors.items():
        offsets = [len(data), len(data) + len(values)]
        told.append(f'"{name}": {{"dtype": "{kind}", "shape": {shape}, "data_offsets": {offsets}}}')
        data += values
    header = f"{{{', '.join(told)}}}".encode()
    return struct.pack("<Q", len(header)) + header + data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--build", type=Path, required=True)
    args = parser.parse_args()
    page, work = ROOT / "docs" / "embedding.md", empty(args.build.resolve())
    cmake = shutil.which(args.cmake) or args.cmake
    programs = empty(work / "programs")
    (programs / "cmake").symlink_to(cmake)

    # As printed, to where only DESTDIR differs. Without nvcc all of it; with one, what does not take minutes.
    shell = blocks_of(page, "sh")
    line = one(shell, "cmake -S")
    copy_sources(empty(work / "source"))
    lesser = f"{programs}{os.pathsep}{path_without('nvcc', work / 'links')}"
    jobs = {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1), "CUDACXX": ""}
    told = run(line, work / "source", PATH=lesser, DESTDIR=str(work / "root"), **jobs)
    assert "CUDA half: OFF" in told, told
    installed = work / "root" / PREFIX.lstrip("/")
    assert list(installed.rglob("LICENSE")) and list(installed.rglob("c3d.pc")) and (installed / "include/c3d/c3d.h").exists()
    if shutil.which("nvcc"):
        copy_sources(empty(work / "with_nvcc"))
        told = run(line.partition("&&")[0], work / "with_nvcc", PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")
        assert "CUDA half: ON" in told, told

    linked = one(blocks_of(page, "cmake"), "find_package")
    sourced = linked.replace(linked.splitlines()[0], f'add_subdirectory("{work / "source"}" c3drender)')
    (work / "scene.c3dplay").write_bytes(scene_file())
    compiled = one(shell, "pkg-config").replace(PREFIX, str(installed))
    if not (installed / "lib" / "pkgconfig").exists():  # where libraries go into lib64, or a folder of the architecture's
        compiled = compiled.replace(str(installed / "lib" / "pkgconfig"), str(next(installed.rglob("c3d.pc")).parent))
    examples = [("cpp", text) for text in blocks_of(page, "cpp")] + [("c", text) for text in blocks_of(page, "c")]
    assert len(examples) >= 4
    for n, (suffix, text) in enumerate(examples):
        folder = empty(work / f"program_{n}")
        (folder / f"program.{suffix}").write_text(text)
        # No build type: of a project around it no more is known. With the sources once, as they are compiled anew.
        (folder / "CMakeLists.txt").write_text(PROJECT.format(source=f"program.{suffix}") + (sourced if n == 0 else linked))
        options = "-DC3D_CUDA=OFF" if n == 0 else f'-DCMAKE_PREFIX_PATH="{installed}"'
        run(f"cmake -S . -B build {options} && cmake --build build", folder, PATH=lesser, **jobs)
        print(run(f'build/your_program "{work / "scene.c3dplay"}"', folder), end="")
        if suffix == "cpp" and shutil.which("pkg-config"):
            run(compiled, folder)
            run(f'./program "{work / "scene.c3dplay"}"', folder)


if __name__ == "__main__":
    main()
