"""Scenery: what the seven photos show, odd inputs, determinism, sharpness at edges."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from c3drender.data import Image
from c3drender.files.photo import read_photo
from c3drender.scenery.find import find_scenery

REPO = Path(__file__).resolve().parent.parent
PHOTOS = REPO.parent / "shared" / "photos"
MASKS = Path(__file__).parent / "data" / "masks"
MAPS = ("sky", "water", "rapids", "smoke")

needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not beside the repository (../shared/photos)")


def picture(rgb: np.ndarray) -> Image:
    return Image(torch.from_numpy(np.ascontiguousarray(rgb, dtype=np.float32)))


def seaside(height: int = 240, width: int = 320, horizon: int = 100) -> np.ndarray:
    """A smooth blue sky over a sea with level ripples."""
    rows = np.arange(height)[:, None, None] / height
    sky = np.float32((0.45, 0.65, 0.95)) + 0.3 * rows
    noise = np.random.default_rng(0).normal(0, 1, (height, width)).astype(np.float32)
    ripples = cv2.GaussianBlur(noise, (0, 0), sigmaX=9, sigmaY=0.8)[..., None]
    sea = np.float32((0.10, 0.25, 0.45)) + 0.25 * ripples
    below = np.arange(height)[:, None, None] >= horizon
    return np.clip(np.where(below, sea, sky), 0, 1)


ODD = {
    "tiny": lambda: np.full((1, 1, 3), 0.5),
    "thin": lambda: np.full((3, 200, 3), 0.5),
    "64 px": lambda: seaside(48, 64, 20),
    "grey": lambda: np.full((120, 160, 3), 0.5),
    "black": lambda: np.zeros((120, 160, 3)),
    "white": lambda: np.ones((120, 160, 3)),
    "noise": lambda: np.random.default_rng(1).random((150, 200, 3)),
    "upright": lambda: seaside(400, 100, 150),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_give_maps_in_range(name):
    rgb = ODD[name]()
    scenery = find_scenery(picture(rgb))
    for map_name in MAPS:
        values = getattr(scenery, map_name)
        assert values.shape == rgb.shape[:2]
        assert torch.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1
    assert np.isfinite(scenery.horizon_y)


def test_seaside_is_sky_over_water_with_a_sharp_border():
    horizon = 100
    scenery = find_scenery(picture(seaside(horizon=horizon)))
    sky, water = scenery.sky.numpy(), scenery.water.numpy()
    assert abs(scenery.horizon_y - horizon) <= 2
    assert (sky[: horizon - 2] > 0.5).mean() > 0.98
    assert (sky[horizon + 2 :] < 0.5).mean() > 0.98
    assert (water[horizon + 4 :] > 0.5).mean() > 0.8
    assert scenery.smoke.max() == 0


def ripples(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (height, width)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), sigmaX=9, sigmaY=0.8)[..., None]


def test_wet_sand_that_mirrors_the_sky_is_no_water():
    rgb = seaside()
    rgb[:100] = np.float32((0.62, 0.74, 0.88)) + 0.1 * np.arange(100)[:, None, None] / 100
    rgb[100:170] = np.clip(np.float32((0.08, 0.32, 0.42)) + 0.25 * ripples(70, 320, 2), 0, 1)
    sand = np.float32((0.42, 0.40, 0.52)) + 0.2 * ripples(70, 320, 3)
    rgb[170:] = np.clip(sand, 0, 1)
    water = find_scenery(picture(rgb)).water.numpy()
    assert (water[106:166] > 0.5).mean() > 0.8
    assert (water[174:] > 0.5).mean() < 0.05


def brook(height: int = 240, width: int = 320) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mottled grey-brown banks, between them a foaming fall as wide as a third of the picture, a boulder in it; and the masks
    of water and boulder."""
    rng = np.random.default_rng(5)
    mottled = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.5)[..., None]
    streaks = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), sigmaX=1, sigmaY=6)[..., None]
    rock = np.float32((0.36, 0.33, 0.29)) + 0.5 * mottled
    fall = np.float32((0.62, 0.69, 0.78)) + 0.5 * streaks
    rows, cols = np.indices((height, width))
    boulder = np.hypot(cols - 165, rows - 150) < 22
    water = (abs(cols - width / 2) < width / 6) & ~boulder
    return np.clip(np.where(water[..., None], fall, rock), 0, 1), water, boulder


def test_a_brook_flows_and_its_banks_and_boulder_do_not():
    rgb, water, boulder = brook()
    scenery = find_scenery(picture(rgb))
    found = torch.maximum(scenery.water, scenery.rapids).numpy() > 0.5
    assert found[water].mean() > 0.8
    assert found[~water].mean() < 0.05
    assert found[boulder].mean() < 0.3


def test_noise_and_grey_show_nothing_that_flows():
    for rgb in (ODD["noise"](), ODD["grey"](), ODD["black"]()):
        scenery = find_scenery(picture(rgb))
        assert max(float((getattr(scenery, name) > 0.5).float().mean()) for name in ("water", "rapids", "smoke")) < 0.02


def test_same_picture_same_maps():
    image = picture(seaside())
    first, second = find_scenery(image), find_scenery(image)
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in MAPS)
    assert first.horizon_y == second.horizon_y


@needs_photos
@pytest.mark.parametrize(
    ("photo", "maps", "least"),
    [
        ("sea_sunset", ("water",), 0.95),
        ("lake_boats", ("water", "sky"), 0.9),
        ("smoke", ("smoke",), 0.5),
        ("stream_cascade", ("water", "rapids"), 0.5),
    ],
)
def test_photo_against_the_mask_drawn_by_hand(photo, maps, least):
    scenery = find_scenery(read_photo(PHOTOS / f"{photo}.jpg"))
    found = torch.stack([getattr(scenery, name) for name in maps]).amax(0).numpy() > 0.5
    drawn = cv2.imread(str(MASKS / f"{photo}.png"), cv2.IMREAD_GRAYSCALE) > 127
    overlap = (found & drawn).sum() / (found | drawn).sum()
    assert overlap > least


@needs_photos
def test_mountains_have_sky_and_no_water():
    scenery = find_scenery(read_photo(PHOTOS / "peaks_cloud.jpg"))
    assert 0.2 < float((scenery.sky > 0.5).float().mean()) < 0.35
    assert float(scenery.water.mean() + scenery.rapids.mean() + scenery.smoke.mean()) < 0.01
