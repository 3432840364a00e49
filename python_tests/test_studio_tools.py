"""Each tool of the studio in a browser: what it draws, what the scene makes of it, by mouse, finger and pen."""

from __future__ import annotations

import io
import json
import urllib.request
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import player_browser
import pytest

import c3drender as c3d

pytest.importorskip("fastapi", reason="needs the extra studio")

import studio_browser
from studio_browser import Hands

EXAMPLE = Path(c3d.__file__).parent / "example" / "stream_cascade.jpg"
WIDTH, HEIGHT = 144, 96
DESK = {"width": 1280, "height": 800}
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
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with studio_browser.served(tmp_path_factory.mktemp("projects")) as address:
        yield address


@pytest.fixture
def hands(browser: Any, address: str, photo: Path) -> Iterator[Hands]:
    """On a new project, where nothing moves."""
    with browser.new_context(viewport=DESK, has_touch=True, reduced_motion="reduce", accept_downloads=True) as tab:
        problems: list[str] = []
        hands = Hands(tab.new_page())
        hands.page.on("pageerror", lambda error: problems.append(str(error)))
        hands.page.goto(address)
        hands.drop(photo)
        hands.page.click("#regions [aria-label='Remove Found by itself']")
        hands.until(1)
        yield hands
        assert problems == []


def depth_of(hands: Hands, address: str) -> np.ndarray:
    """What the page shows: warm and bright is near."""
    name = hands.page.evaluate("() => studio.state.document.name")
    with urllib.request.urlopen(f"{address}/api/projects/{name}/shown/depth.jpg") as file:
        return np.asarray(PIL.Image.open(io.BytesIO(file.read())).convert("RGB")).sum(axis=2).astype(int)


def flow_at(hands: Hands, x: float, y: float) -> float:
    speed: float = hands.page.evaluate(f"() => Math.hypot(...studio.view.streaks.at({x}, {y}))")
    return speed


def edits(hands: Hands) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = hands.page.evaluate("() => studio.state.document.edits")
    return told


def test_a_lasso_of_corners_makes_a_flame_that_reaches_as_high_as_it_is_told(hands: Hands) -> None:
    hands.tool("lasso")
    hands.page.click("#options [data-kind=flickers]")
    for corner in ((40, 20), (90, 20), (90, 70)):
        hands.click(*corner)
    hands.page.mouse.dblclick(*hands.at(40, 70))
    hands.until(2)
    hands.shown("regions.png", 2)
    flame = hands.page.evaluate("() => studio.view.regionAt([65, 45])")
    assert flame is not None and hands.page.evaluate("() => studio.view.regionAt([110, 45])") is None
    assert [edit["kind"] for edit in edits(hands) if edit.get("region") == flame and edit["do"] == "region"] == ["flickers"]
    hands.shown("preview.c3dweb", 2)
    assert hands.page.evaluate("document.querySelector('c3d-cinemagraph').renderer.header.harmonics.count") > 0
    hands.page.fill("#regions .active input[type=range]", "2")
    hands.until(3)
    assert edits(hands)[-1]["speed"] == 2 and edits(hands)[-1]["kind"] == "flickers"
    hands.page.click("#options button:has-text('Take away')")  # as Alt does
    hands.drag((56, 36), (74, 36), (74, 54), (56, 54), (56, 40))
    hands.until(4)
    hands.shown("regions.png", 4)
    assert hands.page.evaluate("() => studio.view.regionAt([65, 45])") is None
    assert hands.page.evaluate("() => studio.view.regionAt([50, 25])") == flame


