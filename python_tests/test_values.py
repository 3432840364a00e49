"""What a caller's own values meet: numbers of NumPy count as numbers, == of dataclasses never raises, random sources stay."""

from __future__ import annotations

import importlib
import pkgutil
import random
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

import c3drender
from c3drender import camera as cameras
from c3drender import data, files, motion, ops
from c3drender.data import DepthSpan, Fluid, Layers, Sway
from c3drender.files import resize, video
from c3drender.files.scene import Scene
from c3drender.pipeline.inputs import check_motion

H, W = 48, 64
HOLDS_ARRAYS = ("Tensor", "ndarray", "Array", "Any")


def photo() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(0.5 + 4 * cv2.GaussianBlur(rng.normal(size=(H, W, 3)), (0, 0), 4), 0, 1).astype(np.float32)


def scene() -> Scene:
    lhw = (1, H, W)
    still = torch.zeros(lhw, dtype=torch.bool)
    layers = Layers.from_planes(torch.zeros(*lhw, 3), torch.ones(lhw), torch.ones(lhw), ~still, torch.zeros(*lhw, 2), still, 0)
    return Scene(data.Camera.for_photo(W, H), layers, DepthSpan(1.0, 0.5, 0.7))


def test_numpy_numbers_are_numbers() -> None:
    assert resize.fit_size(48, 64, np.int64(32)) == resize.fit_size(48, 64, (np.int32(32), 24)) == (24, 32)
    assert cameras.check_amplitude(np.float32(0.5)) == (0.5, 0.5, 0.5)
    assert cameras.check_amplitude((np.int64(1), 2, np.float64(0.5))) == (1.0, 2.0, 0.5)
    cameras.check_ease(np.float32(0.5))
    check_motion(np.int64(2), np.float32(1))


@pytest.mark.parametrize("bad", [True, np.True_, "1", None, 1j])
def test_what_only_looks_like_a_number_is_none(bad) -> None:
    for refuse in (
        lambda: resize.fit_size(48, 64, bad or "0"),
        lambda: cameras.check_amplitude(bad),
        lambda: cameras.check_ease(bad),
        lambda: check_motion(bad, 1.0),
        lambda: check_motion(2, bad),
        lambda: video.check_output("out.mp4", bad),
    ):
        with pytest.raises((TypeError, ValueError), match=r"^(size|amplitude|ease|frames|speed|fps): expected"):
            refuse()


@pytest.mark.parametrize("fps", [np.float32(12.5), np.int64(25), Fraction(30000, 1001)])
def test_a_video_of_numpy_numbers(tmp_path, fps) -> None:
    numbers = {"frames": np.int64(2), "size": np.int64(64), "amplitude": np.float32(1), "ease": np.float32(0)}
    out = tmp_path / "out.mp4"
    c3drender.render_cinemagraph(photo(), out, fps=fps, speed=np.float64(1), depth="builtin", progress=False, **numbers)
    assert out.stat().st_size > 0


def packages() -> list:
    names = [f"{p.__name__}.{m.name}" for p in (data, ops, files, motion) for m in pkgutil.iter_modules(p.__path__)]
    return list(map(importlib.import_module, names))


def test_dataclasses_that_hold_arrays_compare_as_what_they_are() -> None:
    found = 0
    for module in packages():
        for kind in vars(module).values():
            if not (isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module.__name__):
                continue
            held = [f for f in fields(kind) if any(word in str(f.type) for word in HOLDS_ARRAYS)]
            found += bool(held)
            assert not held or kind.__eq__ is object.__eq__, kind
    assert found >= 20


def test_equality_never_raises() -> None:
    one, mask = scene(), np.zeros((4, 4), bool)
    assert one == one and one != replace(one) and one.layers == one.layers and one.layers != scene().layers
    assert Sway(mask) != Sway(mask) and Fluid(mask) != Fluid(mask)
    assert one in [scene(), one] and len({one, one.layers}) == 2


def test_preparing_leaves_every_random_source_alone() -> None:
    def drawn() -> list[object]:
        noise = np.zeros(4, np.float32)
        cv2.randu(noise, 0, 1)
        return [torch.rand(4).tolist(), np.random.rand(4).tolist(), random.random(), noise.tolist()]  # noqa: NPY002

    def seed() -> None:
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        cv2.setRNGSeed(5)

    seed()
    expected = drawn()
    seed()
    picture = photo()
    picture[: H // 3] = (0.4, 0.6, 0.95)  # a sky, for GrabCut to cut
    c3drender.prepare(picture, camera="still", depth="builtin")
    assert drawn() == expected
