"""A photo and a frame live where the scene lives: what crosses between the host and a device is counted on a device that is
none (`far_device`), in a process of its own, which it is registered in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import c3drender as c3d
from c3drender.data import Fluid, Ripple
from c3drender.ops.device import pick_device
from c3drender.pixels import crossing
from c3drender.pixels.boxes import bounds_of
from c3drender.pixels.crossing import _indices_there, indices
from c3drender.pixels.windows import _box_means_there, box_means

EXAMPLE = Path(c3d.__file__).parent / "example"
HERE = Path(__file__).resolve().parent
MOST_OF_A_PHOTO = 10  # in `animate`
MOST_OF_LAYERS, MOST_OF_A_LAYER = 16, 8  # in `prepare`: the fields that are sent, the canvas; holes and filling of two kinds
MOST_OF_A_LENS = 3  # of its frames but the first: the radii of the blur are counted and read, the grain is sent
LEVELS_APART = 1  # of 255: sums over windows are added in another order


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With layers, a fluid in some of them, and a ripple."""
    path = tmp_path_factory.mktemp("scenes") / "scene.c3d"
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:150] = 255
    still = np.zeros((120, 160), np.uint8)
    still[95:] = 255
    motion = [Fluid(mask, [((60, 40), (100, 70))]), Ripple(still)]
    photo = PIL.Image.open(EXAMPLE / "stream_cascade.jpg").resize((160, 120))
    return c3d.prepare(photo, motion=motion, depth="builtin").save(path)


def counted(scene: Path, blend: str, frames: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "far_device.py"), str(scene), blend, str(frames)]
    path = os.pathsep.join([str(Path(c3d.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert run.returncode == 0, run.stderr[-2000:]
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    print(json.dumps(found, indent=1))
    return found


@pytest.mark.parametrize(("blend", "frames"), [("phase", 60), ("contrast", 7), ("linear", 5)])
def test_what_a_photo_and_its_frames_cross(scene: Path, blend: str, frames: int) -> None:
    found = counted(scene, blend, frames)
    assert sum(found["path"].values()) == 1  # how far the camera goes
    assert 1 < sum(found["animated"].values()) + 1 <= MOST_OF_A_PHOTO
    assert len(found["drawn"]) == frames and not any(found["drawn"])
    assert all(0 < sum(crossed.values()) <= MOST_OF_A_LENS for crossed in found["through_lens"][1:])
    assert not any(found["captured"]) and found["same"] and found["ops"] > 0
    assert max(found["apart"]) <= LEVELS_APART
    assert found["same_layers"] and found["layers"] > 1
    assert 0 < sum(found["prepared"].values()) <= MOST_OF_LAYERS + MOST_OF_A_LAYER * found["layers"]


@pytest.mark.parametrize("size", [1, 4, 5, 9, 30])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 40, 3), (33, 18, 4)])
def test_windows_are_those_of_opencv(size: int, shape: tuple[int, int, int]) -> None:
    plane = torch.rand(shape, generator=torch.Generator().manual_seed(size))
    torch.testing.assert_close(_box_means_there(plane, size), box_means(plane, size))


def test_indices_without_counting() -> None:
    mask = torch.rand(50, generator=torch.Generator().manual_seed(0)) > 0.6
    assert torch.equal(_indices_there(mask, int(mask.sum())), indices(mask, int(mask.sum())))
    assert _indices_there(mask & False, 0).shape == (0,)


def test_boxes() -> None:
    where = torch.zeros(6, 9, dtype=torch.bool)
    assert bounds_of(where, 0) == (0, 0, 1, 1)
    where[2:4, 5] = True
    assert bounds_of(where, 0) == (5, 2, 6, 4) and bounds_of(where, 3) == (2, 0, 9, 6)


def test_pictures_on_the_host_leave_as_they_are() -> None:
    pictures = [torch.full((2, 3, 3), k, dtype=torch.uint8) for k in range(4)]
    arrays = list(crossing.leaving([*pictures, pictures[0].numpy()]))
    assert [int(array[0, 0, 0]) for array in arrays] == [0, 1, 2, 3, 0]
    assert arrays[1].base is not None and np.shares_memory(arrays[1], pictures[1].numpy())


class Picture:
    """What `leaving` sees of a picture on CUDA."""

    is_cuda, device = True, "cuda:0"

    def __init__(self, number: int) -> None:
        self.number = number


def test_pictures_leave_a_gpu_while_the_next_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def on_its_way(picture: Picture, stream: object) -> Callable[[], np.ndarray]:
        assert stream == "a stream of cuda:0"
        said.append(f"begins {picture.number}")
        return lambda: said.append(f"arrives {picture.number}") or np.array(picture.number)

    monkeypatch.setattr(crossing, "_on_its_way", on_its_way)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: f"a stream of {device}")
    assert [int(array) for array in crossing.leaving(Picture(k) for k in range(4))] == [0, 1, 2, 3]  # type: ignore[misc]
    assert said == [
        f"{what} {k}"
        for what, k in zip(["begins"] * 3 + ["arrives", "begins"] + 3 * ["arrives"], (0, 1, 2, 0, 3, 1, 2, 3), strict=True)
    ]


@pytest.mark.skipif(pick_device("auto").type != "cuda", reason="no CUDA device")
def test_pictures_leave_a_gpu_whole() -> None:
    pictures = [torch.randint(0, 256, (720, 1280, 3), dtype=torch.uint8) for _ in range(7)]
    drawn = (picture.cuda() + 1 for picture in pictures)  # whose memory the next one may get
    for array, picture in zip(crossing.leaving(drawn), pictures, strict=True):
        assert np.array_equal(array, (picture + 1).numpy())