def test_a_regions_speed_is_its_own_and_a_pin_holds(hands: Hands) -> None:
    hands.tool("brush")
    hands.drag((30, 60), (110, 60))
    hands.until(2)
    hands.tool("arrow")
    hands.drag((50, 60), (80, 60))  # at once: where the stroke is not yet seen, it has made its region all the same
    hands.until(3)
    hands.shown("field.bin", 3)
    assert [edit["do"] for edit in edits(hands)] == ["drop-region", "region", "painted", "arrow"]
    before = flow_at(hands, 70, 60)
    hands.page.fill("#regions .active input[type=range]", "2")
    hands.until(4)
    hands.shown("field.bin", 4)
    assert flow_at(hands, 70, 60) == pytest.approx(2 * before, rel=0.05) and before > 0
    hands.tool("pin")
    hands.click(100, 60)
    hands.until(5)
    hands.shown("field.bin", 5)
    assert flow_at(hands, 100, 60) < 0.5 * flow_at(hands, 65, 60)
    hands.click(100, 60)  # takes it out again
    hands.until(6)
    assert edits(hands)[-1]["do"] == "drop-arrow"


def test_an_eraser_rubs_out_and_undo_brings_back(hands: Hands) -> None:
    hands.tool("brush")
    hands.drag((30, 60), (110, 60))
    hands.tool("eraser")
    for _ in range(3):
        hands.page.keyboard.press("[")
    hands.page.fill("#options label:has-text('Softness') input", "0")
    hands.drag((70, 50), (70, 70))
    hands.until(3)
    hands.shown("regions.png", 3)
    region = hands.page.evaluate("() => studio.view.regionAt([40, 60])")
    assert region is not None and hands.page.evaluate("() => studio.view.regionAt([70, 60])") is None
    hands.page.keyboard.press("Control+z")
    hands.shown("regions.png", 4)
    assert hands.page.evaluate("() => studio.view.regionAt([70, 60])") == region


def test_camera_amplitude_speed_and_focus_are_set_and_undone(hands: Hands) -> None:
    page = hands.page
    first = page.evaluate("() => studio.state.document.settings")
    page.select_option("#camera", "swing")
    hands.until(2)
    page.fill("#amplitude", "0.5")
    hands.until(3)
    page.fill("#speed", "2")
    hands.until(4)
    hands.tool("focus")
    hands.click(40, 30)
    hands.until(5)
    told = page.evaluate("() => studio.state.document.settings")
    assert (told["camera"], told["amplitude"], told["speed"]) == ("swing", 0.5, 2)
    assert told["focus"] == pytest.approx((40, 30), abs=0.5)
    hands.shown("preview.c3dweb", 5)
    page.click("#settings button")  # resets the focus
    hands.until(6)
    for revision in range(7, 12):
        page.click("#undo")
        hands.until(revision)
    assert page.evaluate("() => studio.state.document.settings") == first
    assert page.input_value("#camera") == first["camera"]


def test_labelme_goes_out_and_comes_in(hands: Hands, tmp_path: Path) -> None:
    page = hands.page
    hands.tool("brush")
    hands.drag((30, 60), (110, 60))
    hands.tool("arrow")
    hands.drag((50, 60), (80, 60))
    hands.until(3)
    page.click("#export")
    page.select_option("#format", "labelme")
    page.click("#begin")
    link = page.locator("#jobs a")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "drawn.json")
    page.keyboard.press("Escape")
    for revision in (4, 5):
        page.click("#undo")
        hands.until(revision)
    page.set_input_files("#labelme-file", str(tmp_path / "drawn.json"))
    hands.until(6)
    hands.shown("regions.png", 6)
    assert page.evaluate("() => studio.view.regionAt([70, 60])") is not None
    (arrow,) = page.evaluate("() => studio.state.arrows")
    assert arrow["end"][0] - arrow["start"][0] == pytest.approx(30, abs=2)


def test_this_is_nearer_than_that(hands: Hands, address: str) -> None:
    hands.shown("depth.jpg", 1)
    before = depth_of(hands, address)
    near, far = (np.unravel_index(place, before.shape) for place in (before.argmin(), before.argmax()))
    hands.tool("order")
    hands.click(near[1] + 0.5, near[0] + 0.5)  # the farthest shall be the nearer one
    hands.page.wait_for_function("() => studio.view.draft?.outlines")
    hands.click(far[1] + 0.5, far[0] + 0.5)
    hands.until(2)
    hands.shown("depth.jpg", 2)
    after = depth_of(hands, address)
    assert after[near] > before[near] + 100 and after[near] >= after[far] - 40


