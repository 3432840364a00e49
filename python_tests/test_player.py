"""The player: what it packs, what it writes, and that a browser shows what the renderer renders."""

from __future__ import annotations

import base64
import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import player_browser
import player_firefox
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import c3drender as c3d
from c3drender import web
from c3drender.files.photo import read_photo
from c3drender.files.scene import Scene
from c3drender.render.beyond import Beyond
from c3drender.render.fluid import find_region
from c3drender.web import pack

psnr = partial(peak_signal_noise_ratio, data_range=255)
EXAMPLE = Path(c3d.__file__).parent / "example"
FRAMES = 12
MOMENTS = (0, 1, 3, 5, 6, 8, 10, 11)
STRICT = {"Content-Security-Policy": "default-src 'self'"}
needs_browser = pytest.mark.skipif(player_browser.missing() is not None, reason=str(player_browser.missing()))


def unpacked(file: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the maps of a packed scene, read as the format says."""
    assert file.startswith(pack.MAGIC)
    start = len(pack.MAGIC) + 4
    (length,) = struct.unpack("<I", file[start - 4 : start])
    header = json.loads(file[start : start + length])
    at = start + length
    for name, size in header["sections"].items():
        if name == "maps":
            stream = zlib.decompress(zlib.decompress(file[at : at + size]))
        at += size
    assert at == len(file)
    maps, at = {}, 0
    for told in header["maps"]:
        height, width = told["shape"]
        planes = []
        for _ in range(1 if told["kind"] == "u8" else 2):
            planes.append(np.frombuffer(stream, np.uint8, height * width, at).astype(np.int64))
            at += height * width
        folded = planes[0] if len(planes) == 1 else planes[0] * 256 + planes[1]
        rest = np.where(folded % 2, -(folded + 1) // 2, folded // 2).reshape(height, width)
        kind = {"u8": np.uint8, "u16": np.uint16, "i16": np.int16}[told["kind"]]
        maps[told["name"]] = rest.cumsum(0).cumsum(1).astype(kind)
    assert at == len(stream)
    return header, maps


@pytest.fixture(scope="module")
def example() -> Scene:
    """The bundled photo, small, filled for every camera."""
    return c3d.prepare(
        EXAMPLE / "stream_cascade.jpg", mask=EXAMPLE / "mask.png", hints=EXAMPLE / "hints.json", depth="builtin", size=256
    )


@pytest.fixture(scope="module")
def exported(example: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return c3d.export_html(example, tmp_path_factory.mktemp("page") / "scene.html", frames=FRAMES, title="A <stream>")


@pytest.fixture(scope="module")
def in_folder(example: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return c3d.export_html(example, tmp_path_factory.mktemp("pages") / "scene", folder=True, frames=FRAMES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with player_browser.chromium() as browser:
        yield browser


def photo_of(scene: Scene) -> np.ndarray:
    """The bundled photo at the scene's size."""
    photo = read_photo(EXAMPLE / "stream_cascade.jpg", max(size_of(scene)))
    return (photo.rgb * 255).round().numpy()


def size_of(scene: Scene) -> tuple[int, int]:
    return scene.camera.width, scene.camera.height


def test_a_packed_scene_is_the_scene(example: Scene, in_folder: Path) -> None:
    header, maps = unpacked((in_folder / "scene.c3dweb").read_bytes())
    layers = example.layers
    exists = 0
    for k in range(layers.num_layers):
        kind = maps[f"kind.{k}"]
        there = layers.plane(torch.ones_like(layers.moving), k).numpy()
        assert there[kind > 0].all()
        # What flows a little behind the fluid's surface is not drawn.
        assert layers.plane(layers.moving, k).numpy()[there & (kind == 0)].all()
        exists += int(there.sum())
        z = layers.plane(layers.z_cam, k).numpy()[there]
        disp = 2.0 ** (maps[f"disp.{k}"][there] / header["octave"] - header["dispOffset"])
        assert np.abs(disp * z - 1).max() < 7e-4  # a thirtieth of the depth tolerance
        alpha = layers.plane(layers.alpha, k).numpy()[there]
        assert np.abs(maps[f"alpha.{k}"][there] / 255 - alpha).max() <= 1 / 255
    assert exists == len(layers.pixel)
    x0, y0, x1, y1 = header["fluid"]["box"]
    step = maps["step"].reshape(2, y1 - y0, x1 - x0) * header["fluid"]["stepUnit"]
    surface = layers.nearest_moving().numpy()[y0:y1, x0:x1]
    moves = maps["kind.0"][y0:y1, x0:x1] & pack.KINDS["moves"] > 0
    assert np.abs(step.transpose(1, 2, 0)[moves] - layers.step_px.numpy()[surface[moves]]).max() < 1e-3


def test_a_packed_scene_tells_where_copies_are_taken(example: Scene, in_folder: Path) -> None:
    header, maps = unpacked((in_folder / "scene.c3dweb").read_bytes())
    region = find_region(example.layers)
    beyond = Beyond.of(region.on_surface(example.layers.step_px), region.exists, region.box, FRAMES)
    told, likeness = header["fluid"]["copies"]["ways"], maps["likeness"].reshape(6, -1, maps["likeness"].shape[1])
    ways = maps["ways"].reshape(6, 2, *likeness.shape[1:]) * told["unit"]
    row, column = likeness.shape[1] // 2, likeness.shape[2] // 3
    at_px = [first + told["scale"] * (k + 0.5) for first, k in zip(header["fluid"]["box"][:2], (column, row), strict=True)]
    for side in (0, 1):
        for loops, (end_px, like) in enumerate(beyond.copies(torch.tensor([at_px]), side == 0)):
            found = ways[3 * side + loops, :, row, column] + at_px
            assert np.abs(found - end_px[0].numpy()).max() <= told["unit"] / 2 + 1e-3
            assert abs(likeness[3 * side + loops, row, column] / 255 - float(like)) <= 1 / 500


def test_maps_of_every_kind_survive() -> None:
    rng = np.random.default_rng(0)
    maps = pack._Maps()
    wanted = {}
    for kind in (np.uint8, np.uint16, np.int16):
        ends = np.iinfo(kind)
        wanted[np.dtype(kind).name] = rng.integers(ends.min, ends.max, (5, 7), endpoint=True).astype(kind)
        maps.add(np.dtype(kind).name, wanted[np.dtype(kind).name])
    _, got = unpacked(pack._file({}, {}, maps))
    assert all(np.array_equal(got[name], values) for name, values in wanted.items())


def test_one_file_asks_for_nothing_else(exported: Path) -> None:
    page = exported.read_text()
    assert "<title>A &lt;stream&gt;</title>" in page
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', page)
    modules = json.loads(imports)["imports"]
    sources = [base64.b64decode(address.split(",")[1]).decode() for address in modules.values()]
    asked = {name for text in (page, *sources) for name in re.findall(r'^import .*from "(.*)";$', text, re.MULTILINE)}
    assert asked == set(modules) and len(asked) > 3
    addresses = re.findall(r'(?:src|href)="([^"]{1,20})', page) + list(modules.values())
    assert all(address.startswith("data:") for address in addresses)


def test_the_folder_holds_the_player(in_folder: Path) -> None:
    names = {path.name for path in in_folder.iterdir()}
    assert {"index.html", "page.css", "scene.c3dweb", "poster.jpg", "c3d-cinemagraph.js", "shaders.js"} <= names
    for module in in_folder.glob("*.js"):
        assert set(re.findall(r'^import .*from "\./(.*)";$', module.read_text(), re.MULTILINE)) <= names
    page = (in_folder / "index.html").read_text()
    assert "<style" not in page and not re.search(r"<script(?![^>]*src=)", page)


def test_the_wheel_carries_the_player() -> None:
    (listed,) = re.findall(r"^c3drender = (\[.*\])$", (Path(__file__).parents[1] / "pyproject.toml").read_text(), re.MULTILINE)
    carried = {path for pattern in json.loads(listed) for path in EXAMPLE.parent.glob(pattern)}
    assert {path for path in (Path(web.__file__).parent / "player").iterdir() if path.is_file()} <= carried


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": "scene.htm"}, "out: expected the suffix .html"),
        ({"out": "scene.html", "folder": True}, "out: expected a folder"),
        ({"out": "none/scene.html"}, "out: cannot write"),
        ({"fps": 0}, "fps: expected"),
        ({"fps": True}, "fps: expected"),
        ({"blend": "soft"}, "blend: expected"),
        ({"camera": "spin"}, "camera: expected"),
        ({"frames": 0}, "frames: expected"),
    ],
)
def test_refused_in_one_line(example: Scene, tmp_path, monkeypatch, change: dict[str, Any], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=f"^{message}"):
        c3d.export_html(example, **{"out": "scene.html", **change})
    assert list(tmp_path.iterdir()) == []


