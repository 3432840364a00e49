"""The studio as a person uses it: a server of its own, a headless browser, and hands that click, drag and paint."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from player_browser import WAIT_MS

POLL_MS = 20  # by a clock: a page in the background has no frames to wait for
DROP = """([name, content]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(atob(content), (byte) => byte.charCodeAt(0))], name));
  const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector("#drop").dispatchEvent(event);
}"""
# Of the photo's corner on the page, and how large its pixels are.
PLACE = """() => {
  const { left, top } = document.querySelector("#canvas").getBoundingClientRect();
  const { zoom, corner } = studio.view;
  return [left + corner.x, top + corner.y, zoom];
}"""


@contextmanager
def served(folder: Path, *more: str) -> Iterator[str]:
    """The address of a studio of the projects in ``folder``."""
    words = [sys.executable, "-u", "-m", "c3drender", "studio", "--folder", str(folder), "--no-browser", *more]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[1].split("#")[0].rstrip("/")
    finally:
        process.kill()
        process.wait()


class Hands:
    """What is done on a page of the studio; places are in pixels of the photo."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(WAIT_MS)

    def drop(self, photo: Path) -> None:
        """A photo from the desktop."""
        self.page.evaluate(DROP, [photo.name, base64.b64encode(photo.read_bytes()).decode()])
        self.plays()

    def choose(self, photo: Path) -> None:
        """A photo from a list of files."""
        self.page.set_input_files("#file", str(photo))
        self.plays()

    def when(self, condition: str) -> None:
        """Wait until an expression is true."""
        self.page.wait_for_function(f"() => {condition}", polling=POLL_MS)

    def plays(self) -> None:
        """Wait until a project is open and its photo moves."""
        self.when("studio.state.document && document.querySelector('c3d-cinemagraph[ready]')")

    def tool(self, name: str) -> None:
        self.page.click(f'#tools [data-tool="{name}"]')

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the photo is on the page."""
        left, top, zoom = self.page.evaluate(PLACE)
        return left + x * zoom, top + y * zoom

    def under(self, x: float, y: float) -> tuple[float, float]:
        """The photo's pixel at a place of the page."""
        left, top, zoom = self.page.evaluate(PLACE)
        return (x - left) / zoom, (y - top) / zoom

    def drag(self, *points: tuple[float, float]) -> None:
        first, *rest = (self.at(*point) for point in points)
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for point in rest:
            self.page.mouse.move(*point, steps=6)
        self.page.mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def revision(self) -> int:
        revision: int = self.page.evaluate("() => studio.state.document?.revision ?? -1")
        return revision

    def shown(self, name: str, revision: int) -> dict[str, Any]:
        """Wait until a stage of this revision, or a later one, is on the screen."""
        self.when(f"studio.shown[{name!r}]?.revision >= {revision}")
        told: dict[str, Any] = self.page.evaluate("(name) => studio.shown[name]", name)
        return told

    def until(self, revision: int) -> None:
        """Wait until the page knows of this revision, or a later one."""
        self.when(f"studio.state.document?.revision >= {revision}")
