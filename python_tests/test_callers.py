"""What callers may rely on: NumPy's numbers count as numbers, a scene can be kept, and their random numbers stay theirs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import c3drender as c3d
from c3drender.camera import check_amplitude, check_ease
from c3drender.files import resize
from c3drender.networks.training import MotionConfig
from c3drender.networks.training.team import joined
from c3drender.networks.training.trainer import MotionStage, Trainer
from c3drender.scenery.cut import grab_cut

SIZE = np.int64(48)


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    water = np.zeros((36, 48), bool)
    water[20:] = True
    return water


@pytest.fixture(scope="module")
def photo(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], (0.2, 0.3, 0.5), (0.7, 0.8, 0.9)).astype(np.float32)


@pytest.fixture(scope="module")
def scene(photo: np.ndarray, mask: np.ndarray) -> c3d.Scene:
    motion = [c3d.Fluid(mask), c3d.Sway(~mask, strength=np.float32(0.5))]
    focus = (np.float32(20), np.int32(10))
    amplitude = np.float64(0.5)
    return c3d.prepare(photo, motion=motion, depth="builtin", size=SIZE, focus=focus, amplitude=amplitude)


def test_numbers_of_numpy_are_numbers(scene: c3d.Scene, tmp_path: Path) -> None:
    wanted = {"amplitude": (np.float32(0.5), np.int64(1), 0.0), "ease": np.float16(0.5)}
    same = {"amplitude": (0.5, 1, 0.0), "ease": 0.5}
    got = list(c3d.render_frames(scene, frames=np.int64(3), speed=np.float32(1.0), **wanted))
    expected = list(c3d.render_frames(scene, frames=3, speed=1.0, **same))
    assert len(got) == 3 and all(torch.equal(a.rgb_u8, b.rgb_u8) for a, b in zip(got, expected, strict=True))
    frames = [frame.rgb_u8 for frame in got]
    assert c3d.files.write_video(tmp_path / "out.gif", frames, fps=np.float32(12.5)).exists()
    assert check_amplitude(np.array([0.5, 1.0, 2.0])) == (0.5, 1.0, 2.0)
    assert resize.fit_size(36, 48, np.array([96, 72])) == (72, 96)


@pytest.mark.parametrize("value", [True, np.bool_(True), "1", np.nan])
def test_what_is_no_number_is_refused(value: object, photo: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="amplitude: expected"):
        check_amplitude(value)
    with pytest.raises(ValueError, match="ease: expected"):
        check_ease(value)
    with pytest.raises(ValueError, match="sway: expected a strength"):
        c3d.prepare(photo, motion=[c3d.Sway(mask, strength=value)], depth="builtin")


def test_a_scene_saves_and_moves_itself(scene: c3d.Scene, tmp_path: Path) -> None:
    path = scene.save(tmp_path / "kept.c3d")
    again = c3d.load_scene(path).to("cpu")
    assert again.span == scene.span and again.camera.width == scene.camera.width
    assert torch.equal(again.layers.rgb, scene.layers.rgb)
    moved = again.to("meta")
    assert moved.layers.rgb.device.type == moved.harmonics.sine_px.device.type == "meta"


def test_the_citation_is_of_this_version() -> None:
    citation = (Path(__file__).parent.parent / "CITATION.cff").read_text()
    assert f"\nversion: {c3d.__version__}\n" in citation


def opencv_numbers() -> np.ndarray:
    return cv2.randu(np.zeros(4, np.float64), 0, 1)


def test_the_callers_random_numbers_stay_theirs(photo: np.ndarray, mask: np.ndarray, tmp_path: Path) -> None:
    def used() -> None:
        c3d.prepare(photo, depth="builtin")
        grab_cut(photo, mask, np.zeros_like(mask), np.zeros_like(mask))
        with joined("cpu") as team:
            Trainer(MotionStage, MotionConfig(out=str(tmp_path / "run"), channels=4, discriminator_channels=4), team).close()

    def drawn(between) -> list[np.ndarray]:
        torch.manual_seed(7)
        np.random.seed(7)  # noqa: NPY002 (the global source is what is looked at)
        cv2.setRNGSeed(7)
        between()
        return [torch.rand(4).numpy(), np.random.rand(4), opencv_numbers()]  # noqa: NPY002

    for after, alone in zip(drawn(used), drawn(lambda: None), strict=True):
        np.testing.assert_array_equal(after, alone)


def test_grab_cut_does_not_depend_on_the_callers_random_numbers(photo: np.ndarray, mask: np.ndarray) -> None:
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 0.2, photo.shape), 0, 1).astype(np.float32)
    nothing = np.zeros_like(mask)
    cuts = []
    for seed in (1, 2, 3):
        cv2.setRNGSeed(seed)
        cuts.append(grab_cut(noisy, mask, nothing, nothing))
    assert all(np.array_equal(cuts[0], cut) for cut in cuts)