def test_refuses_what_is_no_scene(tmp_path) -> None:
    with pytest.raises(TypeError, match=r"^scene: expected a Scene, got str"):
        c3d.export_html("scene.c3d", tmp_path / "scene.html")


@needs_browser
@pytest.mark.parametrize("blend", ["phase", "contrast", "linear"])
def test_the_browser_shows_what_the_renderer_renders(browser, example: Scene, tmp_path, blend) -> None:
    page_file = c3d.export_html(example, tmp_path / "scene.html", frames=FRAMES, blend=blend)
    rendered = list(c3d.render_frames(example, frames=FRAMES, blend=blend))
    with player_browser.opened(browser, page_file, size_of(example)) as page:
        player_browser.ready(page)
        for n in MOMENTS:
            shown = player_browser.shown_at(page, n)
            assert shown.uncovered == 0
            assert psnr(rendered[n].rgb_u8.numpy(), shown.rgb) >= 35
        again = player_browser.shown_at(page, MOMENTS[3] + FRAMES)
        assert np.array_equal(again.rgb, player_browser.shown_at(page, MOMENTS[3]).rgb)  # an exact period


@pytest.mark.skipif(player_firefox.missing() is not None, reason=str(player_firefox.missing()))
def test_firefox_shows_the_same(example: Scene, exported: Path, tmp_path) -> None:
    rendered = list(c3d.render_frames(example, frames=FRAMES))
    with player_firefox.opened(exported.as_uri(), tmp_path) as session:
        for n in MOMENTS[::3]:
            assert psnr(rendered[n].rgb_u8.numpy(), session.shown_at(n, size_of(example))) >= 35


