"""The folder of a run: its logs, pictures and checkpoints. All that training writes is written here."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...files import naming, replacing, write_picture
from ...inspect_sheet import Tile, compose
from ..checkpoints import read_weights

STATE = "state.pth"
TABLES = ("train", "validation")


def read_saved(name: str, path: str | Path) -> Any:
    """`checkpoints.read_weights`, where a file that cannot be read gets its line too."""
    with naming(name, "read", path):
        return read_weights(name, path)


def read_state(folder: str | Path) -> dict[str, Any]:
    """The state that a run in ``folder`` saved last."""
    return read_saved("resume", Path(folder) / STATE)


class Records:
    """``train.csv`` and ``validation.csv``, one row per report; ``validation_NNNNNN.jpg``; checkpoints; and, where the package
    ``tensorboard`` is installed, the same numbers and pictures for it."""

    def __init__(self, folder: str | Path, *, resume: bool) -> None:
        self.folder = Path(folder)
        with naming("out", "create", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        if not resume and any(self.folder.iterdir()):
            raise ValueError(f"out: expected an empty folder for a new run (or --resume), got {self.folder}")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.folder))

    def forget_after(self, step: int) -> None:
        """Take back the rows of later steps: a resumed run will write them again."""
        for name in TABLES:
            path = self.folder / f"{name}.csv"
            if path.exists():
                head, *rows = path.read_text().splitlines(keepends=True)
                with replacing(path) as part:
                    part.write_text("".join([head, *(row for row in rows if int(row.split(",")[0]) <= step)]))

    def save(self, name: str, content: Mapping[str, Any]) -> None:
        target = self.folder / name
        with naming("out", "write", target), replacing(target) as part:
            torch.save(dict(content), part)

    def report(self, table: str, step: int, values: Mapping[str, float]) -> None:
        """Append a row to ``<table>.csv``; its columns are those of its first row."""
        path = self.folder / f"{table}.csv"
        with naming("out", "write", path), path.open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(["step", *values])
            writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
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
