"""Takes the picture of the studio with the bundled example; needs Chromium: ``python docs/studio_figure.py``."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "python_tests"))

from studio_browser import Hands, served  # noqa: E402

SIZE = {"width": 1360, "height": 820}
WEBGL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=WEBGL)
        page = browser.new_page(viewport=SIZE, color_scheme="dark")
        page.goto(address)
        hands = Hands(page)
        hands.drop(REPO / "c3drender" / "example" / "stream_cascade.jpg")
        for place in ((610, 420), (560, 560), (520, 690)):
            revision = hands.revision()
            hands.click(*place)
            hands.shown("field.bin", revision + 1)
        hands.shown("loop.c3dweb", hands.revision())
        page.wait_for_timeout(1000)  # of motion
        page.evaluate("() => (document.querySelector('#timing').textContent = '')")  # which hangs on the machine
        shot = Image.open(io.BytesIO(page.screenshot()))
        shot.convert("RGB").save(REPO / "docs" / "images" / "studio.webp", quality=82, method=6)
        browser.close()


if __name__ == "__main__":
    main()