@needs_browser
def test_what_sways_sways(browser, tmp_path) -> None:
    mask = np.zeros((170, 256), np.uint8)
    mask[20:120, 150:200] = 255
    scene = c3d.prepare(
        EXAMPLE / "stream_cascade.jpg",
        motion=[c3d.Sway(np.kron(mask, np.ones((5, 5)))[:852, :1280].astype(np.uint8))],
        depth="builtin",
        size=256,
    )
    page_file = c3d.export_html(scene, tmp_path / "scene.html", frames=FRAMES)
    rendered = list(c3d.render_frames(scene, frames=FRAMES))
    still = list(c3d.render_frames(scene, frames=FRAMES, camera="still"))
    assert psnr(still[0].rgb_u8.numpy(), still[3].rgb_u8.numpy()) < 45  # it does
    with player_browser.opened(browser, page_file, size_of(scene)) as page:
        player_browser.ready(page)
        for n in MOMENTS[::2]:
            shown = player_browser.shown_at(page, n)
            assert shown.uncovered == 0
            assert psnr(rendered[n].rgb_u8.numpy(), shown.rgb) >= 35


@needs_browser
def test_the_folder_plays_under_a_strict_policy(browser, example: Scene, in_folder: Path) -> None:
    script = """
        window.refused = [];
        addEventListener("securitypolicyviolation", (event) => refused.push(event.blockedURI), true);
    """
    with player_browser.opened(browser, in_folder, size_of(example), STRICT, script) as page:
        player_browser.ready(page)
        assert page.evaluate("() => refused") == []
        assert player_browser.shown_at(page, 0).rgb.std() > 10


@needs_browser
def test_a_sandboxed_frame_plays_it(browser, example: Scene, exported: Path, tmp_path) -> None:
    shutil.copy(exported, tmp_path / "scene.html")
    (tmp_path / "index.html").write_text('<iframe src="scene.html" sandbox="allow-scripts" width="256" height="170"></iframe>')
    with player_browser.opened(browser, tmp_path, size_of(example)) as page:
        frame = page.wait_for_selector("iframe").content_frame()
        frame.wait_for_selector("c3d-cinemagraph", state="attached")
        player_browser.ready(frame)
        frame.wait_for_function("() => document.querySelector('c3d-cinemagraph').frame > 0")


@needs_browser
def test_attributes_say_how_an_element_begins(browser, example: Scene, in_folder: Path, tmp_path) -> None:
    folder = shutil.copytree(in_folder, tmp_path / "scene")
    attributes = ("", 'camera="still"', 'amplitude="0.5"', 'autoplay="false" poster="poster.jpg" fit="cover"')
    elements = [f'<c3d-cinemagraph src="scene.c3dweb" {told} style="height: 60px"></c3d-cinemagraph>' for told in attributes]
    (folder / "index.html").write_text(f'<script type="module" src="c3d-cinemagraph.js"></script>{"".join(elements)}')
    with player_browser.opened(browser, folder, size_of(example)) as page:
        page.wait_for_function("() => document.querySelectorAll('c3d-cinemagraph[ready]').length === 4")
        plain, still, half, paused = page.evaluate(
            """() => [...document.querySelectorAll("c3d-cinemagraph")].map((element) => {
              const begun = { paused: element.paused, fit: element.fit };
              element.seek(3);
              const poster = element.shadowRoot.querySelector("img")?.src ?? "";
              return { ...begun, poster, x: element.camera.viewAt(3).pose[3] };
            })"""
        )
    assert plain["x"] != 0 and still["x"] == 0 and half["x"] == pytest.approx(plain["x"] / 2)
    assert [told["paused"] for told in (plain, still, half, paused)] == [False, False, False, True]
    assert paused["poster"].endswith("/poster.jpg") and (plain["poster"], plain["fit"], paused["fit"]) == (
        "",
        "contain",
        "cover",
    )


