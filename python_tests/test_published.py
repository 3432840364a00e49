"""The released pipeline as a preset: every stage against what the authors' code made of the same input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from golden_networks import golden_state
from torch import Tensor

from c3drender import ops
from c3drender.cli import main
from c3drender.networks import Decoder, FeatureExtractor, MotionNetwork, PublishedModels, RenderModel
from c3drender.networks.inpainters import ColourInpainter, DepthInpainter
from c3drender.networks.published import bins, depth, filters, frame, layers, motion, points
from c3drender.pipeline.published import render_published

Golden = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def fixture(golden: Golden) -> Callable[[str], dict[str, Tensor]]:
    """The arrays of a fixture as tensors."""

    def load(name: str) -> dict[str, Tensor]:
        return {key: torch.from_numpy(np.asarray(v)) for key, v in golden(name).items() if v.dtype.kind in "fiub"}

    return load


def _close(actual: Tensor, expected: Tensor, atol: float) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def _depth(disp_u16: np.ndarray) -> Tensor:
    return torch.from_numpy((1.0 / np.maximum(disp_u16 / 65535, 1e-6)).astype(np.float32))


@pytest.mark.parametrize("name", ["steps", "ramp", "blobs"])
def test_depth_bins(golden: Golden, name: str) -> None:
    case = golden("depth_bins")
    z_cam = _depth(case[f"{name}_disp_u16"])
    edges = bins.depth_bins(z_cam)
    np.testing.assert_allclose(edges.numpy(), case[f"{name}_bins"], rtol=1e-5)
    counts = [int(((z_cam >= near) & (z_cam < far)).sum()) for near, far in pairwise(edges)]
    assert counts == case[f"{name}_layer_counts"].tolist()


def test_a_flat_depth_is_one_layer() -> None:
    edges = bins.depth_bins(torch.full((60, 80), 2.0))
    assert len(edges) == 2
    assert edges[0] < 2.0 < edges[1]


@pytest.mark.parametrize("size", [5, 11])
def test_masked_median(fixture: Callable, size: int) -> None:
    case = fixture("depth_bins")
    x, mask = case["x"][0], case["mask"][0].expand(2, -1, -1)
    everywhere = torch.ones_like(x, dtype=torch.bool)
    _close(filters.masked_median(x, mask, size, everywhere), case[f"masked_median_blur_k{size}"][0], 0)
    some = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.1
    _close(filters.masked_median(x, mask, size, some), case[f"masked_median_blur_k{size}"][0] * some, 0)


@pytest.mark.parametrize(
    ("name", "mask", "size", "iterations"),
    [
        ("masked_smooth_k9", "mask", 9, 1),
        ("masked_smooth_k15", "mask", 15, 1),
        ("masked_smooth_soft_k9", "soft_mask", 9, 1),
        ("masked_diffuse_k15_i7", "mask", 15, 7),
    ],
)
def test_diffusion(fixture: Callable, name: str, mask: str, size: int, iterations: int) -> None:
    case = fixture("depth_bins")
    value, weight = filters.diffuse(case["x"][0], case[mask][0], size, iterations)
    _close(value, case[f"{name}_out"][0], 5e-5)
    _close(weight, case[f"{name}_mask"][0], 5e-5)


def test_morphology_and_blurs(fixture: Callable) -> None:
    case = fixture("depth_bins")
    for size in (3, 5, 10, 11):
        _close(filters.erode(case["mask"][0], size), case[f"erosion_k{size}"][0], 0)
    _close(filters.opened(case["mask"][0]), case["opening_k3"][0], 0)
    _close(filters.opened(case["soft_mask"][0]), case["opening_k3_soft"][0], 0)
    _close(filters.smooth(case["x"][0]), case["gaussian_blur_3_1p5"][0], 5e-5)
    for box in (filters.box, filters.box_convolved):
        _close(box(case["x"][0], 15), case["box_blur_15_constant"][0], 5e-5)
    for size in (5, 11):
        _close(filters.refine_depth(case["depth"][0], case["mask"][0], size), case[f"refine_k{size}"][0], 5e-5)


@pytest.mark.parametrize("n", range(4))
def test_the_box_that_is_inpainted(fixture: Callable, n: int) -> None:
    case = fixture("depth_bins")
    inside = layers.inpainting_box(case[f"bbox{n}_alpha"][0].float(), int(case[f"bbox{n}_border"]))
    assert torch.equal(inside > 0, case[f"bbox{n}_out"][0])


def test_layers(fixture: Callable) -> None:
    case = fixture("layers")
    recorded = iter([(name, n) for n in (1, 2) for name in ("depth", "rgb")])

    def inpaint(known: Tensor, edge: Tensor, context: Tensor, hole: Tensor) -> Tensor:
        name, n = next(recorded)
        assert torch.equal(hole > 0, case[f"layer{n}_holes"])
        assert torch.equal(context > 0, case[f"layer{n}_context"])
        assert not edge.any()
        if name == "depth":
            _close(known, case[f"layer{n}_zero_mean_depth"], 1e-5)
        return case[f"layer{n}_net_{name}"]

    z_cam = _depth(case["disp_u16"].numpy())
    built = layers.build_layers(case["rgb"][0], z_cam, case["bins"].float(), inpaint, inpaint)
    _close(built.rgba, case["rgba_layers"][:, 0], 1e-5)
    _close(built.z_cam, case["depth_layers"][:, 0, 0], 1e-5)
    assert torch.equal(built.visible > 0, case["mask_layers"][:, 0, 0])
    _close(layers.limited_depth(built.z_cam), case["depth_layers_scaled"][:, 0, 0], 1e-5)


def test_flow_from_motion(fixture: Callable) -> None:
    case = fixture("flow_post")
    flow = motion.flow_from_motion(case["pred_motion"][0], case["mask"], (int(case["h"]), int(case["w"])))
    _close(flow, case["flow"][0], 1e-5)


@pytest.mark.parametrize("demo", [0, 1])
def test_dense_hints(shared: Path, demo: int) -> None:
    with np.load(shared / "golden" / "hints.npz") as archive:
        case = {key: torch.from_numpy(np.asarray(archive[key])) for key in archive.files}
    full = torch.from_numpy(np.unpackbits(case[f"demo{demo}_full_mask_packed"].numpy(), axis=1)).bool()
    small, halved = case[f"demo{demo}_small_mask"], case[f"demo{demo}_small_points"].float()
    for name, mask, arrows, sigma, side in (
        (f"demo{demo}_full", full, case[f"demo{demo}_points"].float(), 100, 64),
        (f"demo{demo}_small_s12_W48", small, halved, 12, 48),
        (f"demo{demo}_small_s3_W128", small, halved, 3, 128),
    ):
        soft, hint = motion.dense_hints(mask, arrows, sigma, side)
        _close(soft, case[f"{name}_mask_out"][0], 1e-5)
        reliable = case[f"{name}_reliable"]
        _close(hint * reliable, case[f"{name}_hint_out"][0] * reliable, 1e-5)
    low, high = case[f"demo{demo}_full_sigma_range"].tolist()
    assert low <= motion.hint_sigma(720, len(halved)) < high


def test_far_from_every_arrow_the_nearest_one_holds() -> None:
    arrows = torch.tensor([[[5.0, 5.0], [55.0, 5.0]], [[40.0, 5.0], [40.0, 105.0]]])
    _, hint = motion.dense_hints(torch.ones(256, 256, dtype=torch.bool), arrows, 3.0, 256)
    _close(hint[:, 200, 5], torch.tensor([1.0, 0.0]), 1e-5)
    _close(hint[:, 200, 250], torch.tensor([0.0, 2.0]), 1e-5)


def test_scene_flow(fixture: Callable) -> None:
    case, built = fixture("scene_flow"), fixture("layers")
    stack = layers.DepthLayers(
        built["rgba_layers"][:, 0], built["depth_layers_scaled"][:, 0, 0], built["mask_layers"][:, 0, 0].float()
    )
    sheets = points.make_sheets(built["rgb"][0], stack, built["featmaps"])
    offset_px = points.euler_offsets(case["flow"][0], int(case["euler_steps"]))[-1]
    _close(offset_px, case["flow_disp"][0], 1e-4)
    side = points.displaced(sheets, points.spread_offsets(sheets, offset_px))
    _close(side.xyz, case["pts_end"], 1e-4)
    _close(side.feat[:, :4], case["rgba_end"], 1e-4)
    _close(side.feat[:, 4:-1].sum(dim=1), case["feat_end_sum"], 1e-3)


def test_scene_flow_of_layers_that_lie_close(fixture: Callable) -> None:
    case = fixture("scene_flow")
    alpha = case["cid_alpha"].float()
    rgba = torch.cat([torch.zeros(2, 3, *alpha.shape[1:]), alpha[:, None]], dim=1)
    stack = layers.DepthLayers(rgba, case["cid_depth"][:, 0, 0], case["cid_mask"][:, 0, 0].float())
    sheets = points.make_sheets(rgba[0, :3], stack, torch.zeros(2, 1, 8, 8))
    side = points.displaced(sheets, points.spread_offsets(sheets, case["flow_disp"][0]))
    _close(side.xyz, case["cid_pts_end_off"], 1e-4)


@torch.no_grad()
def test_a_whole_frame(fixture: Callable) -> None:
    case = fixture("frame")
    stack = layers.DepthLayers(case["rgba_layers"][:, 0], case["depth_layers"][:, 0, 0], case["mask_layers"][:, 0, 0])
    sheets = points.make_sheets(case["src_img"][0], stack, case["featmaps"])
    steps, num_frames = int(case["frame"]), int(case["num_frames"])
    forward_px = points.euler_offsets(case["flow"][0], steps)[-1]
    backward_px = points.euler_offsets(-case["flow"][0], num_frames - steps)[-1]
    forward, backward = (points.displaced(sheets, points.spread_offsets(sheets, px)) for px in (forward_px, backward_px))
    _close(torch.cat([forward.xyz, backward.xyz]), case["pts"], 1e-4)
    pose = torch.cat([torch.eye(3), case["t"][:, None]], dim=1)
    view = sheets.camera.with_pose(pose)
    splats = frame.splat_sides(forward, backward, view)
    for splat, name in zip(splats, ("global_out0", "global_out1"), strict=True):
        # Two points of almost the same depth may change places: three pixels of 3072 here, by 0.002.
        error = (splat.feat - case[name][0]).abs().amax(dim=-1)
        assert float((error > 1e-4).float().mean()) < 2e-3
        assert float(error.max()) < 5e-3

    decoder = Decoder().eval()
    decoder.load_state_dict(golden_state("img_decoder"))
    loop_t = float(case["time"])
    direct = ops.blend_bidirectional(*splats, loop_t, sharpness=4.0).feat[..., :3].permute(2, 0, 1)
    _close(direct, case["direct_rgb"][0], 1e-4)
    _close((splats[0].alpha + splats[1].alpha) / 2, case["acc"][0, 0], 1e-4)
    made = frame.render_frame(sheets, decoder, forward_px, backward_px, loop_t, view, sharpness=float(decoder.alpha))
    _close(made, case["pred_rgb"][0], 2e-4)


def test_a_pixel_at_rest_is_half_a_pixel_off(fixture: Callable) -> None:
    """The released code unprojects the pixel (x, y) where others have its corner."""
    camera = points.released_camera(45, 31)
    rgb = torch.zeros(3, 31, 45)
    stack = layers.DepthLayers(torch.cat([rgb, torch.ones(1, 31, 45)]), torch.ones(1, 31, 45), torch.ones(1, 31, 45))
    stack = layers.DepthLayers(stack.rgba[None], stack.z_cam, stack.visible)
    side = points.displaced(points.make_sheets(rgb, stack, torch.zeros(1, 1, 8, 12)), torch.zeros(1, 2, 31, 45))
    alpha = ops.splat_points(side.xyz, side.feat, side.radius, camera, compositor="alpha").alpha
    assert float(alpha[-1, -1]) < 0.8 < 0.99 < float(alpha[0, 0])


@pytest.fixture(scope="module")
def models() -> PublishedModels:
    """Networks with random weights; the depth network is left out."""
    torch.manual_seed(0)
    renderer = RenderModel(FeatureExtractor(width=8).eval(), Decoder(width=4).eval())
    return PublishedModels(renderer, MotionNetwork(8).eval(), DepthInpainter().eval(), ColourInpainter().eval(), None)


PHOTO_HEIGHT, PHOTO_WIDTH = 96, 128


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    y, x = np.mgrid[:PHOTO_HEIGHT, :PHOTO_WIDTH].astype(np.float32)
    photo = np.stack([x / PHOTO_WIDTH, y / PHOTO_HEIGHT, 0.5 + 0.4 * np.sin(x / 6)], axis=-1)
    return {
        "photo": (255 * photo).astype(np.uint8),
        "depth": (120 * (y / PHOTO_HEIGHT + ((x > 40) & (x < 70) & (y > 40)))).astype(np.uint8),
        "mask": (y > 48).astype(np.uint8) * 255,
    }


def test_photo_to_video(models: PublishedModels, inputs: dict[str, np.ndarray], tmp_path: Path) -> None:
    arrows = [((20, 80), (60, 80))]
    given = {
        "mask": inputs["mask"],
        "hints": arrows,
        "depth": inputs["depth"],
        "frames": 2,
        "progress": False,
        "device": "cpu",
    }
    for folder in (tmp_path / "a", tmp_path / "b"):
        render_published(inputs["photo"], folder, models, **given)
    pictures = [[file.read_bytes() for file in sorted(folder.iterdir())] for folder in (tmp_path / "a", tmp_path / "b")]
    assert pictures[0] == pictures[1]
    assert len(set(pictures[0])) == 2
    shown = cv2.imread(str(next((tmp_path / "a").iterdir())))
    assert shown.shape == (PHOTO_HEIGHT - 64, PHOTO_WIDTH - 64, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, "mask: the published preset needs a mask"),
        ({"hints": []}, "hints: the published preset needs at least one arrow, got none"),
        ({"depth": "auto"}, "depth: the published preset needs a depth map"),
        ({"size": 64}, "photo: the published preset crops 32 px on every side, got 64 x 48"),
    ],
)
def test_what_the_preset_needs_is_said(
    models: PublishedModels, inputs: dict[str, np.ndarray], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    given = {"mask": inputs["mask"], "hints": [((20, 80), (60, 80))], "depth": inputs["depth"]} | change
    with pytest.raises(ValueError, match=message):
        render_published(inputs["photo"], tmp_path / "out.mp4", models, **given, progress=False, device="cpu")


def test_size_of_the_depth_networks_picture() -> None:
    assert depth.network_size(720, 1280) == (384, 672)
    assert depth.network_size(384, 384) == (384, 384)
    assert depth.network_size(300, 200) == (384, 256)


def test_depth_from_disparity_removes_specks() -> None:
    disp = torch.full((20, 30), 5.0)
    disp[:, 15:] = 3.0
    disp[4, 4] = 1.0
    z_cam = depth.depth_from_disparity(disp)
    assert float(z_cam[4, 4]) == 1.0
    torch.testing.assert_close(z_cam[10, 20], 1 / torch.tensor(32767 / 65535))


@pytest.mark.parametrize("command", ["published", "render"])
def test_the_command_line_names_a_missing_model(
    command: str, inputs: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), inputs["photo"])
    (tmp_path / "arrows.json").write_text("[[[20, 80], [60, 80]]]")
    given = ["--hints", str(tmp_path / "arrows.json"), "--model", str(tmp_path), "-o", str(tmp_path / "out.mp4"), "--quiet"]
    assert main([command, str(photo), *given]) == 2
    assert "model: expected a file model_<step>.pth" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
