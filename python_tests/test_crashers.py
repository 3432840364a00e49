"""Files that once broke a reader (`fuzz_files.py` found them): each is refused in one line now, or read soundly; and the whole
ones of the corpus, too."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize("script", ["fuzz_ops.py", "fuzz_files.py"])
def test_a_fuzzer_makes_its_calls(script: str) -> None:
    """One after the other, from a seed that found nothing."""
    for seed in ("1", "2"):
        command = [sys.executable, str(HERE / script), "--call", seed]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPENCV_LOG_LEVEL": "OFF"})
        assert done.returncode == 0, done.stderr