@needs_browser
def test_without_scripts_the_poster_is_seen(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example), java_script_enabled=False) as page:
        picture = page.locator("c3d-cinemagraph img")
        assert picture.is_visible() and picture.bounding_box()["width"] == size_of(example)[0]


@needs_browser
def test_without_webgl_the_poster_is_seen_and_an_error_is_heard(browser, example: Scene, in_folder: Path) -> None:
    with player_browser.opened(browser, in_folder, size_of(example)) as page:
        message = page.evaluate(
            """async () => {
              HTMLCanvasElement.prototype.getContext = () => null;
              const element = document.createElement("c3d-cinemagraph");
              const heard = new Promise((resolve) => element.addEventListener("error", (event) => resolve(event.message)));
              element.append(document.createElement("b"));
              element.setAttribute("src", "scene.c3dweb");
              document.body.replaceChildren(element);
              return await heard;
            }"""
        )
        assert message == "WebGL2: this browser has none"
        assert page.locator("c3d-cinemagraph b").evaluate("(b) => getComputedStyle(b).visibility") == "visible"


@needs_browser
def test_a_hand_moves_the_camera_and_it_glides_back(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example), reduced_motion="reduce") as page:
        player_browser.ready(page)
        camera = "document.querySelector('c3d-cinemagraph').camera"
        width, height = size_of(example)
        page.mouse.move(width / 2, height / 2)
        page.mouse.down()
        page.mouse.move(width / 4, height / 2, steps=3)
        page.wait_for_function(f"{camera}.hand[0] > 0.1")
        page.mouse.up()
        page.wait_for_function(f"{camera}.held < 0.01")
        page.locator("c3d-cinemagraph").focus()
        page.evaluate(f"addEventListener('keydown', () => (window.wanted = {camera}.wanted[0]))")  # then: it glides back
        page.keyboard.press("ArrowRight")
        assert page.evaluate("wanted > 0")
        assert page.evaluate("document.querySelector('c3d-cinemagraph').frame") == 0  # the photo rests


@needs_browser
def test_a_lost_context_comes_back(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example), reduced_motion="reduce") as page:
        player_browser.ready(page)
        before = player_browser.shown_at(page, 2).rgb
        page.evaluate(
            """async () => {
              const element = document.querySelector("c3d-cinemagraph");
              const loses = element.view.getContext("webgl2").getExtension("WEBGL_lose_context");
              const lost = new Promise((resolve) => {
                element.view.addEventListener("webglcontextlost", () => setTimeout(resolve));
              });
              loses.loseContext();
              await lost;
              loses.restoreContext();
            }"""
        )
        page.wait_for_function("document.querySelector('c3d-cinemagraph').renderer !== null")
        assert np.array_equal(player_browser.shown_at(page, 2).rgb, before)


@needs_browser
def test_nothing_is_drawn_that_nobody_sees(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example)) as page:
        player_browser.ready(page)
        element = "document.querySelector('c3d-cinemagraph')"
        page.evaluate("document.querySelector('c3d-cinemagraph').style.marginTop = '5000px'")
        page.wait_for_function(f"{element}.request === 0 && !{element}.onScreen")
        page.evaluate("document.querySelector('c3d-cinemagraph').style.marginTop = ''")
        page.wait_for_function(f"{element}.request !== 0")


