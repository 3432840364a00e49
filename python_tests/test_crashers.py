"""Files that once broke a reader (`fuzz_files.py` found them): each is refused in one line now, or read soundly; and the whole
ones of the corpus, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fuzz_files
import pytest

HERE = Path(__file__).resolve().parent
FILES = sorted(path for folder in ("corpus", "crashers") for path in (HERE / folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
def test_a_reader_stands_it(path: Path) -> None:
    begun = path.suffix == ".pth"  # the corpus has the first entries of a checkpoint only
    became = fuzz_files.read(path.parent.name, path)
    assert became == "read" or begun or path.is_relative_to(HERE / "crashers")


@pytest.mark.parametrize(
    ("script", "what"), [("fuzz_ops.py", "calls"), ("fuzz_files.py", "files"), ("fuzz_manifests.py", "manifests")]
)
def test_a_fuzzer_finds_nothing(script: str, what: str) -> None:
    """In attempts of the same seeds each time; of others in `make fuzz`."""
    command = [sys.executable, str(HERE / script), "--seed", "1", f"--{what}", "500", "--seconds", "1000"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and f"\n500 {what}: " in done.stdout, done.stdout + done.stderr
