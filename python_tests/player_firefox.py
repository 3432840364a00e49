"""The player in Firefox, driven by its own Marionette protocol: Playwright's Firefox is another than Debian's.

Without a display Firefox has no WebGL: it runs under a virtual one (xvfb), where Mesa draws on the CPU.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

PREFERENCES = {
    "webgl.force-enabled": True,
    "webgl.disable-fail-if-major-performance-caveat": True,
    "marionette.port": 0,  # any: told in a file of the profile
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}
KEYS = {"Control": "\ue009", "Shift": "\ue008"}  # as WebDriver names them
BOX = """(selector) => {
  const { left, top, width, height } = document.querySelector(selector).getBoundingClientRect();
  return [left, top, width, height];
}"""
START_S = 600.0  # a busy machine
END_S = 120.0
SHOW = """
const [frame, width, height, done] = arguments;
const element = document.querySelector("c3d-cinemagraph");
element.addEventListener("error", (event) => done({ error: event.message }));
const show = () => {
  Object.assign(element.style, { width: `${width}px`, height: `${height}px` });
  element.seek(frame);
  done({ shown: element.view.toDataURL("image/png") });
};
if (element.hasAttribute("ready")) show(); else element.addEventListener("ready", show);
"""


def missing() -> str | None:
    """Why Firefox cannot be had here, if so."""
    needed = [name for name in ("firefox-esr", "xvfb-run") if shutil.which(name) is None]
    return f"needs {' and '.join(needed)} on the path" if needed else None


class Session:
    """One command after the other: ``length:[0, id, name, parameters]``, and the answer likewise."""

    def __init__(self, port: int) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.count = 0
        self._answer()
        self.tell("WebDriver:NewSession", capabilities={})
        self.tell("WebDriver:SetTimeouts", script=600_000, pageLoad=600_000)

    def _answer(self) -> Any:
        length = b""
        while (digit := self.connection.recv(1)) != b":":
            length += digit
        answer = b""
        while len(answer) < int(length):
            answer += self.connection.recv(int(length) - len(answer))
        return json.loads(answer)

    def tell(self, name: str, **parameters: Any) -> Any:
        self.count += 1
        message = json.dumps([0, self.count, name, parameters]).encode()
        self.connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, value = self._answer()
        assert error is None, error
        return value

    def shown_at(self, frame: float, size: tuple[int, int]) -> np.ndarray:
        """The canvas of the page's player, ``size`` (width, height) large: uint8 ``[H, W, 3]``."""
        told = self.tell("WebDriver:ExecuteAsyncScript", script=SHOW, args=[frame, *size])["value"]
        assert "shown" in told, told
        data = base64.b64decode(told["shown"].split(",", 1)[1])
        return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


class Page:
    """What `studio_browser.Hands` asks of a page, by a session."""

    def __init__(self, session: Session, width: int, height: int) -> None:
        self.session = session
        self.mouse, self.keyboard = Mouse(session), Keyboard(session)
        session.tell("WebDriver:SetWindowRect", width=width, height=height)

    def set_default_timeout(self, ms: float) -> None:
        self.timeout_s = ms / 1000

    def evaluate(self, text: str, argument: Any = None) -> Any:
        """An expression's value, or what a function returns, or promises."""
        script = f"const value = ({text}); return typeof value === 'function' ? value(arguments[0]) : value;"
        return self.session.tell("WebDriver:ExecuteScript", script=script, args=[argument])["value"]

    def wait_for_function(self, text: str, polling: float = 20) -> None:
        end = time.monotonic() + self.timeout_s
        while not self.evaluate(text):
            assert time.monotonic() < end, f"still not true after {self.timeout_s} s: {text}"
            time.sleep(polling / 1000)

    def click(self, selector: str) -> None:
        left, top, width, height = self.evaluate(BOX, selector)
        self.mouse.move(left + width / 2, top + height / 2)
        self.mouse.down()
        self.mouse.up()


class Mouse:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.at = (0.0, 0.0)

    def move(self, x: float, y: float, steps: int = 1) -> None:
        (x0, y0), self.at = self.at, (x, y)
        places = [(x0 + (x - x0) * n / steps, y0 + (y - y0) * n / steps) for n in range(1, steps + 1)]
        self._do(*({"type": "pointerMove", "x": round(px), "y": round(py), "duration": 0} for px, py in places))

    def down(self) -> None:
        self._do({"type": "pointerDown", "button": 0})

    def up(self) -> None:
        self._do({"type": "pointerUp", "button": 0})

    def _do(self, *actions: dict[str, Any]) -> None:
        source = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": list(actions)}
        self.session.tell("WebDriver:PerformActions", actions=[source])


class Keyboard:
    def __init__(self, session: Session) -> None:
        self.session = session

    def press(self, keys: str) -> None:
        """Such as ``Control+z``."""
        values = [KEYS.get(key, key) for key in keys.split("+")]
        strokes = [("keyDown", value) for value in values] + [("keyUp", value) for value in reversed(values)]
        actions = [{"type": kind, "value": value} for kind, value in strokes]
        self.session.tell("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])


@contextmanager
def opened(page: str, profile: Path) -> Iterator[Session]:
    """Firefox with the address ``page`` open; ``profile``: an empty folder."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = ["xvfb-run", "-a", "firefox-esr", "--marionette", "--no-remote", "--profile", str(profile)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, "LIBGL_ALWAYS_SOFTWARE": "1"}, **quiet)
    try:
        told, end = profile / "MarionetteActivePort", time.monotonic() + START_S
        while not (told.exists() and told.read_text().strip().isdigit()):  # it is there before it is written
            assert process.poll() is None, f"firefox-esr ended with {process.returncode}"
            assert time.monotonic() < end, f"firefox-esr did not start within {START_S} s"
            time.sleep(0.2)
        session = Session(int(told.read_text()))
        session.tell("WebDriver:Navigate", url=page)
        yield session
        session.tell("Marionette:Quit", flags=["eForceQuit"])
        process.wait(END_S)
    finally:
        process.terminate()
        process.wait(END_S)