@needs_browser
def test_the_loop_is_told_and_the_picture_fits(browser, example: Scene, exported: Path) -> None:
    width, height = size_of(example)
    with player_browser.opened(browser, exported, (2 * width, height)) as page:
        player_browser.ready(page)
        page.evaluate(
            "() => { window.loops = 0; document.querySelector('c3d-cinemagraph').addEventListener('loop', () => ++loops); }"
        )
        page.wait_for_function("loops > 0")
        contained = player_browser.shown_at(page, 0).rgb
        assert contained[:, : width // 2 - 1].max() == 0 and contained[:, width].std() > 0
        page.evaluate("document.querySelector('c3d-cinemagraph').setAttribute('fit', 'cover')")
        covered = player_browser.shown_at(page, 0).rgb
        assert (covered.max(axis=2) > 0).mean() > 0.95


@needs_browser
def test_the_canvas_has_the_screens_pixels(browser, example: Scene, exported: Path) -> None:
    width, height = size_of(example)
    with player_browser.opened(browser, exported, (width, height), device_scale_factor=2, reduced_motion="reduce") as page:
        player_browser.ready(page)
        shown = player_browser.shown_at(page, 0).rgb
    assert shown.shape == (2 * height, 2 * width, 3)
    assert psnr(photo_of(example), shown.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))) >= 30  # enlarged ...
    assert np.abs(np.diff(shown[:, ::2].astype(int), axis=0))[::2].mean() > 1  # ... and not by blocks


@needs_browser
def test_a_hidden_tab_is_not_drawn(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example)) as page:
        player_browser.ready(page)
        turn = """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
        page.evaluate(turn, True)
        page.wait_for_function("document.querySelector('c3d-cinemagraph').request === 0")
        page.evaluate(turn, False)
        page.wait_for_function("document.querySelector('c3d-cinemagraph').request !== 0")


@needs_browser
def test_who_prefers_stillness_sees_the_photo(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example), reduced_motion="reduce") as page:
        player_browser.ready(page)
        page.wait_for_function("document.querySelector('c3d-cinemagraph').request === 0")
        frame = page.evaluate("document.querySelector('c3d-cinemagraph').frame")
        shown = player_browser.shown_at(page, 5).rgb  # nor does a moment that was asked for move it
    assert frame == 0
    assert psnr(photo_of(example), shown) >= 38


@needs_browser
def test_a_tilted_device_moves_the_camera(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example)) as page:
        player_browser.ready(page)
        wanted = page.evaluate(
            """() => {
              for (const gamma of [0, 9])
                window.dispatchEvent(Object.assign(new Event("deviceorientation"), { beta: 40, gamma }));
              return document.querySelector("c3d-cinemagraph").camera.wanted;
            }"""
        )
        assert wanted[0] > 0.3 and abs(wanted[1]) < 0.05


@needs_browser
def test_keys_and_methods_play_and_pause(browser, example: Scene, exported: Path) -> None:
    with player_browser.opened(browser, exported, size_of(example)) as page:
        player_browser.ready(page)
        element = "document.querySelector('c3d-cinemagraph')"
        page.locator("c3d-cinemagraph").focus()
        page.keyboard.press("Space")
        assert page.evaluate(f"{element}.paused")
        page.keyboard.press("Space")
        page.wait_for_function(f"!{element}.paused && {element}.frame > 0")
        page.evaluate(f"{element}.pause()")
        assert page.evaluate(f"{element}.paused")


@needs_browser
def test_another_scene_takes_the_place_of_one(browser, example: Scene, exported: Path, in_folder: Path, tmp_path) -> None:
    other = c3d.export_html(example, tmp_path / "other", folder=True, frames=FRAMES, blend="linear")
    (tmp_path / "pages").mkdir()
    for path in in_folder.iterdir():
        (tmp_path / "pages" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pages" / "other.c3dweb").write_bytes((other / "scene.c3dweb").read_bytes())
    with player_browser.opened(browser, tmp_path / "pages", size_of(example)) as page:
        player_browser.ready(page)
        player_browser.shown_at(page, 6)
        kept = page.evaluate(
            """async () => {
              const element = document.querySelector("c3d-cinemagraph");
              const gl = element.renderer.gl;
              await element.setScene(await (await fetch("other.c3dweb")).arrayBuffer());
              return element.frame === 6 && element.paused && element.renderer.gl === gl;
            }"""
        )
        shown = player_browser.shown_at(page, 6).rgb
    assert kept
    rendered = list(c3d.render_frames(example, frames=FRAMES, blend="linear"))
    assert psnr(rendered[6].rgb_u8.numpy(), shown) >= 35


@needs_browser
def test_what_is_no_scene_is_told(browser, example: Scene, in_folder: Path) -> None:
    with player_browser.opened(browser, in_folder, size_of(example)) as page:
        player_browser.ready(page)
        message = page.evaluate(
            """async () => {
              const element = document.querySelector("c3d-cinemagraph");
              const heard = new Promise((resolve) => element.addEventListener("error", (event) => resolve(event.message)));
              element.setAttribute("src", "poster.jpg");
              return await heard;
            }"""
        )
        assert message == "src: expected a scene of c3drender's export, of this version, got another file"
        assert page.locator("c3d-cinemagraph img").evaluate("(img) => getComputedStyle(img).visibility") == "visible"
