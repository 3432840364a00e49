"""The studio without a browser: the document, what it comes to, the project's folder, the server and who may talk to it."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import c3drender as c3d
from c3drender import defaults

pytest.importorskip("fastapi", reason="needs the extra studio")
pytest.importorskip("httpx2", reason="needs httpx2")

import httpx2 as httpx
from fastapi.testclient import TestClient

from c3drender.cli import main
from c3drender.files.scene import Scene
from c3drender.files.video import write_video
from c3drender.pipeline.render import periods
from c3drender.studio import desk, project, region
from c3drender.studio import edits as of
from c3drender.studio.drawn import Sheet, area, correct_depth, draw_motion, drawn_nothing, stroke
from c3drender.studio.guard import Guard, is_loopback
from c3drender.studio.labelme import from_labelme, to_labelme
from c3drender.studio.processes import LOST, Process
from c3drender.studio.server import make_app
from c3drender.studio.stages import Stages
from c3drender.studio.worker import Worker

EXAMPLE = Path(c3d.__file__).parent / "example" / "stream_cascade.jpg"
WIDTH, HEIGHT = 96, 64
HOST = "127.0.0.1:8765"
HEADERS = {"Host": HOST, "X-C3D-Studio": "1"}
SHEET = Sheet(HEIGHT, WIDTH, (1.0, 1.0))
PAINTED: list[dict[str, Any]] = [
    {"do": "region", "region": "water", "kind": "flows", "speed": 1.5},
    {"do": "stroke", "region": "water", "points": [(20, 30), (70, 50)], "radius_px": 14},
    {"do": "arrow", "arrow": "a", "start": (30, 34), "end": (60, 46)},
]


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    small = tmp_path / "small.png"
    PIL.Image.open(EXAMPLE).resize((WIDTH, HEIGHT)).save(small)
    return small.read_bytes()


@pytest.fixture
def made(tmp_path: Path, photo: bytes) -> Path:
    return project.create(tmp_path / "projects", "stream.png", photo)


def with_steps(folder: Path, *steps: list[dict[str, Any]]) -> of.Document:
    document = project.load(folder)
    for step in steps:
        document = document.done(of.read_step(step))
    project.save(folder, document)
    return document


def stages_of(folder: Path, document: of.Document) -> Stages:
    return Stages(folder / document.photo.file, document.photo, None)


def assert_same(one: Scene, other: Scene) -> None:
    for name, value in vars(one.layers).items():
        same = getattr(other.layers, name)
        assert torch.equal(value, same) if isinstance(value, torch.Tensor) else value == same, name
    assert one.span == other.span


# The document


def test_undo_and_redo_go_through_every_step(made: Path) -> None:
    document = with_steps(made, PAINTED, [{"do": "settings", "camera": "swing"}])
    assert document.settings.camera == "swing" and len(document.edits()) == 4
    back = document.undo().undo()
    assert back.edits() == () and back.revision == 4
    again = back.redo().redo()
    assert again.steps == document.steps
    assert back.redo().done(of.read_step(PAINTED)).undone == ()
    with pytest.raises(ValueError, match=r"^undo: expected something"):
        back.undo()
    with pytest.raises(ValueError, match=r"^redo: expected something"):
        document.redo()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ([], "edits: "),
        ([{"do": "burn"}], "edits: 0: "),
        ([{"do": "stroke", "region": "../x", "points": [(1, 1)], "radius_px": 3}], "edits: 0.stroke.region"),
        ([{"do": "stroke", "region": "a", "points": [(1, float("nan"))], "radius_px": 3}], "edits: 0.stroke.points"),
        ([{"do": "stroke", "region": "a", "points": [(1, 1)], "radius_px": 3, "colour": 1}], "edits: 0.stroke.colour"),
        ([{"do": "settings", "camera": "spin"}], "edits: 0.settings: Value error, camera: expected one of"),
        ([{"do": "settings", "frames": 7}], "edits: 0.settings.frames"),
    ],
)
def test_bad_edits_are_refused_in_one_line(step: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        of.read_step(step)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


# What edits come to


def test_a_brush_covers_its_way_softly() -> None:
    cover = stroke(of.Stroke(region="a", points=((20, 32), (70, 32)), radius_px=10, feather=0.5), SHEET)
    assert cover[32, 20:70].min() == 1 and cover[:20].max() == 0 and cover[32, 85:].max() == 0
    across = cover[32:44, 45]
    assert (np.diff(across) <= 0).all() and 0 < across[7] < 1


def test_a_brush_from_outside_reaches_in() -> None:
    cover = stroke(of.Stroke(region="a", points=((-8, 32),), radius_px=10, feather=0), SHEET)
    assert cover[32, 0] > 0 and cover.sum() < 60
    assert stroke(of.Stroke(region="a", points=((-80, 32),), radius_px=10), SHEET).max() == 0


def test_outlines_have_holes() -> None:
    square = ((10.0, 10.0), (50.0, 10.0), (50.0, 50.0), (10.0, 50.0))
    hole = ((20.0, 20.0), (40.0, 20.0), (40.0, 40.0), (20.0, 40.0))
    inside = area((square, hole), SHEET)
    assert inside[15, 15] == 1 and inside[30, 30] == 0 and inside[5, 5] == 0
    soft = area((square,), SHEET, feather_px=4)
    assert 0.3 < soft[30, 10] < 0.7 and soft[30, 30] == 1


def test_who_paints_over_a_region_takes_from_it() -> None:
    drawn = draw_motion(
        drawn_nothing(SHEET),
        of.read_step(
            [
                {"do": "stroke", "region": "found", "points": [(48, 32)], "radius_px": 20, "feather": 0},
                {"do": "region", "region": "tree", "kind": "sways"},
                {"do": "stroke", "region": "tree", "points": [(58, 32)], "radius_px": 10, "feather": 0},
            ]
        ),
        SHEET,
    )
    assert list(drawn.parts) == ["found", "tree"]
    assert drawn.parts["tree"].matte[32, 58] == 1 and drawn.parts["found"].matte[32, 58] == 0
    assert drawn.parts["found"].matte[32, 40] == 1


def test_depth_is_corrected_within_its_range() -> None:
    disp = np.tile(np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None], (1, WIDTH))
    square = ((10, 10), (30, 10), (30, 30), (10, 30))
    nearer = correct_depth(
        disp, of.read_step([{"do": "depth-stroke", "points": [(48, 32)], "radius_px": 10, "by": 0.2}]), SHEET
    )
    assert nearer[32, 48] == pytest.approx(disp[32, 48] + 0.2, abs=1e-5) and nearer[5, 5] == disp[5, 5]
    before = correct_depth(disp, of.read_step([{"do": "nearer", "outlines": [square], "than": (60, 50)}]), SHEET)
    assert np.median(before[11:29, 11:29]) > disp[50, 60]
    upright = correct_depth(disp, of.read_step([{"do": "surface", "outlines": [square], "shape": "upright"}]), SHEET)
    assert np.ptp(upright[11:29, 11:29]) == 0 and upright[12, 12] == pytest.approx(disp[28, 12], abs=0.05)
    bumpy = disp.copy()
    bumpy[18:22, 18:22] += 0.3
    plane = correct_depth(bumpy, of.read_step([{"do": "surface", "outlines": [square], "shape": "plane"}]), SHEET)
    assert np.abs(plane - disp)[11:29, 11:29].max() < 0.03


def test_nothing_drawn_is_what_prepare_makes(made: Path, photo: bytes) -> None:
    document = project.load(made)
    assert_same(stages_of(made, document).scene(document), c3d.prepare(photo, amplitude=defaults.AMPLITUDE))


def test_what_is_painted_moves_and_its_speed_counts(made: Path) -> None:
    document = with_steps(made, [{"do": "drop-region", "region": "found"}, *PAINTED])
    stages = stages_of(made, document)
    moved = stages.moved(document)
    moving = moved.flow.moving.numpy()
    assert moving[34, 30] and not moving[:8].any()
    faster = document.done(of.read_step([{"do": "region", "region": "water", "kind": "flows", "speed": 3.0}]))
    assert torch.allclose(stages.moved(faster).flow.step_px, 2 * moved.flow.step_px, atol=1e-4)


def test_still_holds_and_sway_and_ripple_swing(made: Path) -> None:
    step = [
        *PAINTED,
        {"do": "region", "region": "rock", "kind": "still"},
        {"do": "stroke", "region": "rock", "points": [(45, 40)], "radius_px": 8, "feather": 0},
        {"do": "region", "region": "tree", "kind": "sways"},
        {"do": "stroke", "region": "tree", "points": [(85, 20)], "radius_px": 9, "feather": 0},
    ]
    document = with_steps(made, step)
    moved = stages_of(made, document).moved(document)
    assert not moved.flow.moving[40, 45] and moved.harmonics is not None
    assert float(moved.harmonics.sine_px[:, 14:20, 80:90].abs().max()) > 0
    assert any(note.startswith("sway:") for note in moved.notes)


def test_only_what_changed_is_computed(made: Path) -> None:
    document = with_steps(made, PAINTED)
    stages = stages_of(made, document)
    stages.packed(document, preview=True)
    stages.times_s.clear()
    stages.packed(document, preview=True)
    assert stages.times_s == {}
    looked = document.done(of.read_step([{"do": "settings", "speed": 2.0}]))
    stages.packed(looked, preview=True)
    assert set(stages.times_s) == {"animate", "pack"}
    stages.times_s.clear()
    deeper = document.done(of.read_step([{"do": "depth-stroke", "points": [(20, 20)], "radius_px": 9, "by": 0.1}]))
    stages.packed(deeper, preview=True)
    assert "photo" not in stages.times_s and "masks" not in stages.times_s and "depth" in stages.times_s


def test_strokes_after_strokes_are_those_from_the_start(made: Path) -> None:
    document = with_steps(made, PAINTED)
    stages = stages_of(made, document)
    stages.drawn(document)
    more = document.done(of.read_step([{"do": "stroke", "region": "water", "points": [(50, 20)], "radius_px": 6}]))
    goes_on, anew = stages.drawn(more), stages_of(made, more).drawn(more)
    for name, part in anew.parts.items():
        assert np.array_equal(part.matte, goes_on.parts[name].matte)
    assert np.array_equal(
        stages.drawn(document).parts["water"].matte, stages_of(made, document).drawn(document).parts["water"].matte
    )


def test_what_is_drawn_one_by_one_is_what_is_drawn_at_once(made: Path) -> None:
    """Also after the last region was removed, which the page counts as none, too."""
    stages, document = stages_of(made, project.load(made)), project.load(made)
    for step in ([{"do": "drop-region", "region": "found"}], PAINTED):
        document = document.done(of.read_step(step))
        by_steps = stages.drawn(document)
    at_once = stages_of(made, document).drawn(document)
    assert list(by_steps.parts) == list(at_once.parts) == ["water"]
    nothing = project.load(made).done(of.read_step([{"do": "drop-region", "region": "found"}]))
    assert stages.drawn(nothing).parts == {} and not stages.moved(nothing).flow.moving.any()


def test_a_click_takes_what_looks_alike(made: Path) -> None:
    document = project.load(made)
    seen = stages_of(made, document).seen()
    rgb = torch.zeros(HEIGHT, WIDTH, 3)
    rgb[16:48, 24:72] = torch.tensor([0.8, 0.3, 0.2])
    flat = type(seen.depth)(torch.ones(HEIGHT, WIDTH))
    pieces = region.cut(type(seen.inputs.image)(rgb), flat, seen.shown.scenery)
    outlines = region.region_at(pieces, (48, 32), 0.15, SHEET)
    inside = area(tuple(tuple(way) for way in outlines), SHEET)
    wanted = np.zeros((HEIGHT, WIDTH))
    wanted[16:48, 24:72] = 1
    assert (inside * wanted).sum() / np.maximum(inside, wanted).sum() > 0.85


def test_labelme_out_and_in_again(made: Path, tmp_path: Path) -> None:
    document = with_steps(made, [{"do": "drop-region", "region": "found"}, *PAINTED])
    stages = stages_of(made, document)
    drawn = stages.drawn(document)
    annotation = to_labelme(document, drawn, stages.sheet)
    assert {shape["label"] for shape in annotation["shapes"]} == {"motion", "hint"}
    again = project.load(made).done(from_labelme(annotation, document.photo))
    back = stages_of(made, again).drawn(again)
    mask, given = back.joined("flows") > 0.5, drawn.joined("flows") > 0.5
    assert (mask & given).sum() / (mask | given).sum() > 0.95
    assert np.allclose(next(iter(back.arrows.values())), [(30, 34), (60, 46)])
    (tmp_path / "a.json").write_text(json.dumps(annotation))
    hints = c3d.files.read_hints(tmp_path / "a.json", HEIGHT, WIDTH)  # what the command line reads
    assert hints.mask is not None and (hints.mask.numpy() & given).sum() / given.sum() > 0.9
    with pytest.raises(ValueError, match=r"^labelme: expected an annotation"):
        from_labelme({}, document.photo)


# The project


def test_what_was_drawn_is_there_again(made: Path) -> None:
    document = with_steps(made, PAINTED)
    assert project.load(made) == document
    assert sorted(path.name for path in made.iterdir()) == ["photo.png", "project.json"]


def test_another_photo_is_noticed(made: Path) -> None:
    PIL.Image.new("RGB", (WIDTH, HEIGHT)).save(made / "photo.png")
    with pytest.raises(ValueError, match=r"^project: expected the photo that was drawn on"):
        project.load(made)


def test_an_old_scene_is_made_anew(made: Path) -> None:
    document = with_steps(made, PAINTED)
    first = project.scene_of(made, document)
    assert_same(project.scene_of(made, document), first)  # from the disk
    later = with_steps(made, [{"do": "depth-stroke", "points": [(20, 20)], "radius_px": 19, "by": 0.3}])
    assert_same(project.scene_of(made, later), stages_of(made, later).scene(later))


def test_the_command_line_renders_the_same_bits(made: Path, tmp_path: Path) -> None:
    document = with_steps(made, PAINTED, [{"do": "settings", "camera": "swing", "frames": 8, "fps": 12.0, "speed": 1.2}])
    scene = stages_of(made, document).scene(document)
    loop, _ = periods(8)
    frames = c3d.animate(scene, frames=loop, speed=1.2).render("swing")
    write_video(tmp_path / "studio.webp", (frame.rgb_u8 for frame in frames), 12.0)
    assert main(["render", str(made), "-o", str(tmp_path / "cli.webp"), "--quiet"]) == 0
    assert (tmp_path / "cli.webp").read_bytes() == (tmp_path / "studio.webp").read_bytes()
    same = ["--camera", "swing", "--frames", "8", "--fps", "12", "--speed", "1.2"]
    assert main(["render", str(made / "scene.c3d"), "-o", str(tmp_path / "file.webp"), "--quiet", *same]) == 0
    assert (tmp_path / "file.webp").read_bytes() == (tmp_path / "studio.webp").read_bytes()
    assert main(["render", str(made), "-o", str(tmp_path / "other.webp"), "--quiet", "--camera", "circle"]) == 0
    assert (tmp_path / "other.webp").read_bytes() != (tmp_path / "studio.webp").read_bytes()  # what is given counts


def test_what_is_prepared_takes_no_options_of_preparing(made: Path, tmp_path: Path, capsys) -> None:
    assert main(["render", str(made), "-o", str(tmp_path / "a.mp4"), "--depth", "builtin"]) == 2
    assert "depth: expected a photo to prepare with it" in capsys.readouterr().err
    assert main(["render", str(tmp_path), "-o", str(tmp_path / "a.mp4")]) == 2
    assert "photo: expected one photo, got the folder" in capsys.readouterr().err


# The server


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    root = tmp_path / "projects"
    root.mkdir(exist_ok=True)
    with TestClient(
        make_app(root, frozenset({HOST}), most_bytes=200_000), base_url=f"http://{HOST}", headers=HEADERS
    ) as client:
        yield client


def uploaded(client: TestClient, photo: bytes, name: str = "stream.png") -> str:
    answer = client.post("/api/projects", params={"name": name}, content=photo)
    assert answer.status_code == 200, answer.text
    return answer.json()["name"]


def test_a_photo_becomes_a_project(client: TestClient, photo: bytes) -> None:
    name = uploaded(client, photo, "My stream, 2.png")
    assert name == "My-stream-2" and client.get("/api/projects").json()["projects"] == [name]
    told = client.get(f"/api/projects/{name}").json()
    assert told["photo"]["width"] == WIDTH and told["revision"] == 0
    assert client.get(f"/api/projects/{name}/photo.jpg").headers["content-type"] == "image/jpeg"
    assert uploaded(client, photo, "My stream, 2.png") == "My-stream-2-2"


def test_the_page_and_the_player_are_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/studio/main.js", "/studio/studio.css", "/player/c3d-cinemagraph.js", "/player/shaders.js"):
        assert client.get(path).status_code == 200, path
    for path in ("/studio/..%2f..%2fcli.py", "/player/nothing.js"):
        assert client.get(path).status_code == 404, path


def test_changes_count_and_two_pages_notice_each_other(client: TestClient, photo: bytes, tmp_path: Path) -> None:
    name = uploaded(client, photo)
    path = f"/api/projects/{name}"
    assert client.post(f"{path}/steps", json={"base": 0, "step": PAINTED}).json() == {"revision": 1}
    refused = client.post(f"{path}/steps", json={"base": 0, "step": PAINTED})
    assert refused.status_code == 409 and "another page has changed the project" in refused.json()["message"]
    assert len(project.load(tmp_path / "projects" / name).steps) == 1  # on the disk, and once
    assert client.post(f"{path}/undo", json={"base": 1}).json() == {"revision": 2}
    assert client.post(f"{path}/undo", json={"base": 2}).status_code == 400
    assert client.post(f"{path}/redo", json={"base": 2}).json() == {"revision": 3}
    bad = client.post(f"{path}/steps", json={"base": 3, "step": [{"do": "burn"}]})
    assert bad.status_code == 400 and bad.json()["message"].startswith("edits: ")


def test_a_click_and_labelme_by_the_server(client: TestClient, photo: bytes) -> None:
    path = f"/api/projects/{uploaded(client, photo)}"
    outlines = client.post(f"{path}/pick", json={"point": [48, 40], "reach": 0.3}).json()["outlines"]
    assert outlines and all(len(way) >= 3 for way in outlines)
    shape = {"label": "motion", "points": [[5, 5], [60, 5], [60, 50]], "shape_type": "polygon"}
    annotation = {"shapes": [shape], "imageHeight": HEIGHT, "imageWidth": WIDTH}
    assert client.post(f"{path}/labelme", params={"base": 0}, content=json.dumps(annotation)).json() == {"revision": 1}
    refused = client.post(f"{path}/labelme", params={"base": 1}, content=b"{")
    assert refused.status_code == 400 and refused.json()["message"].startswith("labelme: expected JSON")


def wait_for(client: TestClient, path: str, number: int) -> dict[str, Any]:
    for _ in range(6000):
        jobs = client.app.state.studio.desks[path.rsplit("/", 1)[1]].jobs  # type: ignore[attr-defined]
        if jobs[number].state != "runs":
            return jobs[number].told()
        time.sleep(0.1)
        client.get("/api/projects")  # the server's loop goes on
    raise AssertionError("an export that does not end")


def test_an_export_by_the_server(client: TestClient, photo: bytes) -> None:
    path = f"/api/projects/{uploaded(client, photo)}"
    job = client.post(f"{path}/exports", json={"kind": "glb", "size": 64}).json()
    ended = wait_for(client, path, job["number"])
    assert ended["state"] == "done", ended
    file = client.get(f"{path}/exports/{job['number']}")
    assert file.content.startswith(b"glTF") and len(file.content) == ended["bytes"]
    assert file.headers["content-disposition"].endswith('stream.glb"')
    assert client.post(f"{path}/exports", json={"kind": "exe"}).status_code == 400
    refused = client.post(f"{path}/exports", json={"kind": "gif", "options": {"crf": 20}})
    assert refused.status_code == 400 and refused.json()["message"].startswith("crf: expected one of fps, max_mb")
    told = client.post(f"{path}/estimate", json={"kind": "mp4", "size": 64, "options": {"stereo": "sbs"}}).json()
    assert (told["width"], told["frames"], told["plays"]) == (128, 120, 4.8) and told["seconds"] > 0
    assert client.get(f"{path}/exports/99").status_code == 404


def test_sound_is_sent_before_it_is_asked_for(client: TestClient, photo: bytes, tmp_path: Path) -> None:
    path = f"/api/projects/{uploaded(client, photo)}"
    with wave.open(str(tmp_path / "hum.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(3200))
    sent = client.post(f"{path}/files", content=(tmp_path / "hum.wav").read_bytes()).json()["audio"]
    kept = tmp_path / "projects" / "stream" / ".work"
    assert (kept / sent).is_file() and not list(kept.glob(".sent-*"))
    refused = client.post(f"{path}/files", content=photo)
    assert refused.status_code == 400 and refused.json()["message"].startswith("audio: expected a file with sound")
    assert client.post(f"{path}/files", content=b"x" * 200_001).status_code == 413


def test_an_export_is_cancelled(client: TestClient, photo: bytes) -> None:
    path = f"/api/projects/{uploaded(client, photo)}"
    client.post(f"{path}/steps", json={"base": 0, "step": [{"do": "settings", "frames": 600}]})
    job = client.post(f"{path}/exports", json={"kind": "gif"}).json()
    assert client.delete(f"{path}/exports/{job['number']}").json()["state"] == "cancelled"
    assert client.get(f"{path}/exports/{job['number']}").status_code == 404


def test_what_somebody_waits_for_comes_first() -> None:
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    answers = []
    worker = Worker(requests, lambda request, event, **told: answers.append((request["id"], event)))
    for n, (do, place) in enumerate(
        [("export", "a"), ("loop", "a"), ("loop", "b"), ("preview", "c"), ("preview", "a"), ("preview", "a"), ("pick", "b")]
    ):
        requests.put({"id": n, "do": do, "project": place})
    worker._take(block=True)
    assert [request["id"] for request in worker.waiting] == [6, 3, 5, 2, 0]
    assert answers == [(1, "superseded"), (4, "superseded")]


def test_the_loop_waits_until_a_page_shows_the_draft(made: Path, monkeypatch) -> None:
    monkeypatch.setattr(desk, "LOOP_AFTER_S", 0.01)
    monkeypatch.setattr(desk, "KEEP_AFTER_S", 0.01)
    asked: list[tuple[str, Callable[[dict[str, Any]], None]]] = []

    class Asked(Process):
        async def ask(self, request: dict[str, Any], heard: Callable[[dict[str, Any]], None]) -> None:
            asked.append((request["do"], heard))

    async def follow() -> None:
        async def answer(event: str, do: str) -> None:
            """To what was asked last; ``do`` is asked then."""
            asked[-1][1]({"event": event})
            count = len(asked)
            while len(asked) == count:
                await asyncio.sleep(0.001)
            assert asked[-1][0] == do

        own = desk.Desk(made, project.load(made), Asked(), Asked())
        queue = own.join()
        await asyncio.sleep(0)
        assert [do for do, _ in asked] == ["preview"]
        await answer("done", "loop")  # though no page says that it plays
        await answer("superseded", "loop")  # another project's preview came between
        monkeypatch.setattr(desk, "LOOP_AFTER_S", 600.0)
        asked[-1][1]({"event": "superseded"})
        own.plays(own.document.revision + 1)
        assert own.draft_waits
        own.plays(own.document.revision)
        await asyncio.sleep(0)
        assert [do for do, _ in asked] == ["preview", "loop", "loop", "loop"]
        await answer("done", "keep")
        later = own.join()
        assert [later.get_nowait()["event"] for _ in range(later.qsize())] == ["document", "done", "done"]
        assert [queue.get_nowait()["event"] for _ in range(queue.qsize())] == ["document", "done", "done"]

    asyncio.run(follow())


def test_a_lost_process_takes_nothing_with_it() -> None:
    async def lose() -> tuple[dict[str, Any], dict[str, Any]]:
        process = Process()
        waiting = asyncio.create_task(process.result({"do": "pick"}))
        while process.process is None or not process.asked:
            await asyncio.sleep(0.01)
        process.process.kill()
        first = await waiting
        second = await process.result({"do": "pick", "document": {}, "project": ""})
        await process.stop()
        return first, second

    first, second = asyncio.run(lose())
    assert first == {"event": "failed", "message": LOST}
    assert second["event"] == "failed" and second["message"].startswith("project: ")  # another one answers


# Who may talk to it


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("GET", "/", {"Host": "evil.example"}, 403),
        ("GET", "/", {"Origin": "http://evil.example"}, 403),
        ("GET", "/", {"Origin": "null"}, 403),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/", {"Origin": f"http://{HOST}"}, 200),
        ("POST", "/api/projects", {"X-C3D-Studio": ""}, 403),
        ("GET", "/api/projects/..%2f..", {}, 404),
        ("GET", "/api/projects/nothing", {}, 404),
        ("GET", "/api/projects/nothing/shown/preview.c3dweb", {}, 404),
    ],
)
def test_only_its_own_page_is_answered(
    client: TestClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert client.request(method, path, headers=headers).status_code == status


def test_uploads_are_limited(client: TestClient, tmp_path: Path) -> None:
    assert client.post("/api/projects", content=b"x" * 200_001).status_code == 413
    broken = client.post("/api/projects", content=b"no picture")
    assert broken.status_code == 400 and broken.json()["message"].startswith("photo: ")
    PIL.Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    bomb = client.post("/api/projects", content=(tmp_path / "bomb.png").read_bytes())
    assert bomb.status_code == 400 and "pixels" in bomb.json()["message"]
    assert list((tmp_path / "projects").iterdir()) == []


def test_nothing_outside_the_folder_is_a_project(client: TestClient, photo: bytes, tmp_path: Path) -> None:
    outside = project.create(tmp_path / "elsewhere", "secret.png", photo)
    (tmp_path / "projects" / "link").symlink_to(outside)
    assert client.get("/api/projects/link").status_code == 404
    name = uploaded(client, photo)
    assert client.get(f"/api/projects/{name}/shown/..%2fproject.json").status_code == 404
    assert client.get(f"/api/projects/{name}/shown/project.json").status_code == 404


def test_from_elsewhere_the_token_is_asked_for(tmp_path: Path) -> None:
    app = make_app(tmp_path, None, "secret")
    with TestClient(app, base_url="http://10.0.0.1:8765", follow_redirects=False) as other:
        assert other.get("/").status_code == 401
        assert other.get("/", params={"token": "secre"}).status_code == 401
        entered = other.get("/", params={"token": "secret"})
        assert entered.status_code == 303 and "HttpOnly" in entered.headers["set-cookie"]
        assert other.get("/").status_code == 200
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost") and not is_loopback("0.0.0.0")
    assert Guard.__doc__


# The whole, killed


def start(folder: Path, *more: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "c3drender", "studio", "--folder", str(folder), "--no-browser", *more],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1].split("#")[0].rstrip("/")


def test_killed_it_loses_nothing(tmp_path: Path, photo: bytes) -> None:
    (tmp_path / "stream.png").write_bytes(photo)
    server, address = start(tmp_path / "projects", str(tmp_path / "stream.png"))
    with httpx.Client(base_url=address, headers={"X-C3D-Studio": "1"}, timeout=60) as page:
        assert page.post("/api/projects/stream/steps", json={"base": 0, "step": PAINTED}).json() == {"revision": 1}
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    server, address = start(tmp_path / "projects", str(tmp_path / "stream.png"))
    try:
        told = httpx.get(f"{address}/api/projects/stream").json()
        assert told["revision"] == 1 and [edit["do"] for edit in told["edits"]] == ["region", "painted", "arrow"]
        assert httpx.get(f"{address}/api/projects").json()["projects"] == ["stream"]  # opened again, not made twice
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(30) in (0, 130, -signal.SIGINT)
