"""Manifests: a table whose rows are photos, with their outputs and options. CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from ..files.place import one_line, parse_json
from . import storage
from .rows import PHOTO, Found

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".ndjson", ".parquet")

Numbered = tuple[int, dict[str, Any] | str]
"""A row and its number; instead of a row, what is wrong with a line that is none."""


def is_manifest(place: object) -> bool:
    return isinstance(place, str) and PurePosixPath(place).suffix.lower() in SUFFIXES


def read_manifest(place: str) -> Iterator[Found]:
    """The rows of a manifest, a path or a URL; paths in it start from its folder.

    Columns: ``photo``, perhaps ``out``, and any option of ``c3drender render``. What is empty is not given.

    Raises
    ------
    ValueError
        For a file that is no such table.
    """
    place = storage.absolute(place)
    path = PurePosixPath(place)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"manifest: expected {' '.join(SUFFIXES)}, got {path.name}")
    data = storage.read("manifest", place)
    if suffix in DELIMITERS:
        rows = _table(data, path.name, DELIMITERS[suffix])
    elif suffix == ".parquet":
        rows = _parquet(data, path.name)
    else:
        rows = _lines(data, path.name)
    folder = place.rsplit("/", 1)[0]
    count = 0
    for number, row in rows:
        count += 1
        where = f"{path.name} row {number}"
        yield Found({}, where, wrong=row) if isinstance(row, str) else Found(row, where, folder)
    if count == 0:
        raise ValueError(f"manifest: expected rows in {path.name}, got none")


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"manifest: expected UTF-8 in {name}, got something else") from None


def _table(data: bytes, name: str, delimiter: str) -> Iterator[Numbered]:
    """Rows as spreadsheets count them: the header is the first."""
    reader = csv.reader(io.StringIO(_text(data, name), newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        doubled = next((column for column in header if header.count(column) > 1), None)
        if PHOTO not in header or doubled is not None:
            wrong = "none of that name" if PHOTO not in header else f"{doubled!r} twice"
            raise ValueError(f"manifest: expected a column photo in the first row of {name}, and each once, got {wrong}")
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                yield number, f"expected {len(header)} columns, as the first row has, got {len(cells)}"
            else:
                yield number, dict(zip(header, cells))  # noqa: B905  (a short row ends early)
    except csv.Error as error:
        raise ValueError(f"manifest: expected a table in {name}, got {error} in line {reader.line_num}") from None


def _lines(data: bytes, name: str) -> Iterator[Numbered]:
    for number, line in enumerate(_text(data, name).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            yield number, f"expected a JSON object, got {one_line(error)}"
        else:
            yield number, row if isinstance(row, dict) else f"expected a JSON object, got {type(row).__name__}"


def _parquet(data: bytes, name: str) -> Iterator[Numbered]:
    try:
        from pyarrow import ArrowException, BufferReader, parquet
    except ModuleNotFoundError:
        raise ValueError(f"manifest: expected pyarrow to read {name} with: pip install pyarrow") from None
    try:
        rows = parquet.read_table(BufferReader(data)).to_pylist()
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"manifest: expected Parquet in {name}, got {one_line(error)}") from None
    yield from enumerate(rows, start=1)