@pytest.mark.parametrize("shape", ["plane", "upright"])
def test_a_surface_is_made_flat(hands: Hands, address: str, shape: str) -> None:
    hands.shown("depth.jpg", 1)
    before = depth_of(hands, address)
    hands.tool("surface")
    hands.page.select_option("#options select", shape)
    hands.page.fill("#options input[type=range]", "0.9")
    hands.click(70, 70)
    hands.until(2)
    hands.shown("depth.jpg", 2)
    after = depth_of(hands, address)
    assert (np.abs(after - before) > 8).sum() > 50  # more than JPEG does
    if shape == "upright":  # all of it is as far as its foot
        assert np.bincount(after.ravel() // 8).max() > 1.5 * np.bincount(before.ravel() // 8).max()


def test_a_finger_paints_and_two_zoom(hands: Hands) -> None:
    hands.tool("brush")
    touch = hands.page.context.new_cdp_session(hands.page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", hands.at(40, 40))
    for x in range(45, 85, 5):
        fingers("touchMove", hands.at(x, 42))
    fingers("touchEnd")
    hands.until(2)
    hands.shown("regions.png", 2)
    assert hands.page.evaluate("() => studio.view.regionAt([60, 42])") is not None

    zoom = hands.page.evaluate("() => studio.view.zoom")
    (x, y), (right, _) = hands.at(60, 50), hands.at(80, 50)
    middle = (x + right) / 2
    place = hands.under(middle, y)
    fingers("touchStart", (x, y))
    fingers("touchStart", (x, y), (right, y))
    for step in range(1, 11):
        fingers("touchMove", (x - 4 * step, y), (right + 4 * step, y))
    fingers("touchEnd")
    spread = (right - x + 80) / (right - x)
    hands.when(f"Math.abs(studio.view.zoom / {spread * zoom} - 1) < 0.05")
    assert hands.at(*place) == pytest.approx((middle, y), abs=3)  # what lay between the fingers still does
    assert hands.revision() == 2  # and nothing was painted
    assert hands.page.evaluate("() => studio.view.draft") is None


def test_a_pen_draws_an_arrow(hands: Hands) -> None:
    hands.tool("brush")
    hands.drag((30, 60), (110, 60))
    hands.until(2)
    hands.shown("regions.png", 2)
    hands.tool("arrow")
    pen = hands.page.context.new_cdp_session(hands.page)
    kinds = hands.page.evaluate_handle(
        "() => { const kinds = []; studio.view.canvas.addEventListener('pointerdown', (e) => kinds.push(e.pointerType));"
        " return kinds; }"
    )
    way = [hands.at(x, 60) for x in (50, 60, 70, 80)]
    for name, (x, y) in zip(("mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"), way, strict=True):
        said = {"type": name, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        pen.send("Input.dispatchMouseEvent", said)
    hands.until(3)
    assert kinds.json_value() == ["pen"]
    arrow = edits(hands)[-1]
    assert arrow["do"] == "arrow" and arrow["end"][0] - arrow["start"][0] == pytest.approx(30, abs=2)


def test_the_loop_that_plays_is_the_videos_and_full_quality_comes_by_itself(hands: Hands) -> None:
    hands.tool("brush")
    hands.drag((30, 60), (110, 60))
    hands.tool("arrow")
    hands.drag((50, 60), (80, 60))
    hands.until(3)
    hands.shown("loop.c3dweb", 3)
    assert hands.page.evaluate("document.querySelector('c3d-cinemagraph').renderer.header.loop.blend") == "phase"
    assert hands.page.inner_text("#quality") == "the loop as it will be"
    hands.shown("full.c3dweb", 3)
    hands.page.keyboard.press("v")
    hands.page.wait_for_function("() => document.querySelector('#quality').textContent === 'full quality'")
    assert hands.page.evaluate("() => document.querySelector('c3d-cinemagraph').getAttribute('src')").find("full") > 0
    hands.page.keyboard.press("v")
    hands.when("document.querySelector('#quality').textContent === 'the loop as it will be'")


def test_exports_are_asked_for_in_the_dialog(hands: Hands, tmp_path: Path) -> None:
    page = hands.page
    page.select_option("#loop", "40")
    hands.until(2)
    page.click("#export")

    def field(name: str) -> Any:
        return page.locator(f"#fields [name={name}]")

    def made(suffix: str) -> bytes:
        page.click("#begin")
        link = page.locator(f"#jobs li:first-child a[download$='{suffix}']")
        link.wait_for()
        with page.expect_download() as download:
            link.click()
        return Path(download.value.path()).read_bytes()

    page.select_option("#format", "mp4")
    assert not field("eyes").is_visible() and field("crf").get_attribute("placeholder") == "18"
    field("codec").select_option("av1")
    assert field("crf").get_attribute("placeholder") == "28" and field("crf").get_attribute("max") == "63"
    field("crf").fill("70")
    page.click("#begin")  # is told by the field itself
    assert page.locator("#jobs li").count() == 0
    field("crf").fill("50")
    page.click("#fields details:has([name=stereo]) > summary")
    field("stereo").select_option("tb")
    assert field("eyes").is_visible()
    field("fps").fill("50")
    page.wait_for_function(
        f"() => document.querySelector('#estimate').textContent.includes('{2 * HEIGHT} px, 80 frames, 1.6 s')"
    )
    with wave.open(str(tmp_path / "hum.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(3200))
    field("audio").set_input_files(str(tmp_path / "hum.wav"))
    hands.when("document.querySelector('#fields .chosen').textContent.includes('hum.wav')")
    assert page.inner_text("#fields details:has([name=stereo]) .chosen") == "One above the other"
    film = made("mp4")
    with av.open(io.BytesIO(film)) as box:
        assert [stream.codec_context.name for stream in box.streams.audio] == ["aac"]
        assert box.streams.video[0].average_rate == 50 and box.streams.video[0].frames == 80
    assert b"av01" in film
    page.click("#fields [aria-label='No sound']")
    assert "hum.wav" not in page.inner_text("#fields .chosen >> nth=0")

    page.select_option("#format", "gif")
    assert field("codec").count() == 0 and field("stereo").input_value() == "tb"
    field("stereo").select_option("")
    field("max_mb").fill("0.1")
    picture = made("gif")
    assert picture.startswith(b"GIF89a") and len(picture) <= 0.1 * 2**20

    page.select_option("#format", "glb")
    field("motion").select_option("animated")
    assert made("glb").startswith(b"glTF")
    page.select_option("#format", "depth-frames")
    assert len(zipfile.ZipFile(io.BytesIO(made("zip"))).namelist()) == 40
    page.select_option("#format", "psd")
    assert made("psd").startswith(b"8BPS")

    page.select_option("#format", "webm")
    page.select_option("#size", "3840")  # which takes longer than it takes to cancel
    page.click("#begin")
    page.click("#jobs li:first-child button:has-text('Cancel')")
    page.wait_for_function("() => document.querySelector('#jobs li').textContent.includes('cancelled')")
    page.click("#fields details:has([name=alpha]) > summary")
    field("alpha").select_option("near")
    page.click("#fields details:has([name=f_number]) > summary")
    field("f_number").select_option("2.8")
    page.click("#begin")
    page.wait_for_function("() => document.querySelector('#jobs .bad')?.textContent.startsWith('alpha: expected no f_number')")


def test_a_killed_server_has_lost_nothing(browser: Any, photo: Path, tmp_path: Path) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as tab:
        hands = Hands(tab.new_page())
        with studio_browser.served(tmp_path) as address:
            hands.page.goto(address)
            hands.choose(photo)
            hands.tool("brush")
            hands.drag((30, 60), (110, 60))
            hands.until(1)
        hands.page.wait_for_function("() => document.querySelector('#saved').textContent.includes('Not connected')")
        with studio_browser.served(tmp_path) as address:
            hands.page.goto(address)
            hands.page.click("#projects button")
            hands.plays()
            assert hands.revision() == 1 and edits(hands)[-1] == {"do": "painted", "region": "found"}
            hands.page.keyboard.press("Control+z")
            hands.until(2)
    assert json.loads((tmp_path / "stream" / "project.json").read_text())["undone"]
