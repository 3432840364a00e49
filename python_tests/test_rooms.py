"""The layout: imports go down only, whoever writes them, and no file outgrows its room."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import c3drender

PACKAGE = Path(c3drender.__file__).parent
SOURCES = Path(__file__).resolve().parent.parent
STAGES = {"scenery", "depth", "motion", "layers", "camera", "render"}
RANKS = [
    {"defaults", "program", "progress"},
    {"options", "console"},
    {"data"},
    {"pixels"},
    {"ops"},
    {"files"},
    {"models"},
    STAGES,
    {"networks"},
    {"perception"},
    {"pipeline"},
    {"bench", "inspect", "info", "jobs", "web"},
    {"batch", "serve", "studio"},
    {"prepared"},
    {"commands"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(RANKS) for room in rooms}
ENTRIES = {"__init__", "__main__"}  # they name everything, or start the command line
NO_ROOMS = {"_C", "__version__"}
MOST_LINES = 450


def modules() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).with_suffix("").as_posix() not in ENTRIES
    )


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module names in its imports, at its top or inside functions."""
    package = ("c3drender", *path.relative_to(PACKAGE).parts[:-1])
    names: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            names |= {(*base, alias.name) for alias in node.names}
    return {name[1] for name in names if name[0] == "c3drender" and len(name) > 1 and name[1] not in NO_ROOMS}


def test_every_module_has_a_room() -> None:
    assert {room_of(path) for path in modules()} == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    up = {other for other in imported_rooms(path) - {room} if LEVEL[other] >= LEVEL[room]}
    assert not up, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(up))} from above or beside it"


def test_only_ops_loads_the_extension() -> None:
    users = {room_of(path) for path in modules() if "import _C" in path.read_text()}
    assert users == {"ops"}


def lines_of_code(path: Path) -> int:
    """Without docstrings, which are as long as what they promise."""
    source = path.read_text()
    documented = [n for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    firsts = [n.body[0] for n in documented if ast.get_docstring(n, clean=False) is not None]
    return len(source.splitlines()) - sum(first.end_lineno - first.lineno + 1 for first in firsts)


def test_no_file_outgrows_its_room() -> None:
    long = {path.name: count for path in modules() if (count := lines_of_code(path)) > MOST_LINES}
    assert not long


def test_a_source_archive_has_what_its_makefile_reads() -> None:
    """But for the package and setup.py, which setuptools takes along itself."""
    kept = {word for line in (SOURCES / "MANIFEST.in").read_text().splitlines() for word in line.split()[1:]}
    (sources,) = re.findall(r"^PY := (.*)$", (SOURCES / "Makefile").read_text(), re.MULTILINE)
    assert {*sources.split(), "docker", "cmake", "mkdocs.yml", "Makefile"} - {"c3drender", "setup.py"} <= kept
