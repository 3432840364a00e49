"""`c3drender.batch.Renderer` as a line in a real pipeline of Ray Data, whose actors render."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import c3drender as c3d

ray = pytest.importorskip("ray", reason="needs Ray: pip install c3drender[batch]")
pytest.importorskip("pyarrow", reason="needs Ray Data: pip install 'ray[data]'")
pytest.importorskip("pandas", reason="needs Ray Data: pip install 'ray[data]'")
data = pytest.importorskip("ray.data")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two CPUs of Ray."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(c3d.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))))
    ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_pipeline_renders_its_rows(tmp_path: Path, cluster: None) -> None:
    """Columns of numbers, of lists and of nothing; a row that cannot be is a row that says so."""
    for n in range(3):
        PIL.Image.fromarray(np.full((48, 64, 3), 60 * n, np.uint8)).save(tmp_path / f"{n}.png")
    given = [
        {"photo": str(tmp_path / "0.png"), "out": "first.gif", "frames": 2, "hints": None},
        {"photo": str(tmp_path / "1.png"), "out": None, "frames": 3, "hints": [[[40.0, 30.0], [20.0, 30.0]]]},
        {"photo": str(tmp_path / "2.png"), "out": None, "frames": 0, "hints": None},
        {"photo": str(tmp_path / "gone.png"), "out": None, "frames": 2, "hints": None},
    ]
    videos = tmp_path / "videos"
    told = (
        data.from_items(given)
        .map_batches(
            c3d.batch.Renderer,
            fn_constructor_kwargs={"out": str(videos), "suffix": "gif", "depth": "builtin"},
            batch_size=2,
            concurrency=(1, 2),
            num_cpus=1,
            num_gpus=0,
        )
        .take_all()
    )
    by_name = {Path(row["photo"]).name: row for row in told}
    assert {name: row["state"] for name, row in by_name.items()} == {
        "0.png": "done",
        "1.png": "done",
        "2.png": "failed",
        "gone.png": "failed",
    }
    assert by_name["2.png"]["reason"].startswith("frames: ") and by_name["gone.png"]["reason"].startswith(
        "photo: cannot read "
    )
    frames = {}
    for path in videos.glob("*.gif"):
        with PIL.Image.open(path) as made:
            frames[path.name] = made.n_frames
    assert frames == {"first.gif": 2, "1.gif": 3}
