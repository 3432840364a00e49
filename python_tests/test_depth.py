"""Depth: both ways into `DepthMap`, the built-in estimate (order, edges, odd inputs), the path through transformers."""

import json
import sys

import numpy as np
import pytest
import torch
from test_scenery import ODD, PHOTOS, REPO, needs_photos, picture, seaside
from tiny_models import needs_transformers, saved_depth_anything

from c3drender.data import Image, Scenery
from c3drender.depth.estimate import FAR_DISP, depth_from_disparity, depth_from_metric, estimate_depth
from c3drender.scenery.find import find_scenery

sys.path.insert(0, str(REPO / "benchmarks"))
from depth_order import measure, share, total


def builtin(image: Image) -> torch.Tensor:
    depth, used = estimate_depth(image, find_scenery(image), method="builtin")
    assert "built-in" in used
    assert not depth.measured
    return depth.z_cam


def seaside_with_rock() -> tuple[np.ndarray, np.ndarray]:
    """A dark rock stands in the sea and before the horizon. Returns the picture and where the rock is."""
    rgb = seaside()
    rows, columns = np.indices(rgb.shape[:2])
    rock = (rows > 60) & (rows < 170) & (np.abs(columns - 200) < 35)
    grain = np.random.default_rng(2).normal(0, 0.03, rgb.shape)
    return np.where(rock[..., None], np.clip(np.float32((0.32, 0.22, 0.14)) + grain, 0, 1), rgb), rock


def test_disparity_of_any_range_becomes_depth():
    rel = torch.tensor([[-3.0, 1.0], [5.0, 1.0]])
    z = depth_from_disparity(rel).z_cam
    assert z[0, 0] == pytest.approx(1 / FAR_DISP)
    assert z[1, 0] == pytest.approx(1)
    assert 1 / z[0, 1] == pytest.approx(FAR_DISP + (1 - FAR_DISP) / 2)
    assert torch.equal(z, depth_from_disparity(rel * 7 + 2).z_cam)


def test_flat_disparity_is_a_plane():
    z = depth_from_disparity(torch.full((3, 4), 2.0)).z_cam
    assert (z == z[0, 0]).all()
    assert z[0, 0] > 0


def test_metres_stay_metres():
    depth = depth_from_metric(torch.tensor([[1.5, 30.0]], dtype=torch.float64))
    assert depth.measured
    assert depth.z_cam.tolist() == [[1.5, 30.0]]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("function", [depth_from_disparity, depth_from_metric])
def test_not_finite_is_refused(function, bad):
    with pytest.raises(ValueError, match=r"must be finite, got 1 NaN or infinite"):
        function(torch.tensor([[1.0, bad]]))


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_depth_behind_the_camera_is_refused(bad):
    with pytest.raises(ValueError, match=r"z must be > 0 everywhere, got 1"):
        depth_from_metric(torch.tensor([[1.0, bad]]))


@pytest.mark.parametrize("function", [depth_from_disparity, depth_from_metric])
def test_wrong_kind_or_shape_is_refused(function):
    with pytest.raises(TypeError, match=r"must be a torch.Tensor, got ndarray"):
        function(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"must be \[H, W\]"):
        function(torch.ones(1, 2, 2))
    with pytest.raises(ValueError, match=r"at least one pixel"):
        function(torch.ones(0, 2))


def test_scenery_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"scenery must be of the image's size \[4, 6\], got \[4, 5\]"):
        estimate_depth(picture(np.zeros((4, 6, 3))), Scenery(*torch.zeros(4, 4, 5), horizon_y=1.0))


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_give_finite_depth(name):
    rgb = ODD[name]()
    z = builtin(picture(rgb))
    assert z.shape == rgb.shape[:2]
    assert torch.isfinite(z).all()
    assert (z > 0).all()


def test_sky_is_farthest_and_the_sea_comes_nearer_downwards():
    z = builtin(picture(seaside(horizon=100))).numpy()
    assert z[:97].min() > z[104:].max()
    middle = z[110:, 160]
    assert (np.diff(middle) <= 1e-6).all()
    # Disparity is a plane: linear in the row.
    disp = 1 / middle[:-10]
    assert np.abs(disp - np.linspace(disp[0], disp[-1], len(disp))).max() < 0.03


def test_rock_stands_on_its_foot_and_ends_on_its_edge():
    rgb, rock = seaside_with_rock()
    disp = 1 / builtin(picture(rgb)).numpy()
    beside_left = disp[:, 150]
    on_rock = disp[:, 200]
    assert (on_rock[70:150] > beside_left[70:150] + 0.03).all()
    assert np.ptp(on_rock[75:155]) < 0.6 * np.ptp(disp[75:155, 150])
    row = disp[115]
    for edge in (166, 235):
        jump = np.argmax(np.abs(np.diff(row[edge - 8 : edge + 8])))
        assert abs(edge - 8 + jump - edge) <= 2
    assert np.abs(np.diff(row[172:228])).max() < 0.02
    assert rock[115, 200]


def test_same_picture_same_depth():
    image = picture(seaside_with_rock()[0])
    assert torch.equal(builtin(image), builtin(image))


@needs_photos
def test_order_of_labelled_pairs():
    score = total(measure(PHOTOS))
    assert share(score, "easy", "builtin") >= 0.92
    assert share(score, "hard", "builtin") >= 0.75


def test_method_of_a_wrong_type_is_refused():
    image = picture(np.zeros((4, 5, 3)))
    with pytest.raises(TypeError, match=r"method must be auto, builtin or a depth model, got int"):
        estimate_depth(image, Scenery(*torch.zeros(4, 4, 5), horizon_y=1.0), method=3)


def test_unknown_model_is_one_line():
    image = picture(seaside(48, 64, 20))
    with pytest.raises(ValueError, match=r"depth: .*no/such/folder") as error:
        estimate_depth(image, find_scenery(image), method="no/such/folder")
    assert "\n" not in str(error.value)


def test_auto_without_an_installed_model_is_the_builtin():
    image = picture(seaside(48, 64, 20))
    scenery = find_scenery(image)
    depth, used = estimate_depth(image, scenery)
    assert "built-in" in used
    assert "\n" not in used
    assert torch.equal(depth.z_cam, estimate_depth(image, scenery, method="builtin")[0].z_cam)


@needs_transformers
@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_learned_model_from_a_folder(tmp_path, kind):
    folder = saved_depth_anything(tmp_path / "model", kind)
    image = picture(seaside(60, 90, 25))
    depth, used = estimate_depth(image, find_scenery(image), method=str(folder))
    assert str(folder) in used
    assert not depth.measured
    assert depth.z_cam.shape == (60, 90)
    assert torch.isfinite(depth.z_cam).all()
    assert (depth.z_cam > 0).all()
    if kind == "relative":
        assert depth.z_cam.min() == pytest.approx(1)
        assert depth.z_cam.max() == pytest.approx(1 / FAR_DISP, rel=1e-4)
    else:
        assert depth.z_cam.max() <= 20


@needs_transformers
def test_a_model_that_is_no_depth_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    image = picture(seaside(48, 64, 20))
    with pytest.raises(ValueError, match=r"depth: cannot load model .*expected an architecture") as error:
        estimate_depth(image, find_scenery(image), method=str(tmp_path))
    assert "\n" not in str(error.value)
