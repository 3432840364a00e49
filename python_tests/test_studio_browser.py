"""The studio in a browser: the whole job as a person does it, what it is without hands that see, and on a small screen."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import player_browser
import player_firefox
import pytest

import c3drender as c3d

pytest.importorskip("fastapi", reason="needs the extra studio")

import studio_browser
from studio_browser import Hands

EXAMPLE = Path(c3d.__file__).parent / "example" / "stream_cascade.jpg"
AXE = Path(__file__).parents[1] / "build" / "web-tools" / "node_modules" / "axe-core" / "axe.min.js"
WIDTH, HEIGHT = 144, 96
DESK = {"width": 1280, "height": 800}
CHOOSE = """([selector, value]) => {
  const list = document.querySelector(selector);
  list.value = value;
  list.dispatchEvent(new Event("change", { bubbles: true }));
}"""
DOWNLOADED = """async (selector) => {
  const answer = await fetch(document.querySelector(selector).href);
  return (await answer.text()).slice(0, 64);
}"""
pytestmark = pytest.mark.skipif(player_browser.missing() is not None, reason=str(player_browser.missing()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with player_browser.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = tmp_path_factory.mktemp("photo") / "stream.jpg"
    PIL.Image.open(EXAMPLE).resize((WIDTH, HEIGHT)).save(small, quality=95)
    return small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with studio_browser.served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def stream(address: str, photo: Path) -> str:
    """The address of a project."""
    headers = {"X-C3D-Studio": "1"}
    wanted = urllib.request.Request(f"{address}/api/projects?name=brook.jpg", photo.read_bytes(), headers)
    with urllib.request.urlopen(wanted) as made:
        return f"{address}/#{json.load(made)['name']}"


def test_a_photo_is_painted_moved_exported_and_opened_again(
    browser, address: str, photo: Path, folder: Path, tmp_path
) -> None:
    problems: list[str] = []
    with browser.new_context(viewport=DESK, reduced_motion="reduce", accept_downloads=True) as tab:
        page = tab.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        hands = Hands(page)
        page.goto(address)
        hands.drop(photo)
        assert hands.revision() == 0 and page.locator("#undo").is_disabled()

        hands.tool("brush")
        hands.drag((50, 60), (80, 70), (90, 85))
        hands.shown("preview.c3dweb", 1)
        assert page.evaluate("() => studio.view.regionAt([80, 70])") == "found"
        hands.tool("arrow")
        hands.drag((60, 60), (75, 75))
        hands.drag((80, 68), (92, 84))
        hands.until(3)
        hands.shown("field.bin", 3)
        assert page.evaluate("() => studio.state.arrows.length") == 2
        x, y = page.evaluate("() => studio.view.streaks.at(70, 66)")
        assert x > 0 and y > 0  # along the arrows

        hands.shown("loop.c3dweb", 3)
        page.emulate_media(reduced_motion="no-preference")
        first = player_browser.shown_at(page, 0).rgb
        later = player_browser.shown_at(page, 15).rgb
        page.emulate_media(reduced_motion="reduce")
        assert np.abs(first.astype(int) - later).max() > 20  # it moves

        hands.tool("near")
        assert page.is_checked("#show-depth")
        hands.drag((20, 80), (40, 80))
        hands.shown("depth.jpg", 4)
        page.keyboard.press("Control+z")
        hands.until(5)
        assert page.evaluate("() => studio.state.document.can_undo") == 3
        page.keyboard.press("Control+Shift+z")
        hands.until(6)

        page.select_option("#loop", "40")
        hands.until(7)
        page.click("#export")
        for kind, magic in (("mp4", b"ftyp"), ("html", b"<!doctype html>")):
            page.select_option("#format", kind)
            page.wait_for_function("() => document.querySelector('#estimate').innerText.includes('px')")
            page.click("#begin")
            link = page.locator(f"#jobs a[download$='.{kind}']")
            link.wait_for()
            with page.expect_download() as download:
                link.click()
            file = Path(download.value.path()).read_bytes()
            assert magic in file[:64] and len(file) > 1000
        page.keyboard.press("Escape")

        page.click("#home")
        page.click("#projects button")
        hands.plays()
        assert hands.revision() == 7 and page.evaluate("() => studio.state.arrows.length") == 2
    assert problems == []
    assert json.loads((folder / "stream" / "project.json").read_text())["revision"] == 7


@pytest.mark.skipif(player_firefox.missing() is not None, reason=str(player_firefox.missing()))
def test_firefox_does_the_job_too(address: str, photo: Path, tmp_path: Path) -> None:
    with player_firefox.opened(address, tmp_path) as session:
        page = player_firefox.Page(session, **DESK)
        page.evaluate("() => { window.problems = []; addEventListener('error', ({ message }) => problems.push(message)); }")
        hands = Hands(page)
        hands.drop(photo)
        assert hands.revision() == 0
        hands.tool("brush")
        hands.drag((50, 60), (80, 70), (90, 85))
        hands.tool("arrow")
        hands.drag((60, 60), (75, 75))
        hands.until(2)
        hands.shown("field.bin", 2)
        x, y = page.evaluate("() => studio.view.streaks.at(70, 66)")
        assert x > 0 and y > 0  # along the arrow
        hands.shown("loop.c3dweb", 2)
        first, later = (session.shown_at(frame, (WIDTH, HEIGHT)).astype(int) for frame in (0, 15))
        assert np.abs(first - later).max() > 20  # it moves
        page.keyboard.press("Control+z")
        hands.until(3)
        hands.when("studio.state.arrows.length === 0")
        hands.shown("preview.c3dweb", 3)

        page.click("#export")
        page.evaluate(CHOOSE, ["#format", "mp4"])
        page.click("#begin")
        hands.when("document.querySelector('#jobs a[download$=\".mp4\"]')")
        magic = page.evaluate(DOWNLOADED, "#jobs a[download$='.mp4']")
        assert "ftyp" in magic
        assert page.evaluate("problems") == []


def test_two_pages_follow_each_other(browser, stream: str) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as tab:
        one, other = Hands(tab.new_page()), Hands(tab.new_page())
        for hands in (one, other):
            hands.page.goto(stream)
            hands.plays()
        before = one.revision()
        one.page.bring_to_front()
        one.tool("pin")
        one.click(100, 30)
        for hands in (one, other):  # either may hear of it first
            hands.until(before + 1)
        assert other.page.evaluate("() => studio.state.arrows.length") == one.page.evaluate("() => studio.state.arrows.length")


def test_keys_reach_everything(browser, stream: str) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as tab:
        hands = Hands(tab.new_page())
        hands.page.goto(stream)
        hands.plays()
        state = "studio.state"
        for key, tool in (("b", "brush"), ("e", "eraser"), ("l", "lasso"), ("a", "arrow"), ("d", "near"), ("w", "take")):
            hands.page.keyboard.press(key)
            assert hands.page.evaluate(f"{state}.tool") == tool
        size = hands.page.evaluate(f"{state}.sizePx")
        hands.page.keyboard.press("]")
        assert hands.page.evaluate(f"{state}.sizePx") > size
        hands.page.keyboard.press("[")
        assert hands.page.evaluate(f"{state}.sizePx") == pytest.approx(size)
        player = "document.querySelector('c3d-cinemagraph')"
        assert not hands.page.evaluate(f"{player}.paused")
        hands.page.keyboard.press(" ")
        assert hands.page.evaluate(f"{player}.paused")
        zoom = hands.page.evaluate("studio.view.zoom")
        hands.page.mouse.move(*hands.at(50, 50))
        hands.page.mouse.wheel(0, -300)
        hands.page.wait_for_function(f"() => studio.view.zoom > {zoom}")


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: make build/web-tools/installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, address: str, stream: str, scheme: str) -> None:
    """On every page and with everything open that can be."""
    with browser.new_context(viewport=DESK, reduced_motion="reduce", color_scheme=scheme) as tab:
        hands = Hands(tab.new_page())
        page = hands.page
        found: dict[str, list[str]] = {}
        page.goto(address)
        page.wait_for_selector("#projects button")
        found["start"] = violations(page)
        page.goto(stream)
        hands.plays()
        page.click("aside summary")
        page.click("#add button:first-of-type")
        page.wait_for_selector("#regions .active select")
        for tool in page.eval_on_selector_all("#tools [data-tool]", "all => all.map((one) => one.dataset.tool)"):
            hands.tool(tool)
            found[tool] = violations(page)
        page.click("#export")
        for kind in page.eval_on_selector_all("#format option", "all => all.map((one) => one.value)"):
            page.select_option("#format", kind)
            page.evaluate("() => document.querySelectorAll('#fields details').forEach((group) => (group.open = true))")
            if kind in ("mp4", "gif", "glb"):
                found[f"export {kind}"] = violations(page)
        page.select_option("#format", "labelme")
        page.click("#begin")
        page.wait_for_selector("#jobs a")
        page.select_option("#format", "webm")
        page.select_option("#size", "3840")  # which takes longer than axe
        page.click("#begin")
        page.wait_for_selector("#jobs progress")
        found["exports"] = violations(page)
        page.click("#jobs button:has-text('Cancel')")
        page.keyboard.press("Escape")
        page.keyboard.press("v")
        found["large"] = violations(page)
        page.keyboard.press("v")
        page.keyboard.press("Control+z")
        page.set_viewport_size({"width": 390, "height": 844})
        found["phone"] = violations(page)
        assert {state: told for state, told in found.items() if told} == {}


def violations(page: Any) -> list[str]:
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    told = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:120]}"
        for one in told
        if one["impact"] in ("serious", "critical")
    ]


def test_on_a_phone_nothing_is_cut_off(browser, stream: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce") as tab:
        hands = Hands(tab.new_page())
        hands.page.goto(stream)
        hands.plays()
        assert hands.page.evaluate("document.documentElement.scrollWidth") <= 390
        for tool in hands.page.eval_on_selector_all("#tools [data-tool]", "all => all.map((one) => one.dataset.tool)"):
            hands.tool(tool)
            beyond = hands.page.eval_on_selector_all(
                "header :is(button, h1), #work :is(button, select, input:not([type=file]), label)",
                """all => all.filter((one) => one.checkVisibility()).filter((one) => {
                  const { left, right } = one.getBoundingClientRect();
                  return left < 0 || right > innerWidth;
                }).map((one) => one.outerHTML)""",
            )
            assert beyond == [], tool
        before = hands.revision()
        hands.tool("pin")
        hands.page.touchscreen.tap(*hands.at(40, 20))
        hands.until(before + 1)
