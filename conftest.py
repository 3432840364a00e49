"""What the examples in docstrings find: a folder of their own with a small photo, its mask, and a scene made of both."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

WIDTH, HEIGHT, SHORE = 64, 48, 30
collect_ignore = [] if find_spec("fastapi") else ["c3drender/studio"]  # the extra of that name


def _photo() -> np.ndarray:
    """Sky, and water from row `SHORE` on: uint8 ``[H, W, 3]``."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = 12 * np.sin(columns / 3 + rows) * (rows >= SHORE)
    colours = np.where((rows >= SHORE)[..., None], (60, 90, 120), (170, 190, 220))
    return (colours + waves[..., None]).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def example_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import c3drender as c3d

    folder = tmp_path_factory.mktemp("examples")
    PIL.Image.fromarray(_photo()).save(folder / "photo.jpg")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[SHORE:] = 255
    PIL.Image.fromarray(mask).save(folder / "mask.png")
    scene = c3d.prepare(folder / "photo.jpg", mask=folder / "mask.png", depth="builtin", device="cpu")
    c3d.save_scene(scene, folder / "scene.c3d")
    return folder


@pytest.fixture(autouse=True)
def _examples_run_beside_them(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("example_files"))
