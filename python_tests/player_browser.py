"""An exported page in a headless browser without a GPU: opened from memory, under any headers, and its frames read."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

SITE = "http://player.test/"
WAIT_MS = 600_000  # a busy machine without a GPU
SOFTWARE_GL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".jpg": "image/jpeg"}
READY = """() => new Promise((resolve, reject) => {
  const element = document.querySelector("c3d-cinemagraph");
  element.addEventListener("error", (event) => reject(new Error(event.message)));
  if (element.hasAttribute("ready")) resolve(); else element.addEventListener("ready", () => resolve());
})"""
SEEK = """(frame) => {
  const element = document.querySelector("c3d-cinemagraph");
  element.seek(frame);
  const shown = element.view.toDataURL("image/png");
  const alpha = element.renderer.read().filter((_, k) => k % 4 === 3);
  return { shown, uncovered: alpha.filter((value) => value === 0).length };
}"""


def missing() -> str | None:
    """Why no browser can be had here, if so."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "needs playwright"
    return None if shutil.which("chromium") else "needs chromium on the path"


@dataclass(frozen=True)
class Shown:
    """What the player's canvas shows: uint8 ``[H, W, 3]``, and how many pixels nothing covered."""

    rgb: np.ndarray
    uncovered: int


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SOFTWARE_GL)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Any,
    exported: Path,
    size: tuple[int, int],
    headers: dict[str, str] | None = None,
    script: str | None = None,
    **context: Any,
) -> Iterator[Any]:
    """A page of ``size`` (width, height) that shows what was exported, a file or a folder, and nothing else; ``script`` runs
    before its own."""
    files = {path.name: path for path in exported.iterdir()} if exported.is_dir() else {"index.html": exported}

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(SITE) or "index.html"
        if not route.request.url.startswith(SITE) or name not in files:
            route.fulfill(status=404)
            return
        kind = KINDS.get(files[name].suffix, "application/octet-stream")
        route.fulfill(body=files[name].read_bytes(), content_type=kind, headers={**(headers or {}), "Content-Type": kind})

    with browser.new_context(viewport={"width": size[0], "height": size[1]}, **context) as tab:
        tab.set_default_timeout(WAIT_MS)
        page = tab.new_page()
        if script is not None:
            page.add_init_script(script)
        page.route("**/*", answer)
        page.goto(SITE)
        yield page


def ready(page: Any) -> None:
    """Wait for the first frame; raise what the player says went wrong."""
    page.evaluate(READY)


def processor_s() -> float:
    """Processor time of this process's browsers so far, s."""
    parents, spent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended
            continue
        parents[int(stat.parent.name)], spent[int(stat.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_ours(process: int) -> bool:
        while process in parents:
            process = parents[process]
            if process == os.getpid():
                return True
        return False

    return sum(ticks for process, ticks in spent.items() if is_ours(process)) / os.sysconf("SC_CLK_TCK")


def shown_at(page: Any, frame: float) -> Shown:
    """The canvas at a frame of the path and of the motion's loop."""
    told = page.evaluate(SEEK, frame)
    data = base64.b64decode(told["shown"].split(",", 1)[1])
    return Shown(np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB")), told["uncovered"])
