"""What became of every row: a JSON line each as it happens, then a table and a contact sheet, failures first."""

from __future__ import annotations

import csv
import fcntl
import html
import io
import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from ..files.place import naming, replacing
from ..jobs.options import is_url
from .renderer import DONE, FAILED, KEPT, Result

COLUMNS = ("state", "photo", "out", "reason", "seconds", "bytes", "deaths", "worker")
ORDER = (FAILED, DONE, KEPT)
MOST_NUMBER = 1000  # of batches that write their reports into one folder at a time
UNWRITABLE = "backslashreplace"  # names that are no UTF-8: in JSON that is an escape, which reads back as the same name
PLAYED = (".mp4", ".webm", ".mov", ".mkv")
CSS = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; background: Canvas; color: CanvasText; color-scheme: light dark }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 1em }
figure { margin: 0; overflow-wrap: anywhere }
figure video, figure img { width: 100%; aspect-ratio: 4/3; object-fit: contain; background: #8883 }
figure.failed { border-left: 4px solid #c33; padding-left: .6em; grid-column: 1 / -1 }
figcaption { font-size: 12px }
"""


def line_of(result: Result) -> str:
    """A result as a line of JSON, without its picture."""
    told = {name: value for name, value in asdict(result).items() if name != "poster"}
    return json.dumps(told, ensure_ascii=False)


class Report:
    """``report.jsonl``, ``.csv`` and ``.html`` of one run, in a folder; another run in the same folder meanwhile gets numbers.

    Parameters
    ----------
    folder : Path
        It is made.
    stem : str
        Of the files' names.
    """

    def __init__(self, folder: Path, stem: str = "report") -> None:
        self._results: list[Result] = []
        with naming("report", "write", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.path, self._file = _free(folder, stem)

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError) if error is not None else nullcontext():  # what found no room fails once more
            self._file.close()

    def add(self, result: Result) -> None:
        """Write a line; what is written stays if this process dies."""
        self._results.append(result)
        with naming("report", "write", self.path):
            self._file.write(line_of(result) + "\n")
            self._file.flush()

    def finish(self) -> None:
        """Write the table and the contact sheet."""
        ordered = sorted(self._results, key=lambda result: (ORDER.index(result.state), result.photo))
        for suffix, text in ((".csv", _table(ordered)), (".html", _page(ordered, self.path.parent))):
            with replacing(self.path.with_suffix(suffix), "report") as part, naming("report", "write", self.path):
                part.write_text(text, encoding="utf-8", errors=UNWRITABLE)


def _free(folder: Path, stem: str) -> tuple[Path, io.TextIOWrapper]:
    """The first name whose lock nobody holds, emptied."""
    for number in range(1, MOST_NUMBER):
        path = folder / f"{stem if number == 1 else f'{stem}-{number}'}.jsonl"
        file = path.open("a", encoding="utf-8", errors=UNWRITABLE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        except OSError:  # a file system without locks
            pass
        file.truncate(0)
        return path, file
    raise OSError(f"{MOST_NUMBER} batches write their reports there")


def _table(results: Sequence[Result]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        writer.writerow([_cell(getattr(result, name)) for name in COLUMNS])
    return text.getvalue()


def _cell(value: object) -> object:
    """A name that a spreadsheet would compute, such as ``=cmd``, stays a name."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _page(results: Sequence[Result], folder: Path) -> str:
    counts = Counter(result.state for result in results)
    told = ", ".join(f"{counts[state]} {state}" for state in ORDER)
    figures = "\n".join(_figure(result, folder) for result in results)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{told}</title>\n<style>{CSS}</style>\n'
        f"<h1>{told}</h1>\n<main>\n{figures}\n</main>\n</html>\n"
    )


def _figure(result: Result, folder: Path) -> str:
    name = html.escape(Path(result.out).name or result.photo)
    if result.state == FAILED:
        return (
            f'<figure class="failed"><figcaption><b>{html.escape(result.photo)}</b><br>'
            f"{html.escape(result.reason)}</figcaption></figure>"
        )
    address = html.escape(result.out if is_url(result.out) else quote(os.fsencode(os.path.relpath(result.out, folder))))
    poster = f"data:image/jpeg;base64,{result.poster}"
    if Path(result.out).suffix.lower() in PLAYED:
        shown = f'<video src="{address}" poster="{poster}" preload="none" muted loop controls></video>'
    else:
        shown = f'<a href="{address}"><img src="{poster}" alt="" loading="lazy"></a>'
    told = f"{result.seconds:.1f} s" if result.state == DONE else result.state
    return f'<figure>{shown}<figcaption title="{html.escape(result.photo)}">{name}<br>{told}</figcaption></figure>'
