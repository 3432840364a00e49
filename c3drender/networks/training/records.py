"""The folder of a run: its logs, pictures and checkpoints. All that training writes goes through here."""

from __future__ import annotations

import csv
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files.photo import write_picture
from ...files.place import make_folder, naming, replacing
from ...pixels.sheet import Tile, compose
from ..checkpoints import read_weights, write_weights

STATE = "state.pth"
TABLES = ("train", "validation")


def read_state(folder: str | Path) -> dict[str, Any]:
    """The state that a run in ``folder`` saved last."""
    return read_weights("resume", Path(folder) / STATE)


class Records:
    """``train.csv`` and ``validation.csv``, one row per report; ``validation_NNNNNN.jpg``; checkpoints; and, where the package
    ``tensorboard`` is installed, the same numbers and pictures for it."""

    def __init__(self, folder: str | Path, *, resume: bool) -> None:
        self.folder = Path(folder)
        if make_folder("out", self.folder) and not resume:
            raise ValueError(f"out: expected an empty folder for a new run (or --resume), got {self.folder}")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.folder))

    def forget_after(self, step: int) -> None:
        """Take back the rows of later steps: a resumed run will write them again."""
        for name in TABLES:
            _keep_rows("out", self.folder / f"{name}.csv", "step", step)

    def save(self, name: str, content: Mapping[str, Any]) -> None:
        write_weights("out", self.folder / name, content)

    def report(self, table: str, step: int, values: Mapping[str, float]) -> None:
        """Append a row to ``<table>.csv``; its columns are those of its first row."""
        row = {"step": str(step)} | {name: f"{value:.6g}" for name, value in values.items()}
        _append_row("out", self.folder / f"{table}.csv", row)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{table}/{name}", value, step)

    def show(self, step: int, tiles: Sequence[Tile]) -> None:
        sheet = compose(tiles)
        write_picture(self.folder / f"validation_{step:06d}.jpg", sheet)
        if self._board is not None:
            self._board.add_image("validation", sheet, step, dataformats="HWC")

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def _append_row(name: str, path: str | os.PathLike, row: Mapping[str, str]) -> None:
    """Append a row to a CSV table, whose columns are the names of its first row."""
    with naming(name, "write", path), Path(path).open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def _keep_rows(name: str, path: str | os.PathLike, column: str, last: int) -> None:
    """Take the rows whose whole number in ``column`` is above ``last`` out of a CSV table, if there is one."""
    if not Path(path).exists():
        return
    with naming(name, "write", path):
        with Path(path).open(newline="") as file:
            table = csv.DictReader(file)
            kept = [row for row in table if int(row[column]) <= last]
        with replacing(Path(path)) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, table.fieldnames or [])
            writer.writeheader()
            writer.writerows(kept)
