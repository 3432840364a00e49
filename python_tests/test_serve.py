"""`c3drender serve`, with a stand-in for the processes that render, and once with a real one."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("fastapi", reason="needs FastAPI: pip install c3drender[serve]")
pytest.importorskip("swagger_ui_bundle", reason="needs its assets: pip install c3drender[serve]")

from fastapi.testclient import TestClient

import c3drender as c3d
from c3drender import cli
from c3drender.jobs.child import ChildDied, JobFailed, JobStopped, JobTimedOut
from c3drender.jobs.run import Job
from c3drender.serve import command, desk
from c3drender.serve.app import create_app
from c3drender.serve.limits import Limits

PATIENCE_S = 60


def photo(width: int = 64, height: int = 48) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(data, "PNG")
    return data.getvalue()


class StandIn:
    """A `Child` that does what the option ``speed`` says: 2 fails, 3 dies once, 4 dies, 5 is late, 9 waits to be stopped."""

    gate = threading.Event()
    jobs: ClassVar[list[Job]] = []

    def __init__(self, threads: int) -> None:
        self.deaths = 0

    def run(self, job: Job, watcher: Any, stop: threading.Event, limit_s: float) -> tuple[str, ...]:
        self.jobs.append(job)
        speed = job.options.get("speed", 1)
        watcher.step("render", 1, 2)
        watcher.note("depth: guessed")
        if speed == 2:
            raise JobFailed("photo: expected a better one")
        if speed == 4 or (speed == 3 and not self.deaths):
            self.deaths += 1
            raise ChildDied("the process that rendered it died (signal SIGKILL, out of memory?)")
        if speed == 5:
            raise JobTimedOut(f"time: expected at most {limit_s:g} s, took longer")
        while speed == 9 and not self.gate.is_set():
            if stop.wait(0.01):
                raise JobStopped("stopped")
        Path(job.out).write_bytes(b"a video")
        return ()

    def close(self) -> None:
        return


@pytest.fixture
def client_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TestClient]]:
    """``f(**limits)``: a client of a running service."""
    monkeypatch.setattr(desk, "Child", StandIn)
    StandIn.gate.clear()
    StandIn.jobs.clear()
    running: list[TestClient] = []

    def start(**limits: Any) -> TestClient:
        folder = tmp_path / "jobs"
        folder.mkdir(exist_ok=True)
        client = TestClient(create_app(folder, Limits(**limits), hosts=["testserver"]))
        running.append(client.__enter__())
        return running[-1]

    yield start
    for client in running:
        client.__exit__(None, None, None)


def post(client: TestClient, files: dict[str, Any] | None = None, **fields: Any) -> Any:
    given = {"photo": ("a.png", photo())} if files is None else files
    return client.post("/jobs", files=given, data=fields)


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        told = client.get(f"/jobs/{job_id}").json()
        if told["state"] in desk.ENDED:
            return told
        time.sleep(0.01)
    raise AssertionError(told)


def test_a_photo_becomes_a_video(client_of, tmp_path: Path) -> None:
    client = client_of()
    arrows = [[[1, 2], [3, 4]]]
    files = {"photo": ("../../a.PNG", photo()), "mask": ("m.png", photo()), "depth": ("d.weird suffix", b"x")}
    answer = post(client, files, options=json.dumps({"frames": 8, "hints": arrows}), camera="swing", format="gif")
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    told = ended(client, job_id)
    assert (told["state"], told["stage"], told["done"], told["total"]) == ("done", "render", 1, 2)
    assert told["notes"] == ["depth: guessed"]
    video = client.get(f"/jobs/{job_id}/result")
    assert (video.content, video.headers["content-type"]) == (b"a video", "image/gif")
    (job,) = StandIn.jobs
    folder = tmp_path / "jobs" / job_id
    expected = {
        "frames": 8,
        "hints": arrows,
        "camera": "swing",
        "mask": str(folder / "mask.png"),
        "depth": str(folder / "depth"),
    }
    assert job == Job(str(folder / "photo.png"), str(folder / "out.gif"), expected)
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert client.get(f"/jobs/{job_id}").status_code == 404 and not folder.exists()


@pytest.mark.parametrize(
    ("files", "fields", "line"),
    [
        ({"picture": ("a.png", photo())}, {}, "photo: expected a file in the part of this name, got none"),
        ({"photo": ("a.png", b"none")}, {}, "photo: expected a picture"),
        ({"photo": ("a.png", photo()), "passwd": ("b", b"")}, {}, "passwd: expected files named photo, mask"),
        (None, {"frames": "x"}, "frames: expected a whole number, got 'x'"),
        (None, {"frames": "601"}, "frames: expected at most 600, got 601"),
        (None, {"colour": "p3"}, "colour: expected an option"),
        (None, {"options": "[1]"}, "options: expected a JSON object, got [1]"),
        (None, {"options": "{"}, "options: expected a JSON object"),
        (None, {"format": "png"}, "format: expected one of mp4"),
        (None, {"mask": "/etc/passwd"}, "mask: expected a file in the part of this name"),
        (None, {"depth": "/etc/passwd"}, "depth: expected auto, builtin, photo, a file, got '/etc/passwd'"),
        (None, {"camera": "/etc/x.json"}, "camera: expected a file in the part of this name"),
        (None, {"inpainter": "lama.pt"}, "inpainter: expected no model, as none is installed"),
        (None, {"model": "ckpts"}, "model: expected to be left to the server"),
        (None, {"device": "cuda"}, "device: expected to be left to the server"),
        (None, {"hints": "/etc/passwd"}, "hints: expected a file in the part of this name"),
        ({"photo": ("a.png", photo(640, 480))}, {}, "photo: expected at most 0.1 Mpx, got 640 x 480"),
        (None, {"size": "2000"}, "size: expected frames of at most 0.1 Mpx, got 2000 x 1500"),
    ],
)
def test_what_may_not_be_is_refused_in_a_line(client_of, tmp_path: Path, files: Any, fields: Any, line: str) -> None:
    client = client_of(pixels=100_000)
    answer = post(client, files, **fields)
    assert (answer.status_code, answer.json()["detail"][: len(line)]) == (422, line)
    assert not list((tmp_path / "jobs").iterdir()) and not StandIn.jobs


def test_a_full_queue_says_so_and_empties(client_of) -> None:
    client = client_of(queue=2)
    running = post(client, speed=9).json()["id"]
    while client.get(f"/jobs/{running}").json()["state"] != "running":
        time.sleep(0.01)
    waiting = [post(client).json()["id"] for _ in range(2)]
    full = post(client)
    assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
    assert client.delete(f"/jobs/{waiting[0]}").status_code == 204
    assert client.get(f"/jobs/{waiting[0]}").json()["state"] == "cancelled"
    third = post(client)
    assert third.status_code == 202
    assert client.get("/health").json()["jobs"] == {"queued": 2, "running": 1, "done": 0, "failed": 0, "cancelled": 1}
    StandIn.gate.set()
    assert [ended(client, job_id)["state"] for job_id in (running, waiting[1], third.json()["id"])] == ["done"] * 3
    told = client.get("/metrics").text
    assert 'c3drender_jobs_total{state="done"} 3.0' in told and 'c3drender_refused_total{status="429"} 1.0' in told


def test_a_body_that_is_too_large_is_not_read_to_its_end(client_of, tmp_path: Path) -> None:
    client = client_of(body_bytes=10_000)
    assert post(client, {"photo": ("a.png", bytes(20_000))}).status_code == 413

    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        for _ in range(1000):
            yield bytes(1000)

    answer = client.post("/jobs", content=endless(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413
    assert not list((tmp_path / "jobs").iterdir())
    assert post(client).status_code == 202  # the places of the refused are free


@pytest.mark.parametrize(
    ("speed", "state", "reason"),
    [
        (2, "failed", "photo: expected a better one"),
        (3, "done", ""),
        (4, "failed", "the process that rendered it died (signal SIGKILL, out of memory?)"),
        (5, "failed", "time: expected at most 7 s, took longer"),
    ],
)
def test_how_jobs_end(client_of, tmp_path: Path, speed: int, state: str, reason: str) -> None:
    client = client_of(seconds=7.0)
    job_id = post(client, speed=speed).json()["id"]
    told = ended(client, job_id)
    assert (told["state"], told["reason"]) == (state, reason)
    assert told["notes"] == ([] if speed == 4 else ["depth: guessed"])  # of the last try
    assert client.get(f"/jobs/{job_id}/result").status_code == (200 if state == "done" else 409)
    assert (tmp_path / "jobs" / job_id).exists() == (state == "done")


def test_a_running_job_is_cancelled(client_of) -> None:
    client = client_of()
    job_id = post(client, speed=9).json()["id"]
    while client.get(f"/jobs/{job_id}").json()["state"] != "running":
        time.sleep(0.01)
    client.delete(f"/jobs/{job_id}")
    assert ended(client, job_id)["state"] == "cancelled"


def test_events_are_told_until_the_end(client_of) -> None:
    client = client_of()
    job_id = post(client).json()["id"]
    with client.stream("GET", f"/jobs/{job_id}/events") as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[-1]["state"] == "done" and told[-1]["id"] == job_id
    assert client.get("/jobs/none/events").status_code == 404


def test_results_go_when_their_time_is_over(client_of, tmp_path: Path) -> None:
    client = client_of(keep_s=0.0)
    old = post(client).json()["id"]
    ended(client, old)
    time.sleep(0.01)
    new = post(client).json()["id"]
    assert client.get(f"/jobs/{old}").status_code == 404 and not (tmp_path / "jobs" / old).exists()
    ended(client, new)


def test_the_oldest_go_when_there_are_too_many(client_of) -> None:
    client = client_of(kept=1)
    ids = []
    for _ in range(4):
        ids.append(post(client).json()["id"])
        ended(client, ids[-1])
    assert [client.get(f"/jobs/{job_id}").status_code for job_id in ids] == [404, 404, 200, 200]


def test_pages_of_other_sites_change_nothing(client_of) -> None:
    client = client_of()
    elsewhere = {"origin": "https://example.org"}
    assert client.post("/jobs", files={"photo": photo()}, headers=elsewhere).status_code == 403
    assert client.get("/health", headers={"host": "example.org"}).status_code == 400
    job_id = post(client).json()["id"]
    assert client.delete(f"/jobs/{job_id}", headers=elsewhere).status_code == 403
    assert client.delete(f"/jobs/{job_id}", headers={"origin": "http://testserver"}).status_code == 204


def test_the_interface_is_described_without_the_network(client_of) -> None:
    client = client_of()
    page = client.get("/docs").text
    assert "https://" not in page
    assert client.get("/assets/swagger-ui-bundle.js").status_code == 200
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/events",
        "/jobs/{job_id}/result",
        "/health",
        "/metrics",
    }
    form = described["paths"]["/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"photo", "mask", "options", "format"} <= set(form)


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)])
def test_loopback_is_known(host: str, local: bool) -> None:
    assert command.is_loopback(host) == local


def test_bad_limits_and_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    assert cli.main(["serve", "--queue", "0"]) == 2
    assert "queue: expected more than 0, got 0" in capsys.readouterr().err
    monkeypatch.setattr(command, "NEEDS", ("no_such_package",))
    assert cli.main(["serve"]) == 2
    assert "expected no_such_package to be installed: pip install c3drender[serve]" in capsys.readouterr().err


def test_a_real_service_renders_and_ends(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["serve", "--port", str(port), "--folder", str(tmp_path), "--threads", "1", "--quiet"]
    server = subprocess.Popen([sys.executable, "-m", "c3drender", *arguments], cwd=Path(c3d.__file__).parents[1])
    address = f"http://127.0.0.1:{port}"

    def ask(path: str, data: bytes | None = None, **headers: str) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=PATIENCE_S) as answer:
            return answer.read()

    try:
        end = time.monotonic() + 5 * PATIENCE_S
        while True:
            try:
                ask("/health")
                break
            except OSError:
                assert time.monotonic() < end and server.poll() is None
                time.sleep(0.2)
        parts = {'name="frames"': b"2", 'name="depth"': b"builtin", 'name="photo"; filename="a.png"': photo()}
        body = b"".join(
            f"--b\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + value + b"\r\n"
            for name, value in parts.items()
        )
        posted = ask("/jobs", body + b"--b--\r\n", **{"Content-Type": "multipart/form-data; boundary=b"})
        job_id = json.loads(posted)["id"]
        events = ask(f"/jobs/{job_id}/events").decode()
        assert '"state": "done"' in events.splitlines()[-2] or '"state":"done"' in events
        assert ask(f"/jobs/{job_id}/result")[4:8] == b"ftyp"
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
    assert not list(tmp_path.iterdir())
