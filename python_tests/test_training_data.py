"""What training sees: procedural scenes, clips, hints, points, and the losses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from c3drender import pipeline
from c3drender.data import Camera, DepthSpan, Layers
from c3drender.files.photo import write_picture
from c3drender.files.scene import Scene
from c3drender.networks import FeatureExtractor, RenderModel
from c3drender.networks import render as learned
from c3drender.networks.decoder import Decoder
from c3drender.networks.hints import spread_hints
from c3drender.networks.training import losses
from c3drender.networks.training.config import MotionConfig, RenderConfig, read_config
from c3drender.networks.training.discriminator import MultiScaleDiscriminator, split_verdicts
from c3drender.networks.training.folder import FolderMotion, FolderViews, read_clips
from c3drender.networks.training.hints import random_hint
from c3drender.networks.training.motion_stage import FlowGenerator
from c3drender.networks.training.procedural import ProceduralMotion, ProceduralViews
from c3drender.networks.training.renderer import LearnedRenderer, blended_moments, render_colours
from c3drender.networks.training.samples import MotionSample, RenderSample
from c3drender.ops import Compositor

VIEWS = ProceduralViews(size_px=48, margin_px=16, seed=3, split="train")


def psnr(picture: torch.Tensor, sample: RenderSample) -> float:
    return peak_signal_noise_ratio(sample.target.permute(2, 0, 1).numpy(), picture.numpy(), data_range=1.0)


def still(layers: Layers) -> Layers:
    return replace(layers, step_px=torch.zeros_like(layers.step_px), moving=torch.zeros_like(layers.moving))


# --- procedural scenes ------------------------------------------------------------------------------------------------


def test_true_flow_carries_start_and_end_to_the_target() -> None:
    gains = []
    for number in range(0, 12, 2):
        sample = VIEWS[number]
        at_rest = replace(sample, start=still(sample.start), end=still(sample.end))
        gains.append((psnr(render_colours(sample, "surface"), sample), psnr(render_colours(at_rest, "surface"), sample)))
    moved, unmoved = np.array(gains).T
    assert moved.min() > 32
    assert (moved - unmoved).mean() > 4


def test_true_geometry_carries_the_source_to_another_view() -> None:
    gains = []
    for number in range(1, 13, 2):
        sample = VIEWS[number]
        assert not sample.start.moving.any()
        unmoved = replace(sample, camera=sample.camera.with_pose(torch.eye(3, 4)))
        gains.append((psnr(render_colours(sample, "surface"), sample), psnr(render_colours(unmoved, "surface"), sample)))
    moved, unmoved = np.array(gains).T
    assert moved.min() > 26
    assert (moved - unmoved).mean() > 8


def test_hidden_layer_is_behind_the_one_in_front() -> None:
    for number in range(6):
        layers = VIEWS[number].start
        hidden = layers.part(1)
        front_z = layers.plane(layers.z_cam, 0).view(-1)[layers.pixel[hidden]]
        assert len(front_z) > 0 and (layers.z_cam[hidden] > front_z).all()


def test_samples_depend_on_their_number_alone() -> None:
    first, again = VIEWS[4], VIEWS[4]
    assert torch.equal(first.target, again.target) and torch.equal(first.end.rgb, again.end.rgb)
    for other in (VIEWS[6], replace(VIEWS, seed=4)[4], replace(VIEWS, split="validation")[4]):
        assert not torch.equal(first.target, other.target)


def test_motion_sample_moves_inside_its_mask_only() -> None:
    sample = ProceduralMotion(size_px=64, seed=1, split="train")[0]
    outside = sample.mask[0] == 0
    assert 0 < outside.float().mean() < 1
    assert not sample.step_px[:, outside].any() and not sample.hint[:, outside].any()
    assert 0 < float(sample.step_px.norm(dim=0).max()) <= 0.01 * 64 + 1e-4


# --- hints ------------------------------------------------------------------------------------------------------------


def test_hints_follow_the_formula_and_take_the_nearest_far_away() -> None:
    xy_px, steps = torch.tensor([[2.5, 3.5], [9.5, 6.5]]), torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
    got = spread_hints(xy_px, steps, 4.0, 10, 12)
    for row, column in ((0, 0), (3, 2), (7, 11)):
        weight = np.exp(-(((xy_px.numpy() - [column + 0.5, row + 0.5]) ** 2).sum(axis=1)) / 16.0)
        want = weight @ steps.numpy() / weight.sum()
        np.testing.assert_allclose(got[:, row, column].numpy(), want, rtol=1e-5)
    narrow = spread_hints(xy_px, steps, 0.01, 10, 12)
    assert torch.equal(narrow[:, 0, 0], steps[0]) and torch.equal(narrow[:, 9, 11], steps[1])


def test_hints_of_a_uniform_flow_are_that_flow_and_of_a_still_one_zero() -> None:
    step_px = torch.tensor([1.5, -0.5])[:, None, None].expand(2, 20, 30).contiguous()
    mask = torch.zeros(1, 20, 30)
    mask[:, 5:15, 4:20] = 1
    hint = random_hint(torch.Generator().manual_seed(0), step_px * mask, mask)
    torch.testing.assert_close(hint, step_px * mask)
    assert not random_hint(torch.Generator(), step_px, torch.zeros(1, 20, 30)).any()


# --- points -----------------------------------------------------------------------------------------------------------


def flat_layers(step: tuple[float, float], moving: torch.Tensor, margin_px: int = 0) -> Layers:
    height, width = moving.shape
    return Layers.from_planes(
        rgb=torch.rand(1, height, width, 3),
        alpha=torch.ones(1, height, width),
        z_cam=torch.full((1, height, width), 2.0),
        seen=torch.ones(1, height, width, dtype=torch.bool),
        step_px=(torch.tensor(step) * moving[..., None])[None],
        moving=moving[None],
        margin_px=margin_px,
    )


class _Shown(Decoder):
    """A decoder that keeps what it was given."""

    def forward(self, blended: torch.Tensor) -> torch.Tensor:
        self.given = blended[0]
        return blended[:, :3]


@pytest.mark.parametrize("compositor", ["alpha", "surface"])
@pytest.mark.parametrize("number", [0, 1])
def test_training_gives_the_decoder_what_a_frame_gives_it(
    monkeypatch: pytest.MonkeyPatch, number: int, compositor: Compositor
) -> None:
    monkeypatch.setattr(learned, "inference_dtype", lambda device: torch.float32)
    monkeypatch.setattr("c3drender.networks.decoder.inference_dtype", lambda device: torch.float32)
    monkeypatch.setattr("c3drender.networks.decoder.pays", lambda device: False)
    torch.manual_seed(0)
    model = RenderModel(FeatureExtractor(width=4), _Shown(width=4, compositor=compositor))
    torch.nn.init.constant_(model.decoder.alpha, 2.5)
    sample = VIEWS[number]
    sample = replace(sample, end=sample.start)  # as of a photo, which shows one moment alone
    scene = Scene(replace(sample.camera, world_to_cam=None), sample.start, DepthSpan(1.0, 0.5, 0.7))
    animation = pipeline.animate_learned(scene, model, sample.num_frames)
    learned.render_frame(animation, sample.camera, sample.frame)

    encoded = [learned.encode(layers, model.features) for layers in (sample.start, sample.end)]
    given = blended_moments(sample, encoded, compositor, model.decoder.alpha)
    torch.testing.assert_close(given.permute(2, 0, 1), animation.decoder.given, atol=2e-4, rtol=1e-3)


def test_a_point_that_leaves_the_fluid_is_not_drawn() -> None:
    """Of a fluid that ends in mid-picture and runs out of it nothing is carried onto what stands still."""
    moving = torch.zeros(32, 40, dtype=torch.bool)
    moving[:, :20] = True
    layers = flat_layers((3.0, 0.0), moving)
    layers.rgb.view(32, 40, 3)[:] = moving[..., None].float()
    sample = RenderSample(layers, layers, Camera.for_photo(40, 32), 8, 4, torch.zeros(32, 40, 3))
    shown = render_colours(sample, "surface")
    assert (shown[:, :, 22:] < 0.01).all() and (shown[:, :, :18] > 0.9).all()


# --- clips ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of 48 x 64 whose picture runs to the right by 2 px per frame; the second with a depth map."""
    for split in ("train", "validation"):
        for name in ("a", "b"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            ramp = np.random.default_rng(0).random((6, 12, 3))
            wide = np.kron(ramp, np.ones((8, 8, 1)))
            for n in range(6):
                write_picture(folder / f"{n:05d}.png", (255 * wide[:, 20 - 2 * n : 84 - 2 * n]).astype(np.uint8))
            np.save(folder / "motion.npy", np.tile(np.float32([2, 0]), (48, 64, 1)))
        np.save(tmp_path / split / "b" / "depth.npy", np.full((48, 64), 3, np.float32))
    return tmp_path


def test_clips_give_true_moments_of_both_stages(clips: Path) -> None:
    assert [clip.depth is not None for clip in read_clips(str(clips), "train")] == [False, True]
    motion = FolderMotion(str(clips), 32, 0, "train")[3]
    assert motion.mask.all() and 2 / 48 * 32 - 1e-3 <= float(motion.step_px[0].mean()) <= 2.001
    views = FolderViews(str(clips), replace(VIEWS, size_px=32, margin_px=8))
    gains = []
    for number in range(0, 12, 2):
        sample = views[number]
        at_rest = replace(sample, start=still(sample.start), end=still(sample.end))
        gains.append((psnr(render_colours(sample, "surface"), sample), psnr(render_colours(at_rest, "surface"), sample)))
    moved, unmoved = np.array(gains).T
    assert (moved > unmoved + 3).all()
    assert torch.equal(views[5].target, views.views[5].target)


def test_incomplete_clips_are_named(clips: Path) -> None:
    (clips / "empty" / "train").mkdir(parents=True)
    with pytest.raises(ValueError, match="data: expected a folder per clip"):
        read_clips(str(clips / "empty"), "train")
    (clips / "validation" / "a" / "motion.npy").unlink()
    with pytest.raises(ValueError, match=r"three frames or more and motion\.flo or motion\.npy .* got 6 frames and no flow"):
        read_clips(str(clips), "validation")
    with pytest.raises(FileNotFoundError, match="data: cannot read"):
        read_clips(str(clips / "nowhere"), "train")


# --- losses and discriminator -----------------------------------------------------------------------------------------


def test_end_point_error_is_the_mean_distance_over_the_mask() -> None:
    made, true = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    made[0, :, 0, 0], made[0, :, 1, 1] = torch.tensor([3.0, 4.0]), torch.tensor([100.0, 0.0])
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    assert float(losses.end_point_error(made, true, mask)) == pytest.approx(5 / 3, rel=1e-5)
    assert float(losses.end_point_error(made, true, torch.zeros_like(mask))) == 0
    made.requires_grad_()
    losses.end_point_error(made, true, mask).backward()
    assert made.grad.isfinite().all()


def test_hinge_and_feature_matching_by_hand() -> None:
    fake = [[torch.tensor([1.0]), torch.tensor([-2.0, 0.5])]]
    real = [[torch.tensor([4.0]), torch.tensor([3.0, 0.0])]]
    assert float(losses.hinge_discriminator(fake, real)) == pytest.approx((0 + 1) / 2 + (0 + 1.5) / 2)
    assert float(losses.hinge_generator(fake)) == pytest.approx(0.75)
    assert float(losses.feature_matching(fake, real)) == pytest.approx(3.0)


def test_ssim_of_a_window_by_hand() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 7, 7))
    covariance = (a * b).mean() - a.mean() * b.mean()
    num = (2 * a.mean() * b.mean() + 1e-4) * (2 * covariance + 9e-4)
    want = num / ((a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (a.var() + b.var() + 9e-4))
    got = losses.ssim(*(torch.from_numpy(x).float()[None, None] for x in (a, b)))
    assert float(got) == pytest.approx(want, rel=1e-3)


def test_structural_loss_is_zero_for_equals_and_sees_blur() -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    loss = losses.StructuralLoss()
    assert float(loss(picture, picture)) == pytest.approx(0, abs=1e-5)
    assert float(loss(blurred, picture)) > float(loss(picture + 0.05, picture)) > 0


def test_vgg_loss_takes_torchvision_weights() -> None:
    channels, weights, number = 3, {}, 0
    for width in losses.VGG19_WIDTHS:
        if width == "M":
            number += 1
            continue
        weights[f"features.{number}.weight"] = torch.randn(width, channels, 3, 3) / (channels * 9) ** 0.5
        weights[f"features.{number}.bias"] = torch.zeros(width)
        channels, number = width, number + 2
    assert sorted(weights) == sorted(losses.VggLoss(weights | {"classifier.0.weight": torch.zeros(1)}).state_dict())
    loss = losses.VggLoss(weights)
    a, b = torch.rand(2, 1, 3, 32, 32)
    assert float(loss(a, a)) == 0 and float(loss(a, b)) > 0
    del weights["features.28.bias"]
    with pytest.raises(ValueError, match=r"vgg_weights: .* without features\.28\.bias"):
        losses.VggLoss(weights)


def test_discriminator_has_the_published_names(shared: Path) -> None:
    entries = json.loads((shared / "golden" / "net_keys.json").read_text())["state_dicts"]["netD"]
    got = {f"netD.netD.{key}": list(value.shape) for key, value in MultiScaleDiscriminator().state_dict().items()}
    assert got == {entry["key"]: entry["shape"] for entry in entries}


def test_split_verdicts_keeps_pairs_apart() -> None:
    judge = MultiScaleDiscriminator(3, 4).eval()
    fake, real = torch.rand(2, 2, 3, 32, 32)
    on_fake, on_real = split_verdicts(judge(torch.cat([fake, real])))
    for got, want in ((on_fake, judge(fake)), (on_real, judge(real))):
        for maps, expected in zip(got, want, strict=True):
            assert len(maps) == 5
            torch.testing.assert_close(maps, expected)


# --- the learned renderer ---------------------------------------------------------------------------------------------


def test_gradients_reach_every_weight_through_splat_and_blend() -> None:
    torch.manual_seed(0)
    renderer = LearnedRenderer(extractor_channels=4, decoder_channels=12, compositor="alpha")
    renderer.img_decoder.load_state_dict(Decoder(width=12).state_dict())  # the colours alone would pass all else by
    made = renderer([VIEWS[0]])
    assert made.shape == (1, 3, 48, 48)
    made.square().mean().backward()
    silent = [name for name, weight in renderer.named_parameters() if weight.grad is None or not weight.grad.any()]
    # A bias before a normalisation has a gradient of zero, up to rounding.
    assert all(name.endswith("bias") for name in silent)


@pytest.mark.parametrize(("compositor", "mean_error", "largest"), [("alpha", 0.012, 0.05), ("surface", 1e-6, 1e-6)])
def test_new_decoder_shows_the_colours_that_it_is_given(compositor: Compositor, mean_error: float, largest: float) -> None:
    decoder = LearnedRenderer(extractor_channels=4, decoder_channels=12, compositor=compositor).img_decoder
    blended = torch.rand(1, 37, 32, 32, generator=torch.Generator().manual_seed(0))
    blended[:, 3] = 1
    error = decoder(blended) - blended[:, :3]
    assert error.square().mean().sqrt() < mean_error and error.abs().max() < largest


def test_corrected_colours_are_those_of_what_is_covered() -> None:
    decoder = LearnedRenderer(extractor_channels=4, decoder_channels=12, compositor="surface").img_decoder
    blended = 0.5 * torch.rand(1, 37, 32, 32, generator=torch.Generator().manual_seed(0))
    blended[:, 3] = 0.5
    torch.testing.assert_close(decoder(blended), 2 * blended[:, :3])


def test_fluid_strays_from_its_mean_flow_only_where_it_flows() -> None:
    """Both ends lead to the middle by the mean flow: what is still is found again, what swings is found displaced."""
    sample = VIEWS[0]
    moved = sample.start.of_photo(sample.start.moving)
    error = (render_colours(sample, "surface").permute(1, 2, 0) - sample.target).abs().mean(dim=-1)
    inner = -torch.nn.functional.max_pool2d(-(~moved).float()[None], 5, 1, 2)[0] > 0
    assert float(error[moved].mean()) > 2 * float(error[inner].mean())


# --- configuration ----------------------------------------------------------------------------------------------------


def write_config(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def test_config_fills_in_defaults_and_nests(tmp_path: Path) -> None:
    values = {
        "out": "run",
        "size_px": 512,
        "weights": {"l1": 1},
        "schedule": {"steps": 7},
        "optimiser": {"precision": "bfloat16"},
    }
    config = read_config(write_config(tmp_path / "c.json", values), RenderConfig)
    assert config == replace(
        RenderConfig(out="run", size_px=512),
        weights=replace(config.weights, l1=1.0),
        schedule=replace(config.schedule, steps=7),
        optimiser=replace(config.optimiser, precision="bfloat16"),
    )
    assert isinstance(config.weights.l1, float)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (MotionConfig, {}, "config: expected out, the folder of the run"),
        (MotionConfig, [], "config: expected an object"),
        (MotionConfig, {"out": "a", "size_px": 128}, "size_px: expected a multiple of 256, got 128"),
        (MotionConfig, {"out": "a", "margin_px": 8}, "config: expected one of .*, got 'margin_px'"),
        (RenderConfig, {"out": "a", "margin_px": 3}, "margin_px: expected a multiple of 8, >= 0, got 3"),
        (RenderConfig, {"out": "a", "seed": True}, "config.seed: expected int, got True"),
        (RenderConfig, {"out": "a", "schedule": {"steps": "many"}}, "config.schedule.steps: expected int, got 'many'"),
        (RenderConfig, {"out": "a", "schedule": {"steps": 0}}, "schedule.steps: expected >= 1, got 0"),
        (RenderConfig, {"out": "a", "optimiser": {"precision": "int8"}}, "config.optimiser.precision: expected one of"),
        (RenderConfig, {"out": "a", "vgg_weights": 3}, "config.vgg_weights: expected str, got 3"),
    ],
)
def test_bad_configs_get_one_line(tmp_path: Path, kind: type, values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_config(write_config(tmp_path / "c.json", values), kind)


def test_settings_beside_the_file_go_before_it(tmp_path: Path) -> None:
    file = write_config(tmp_path / "c.json", {"out": "a", "schedule": {"steps": 5}})
    config = read_config(file, RenderConfig, ["schedule.steps=7", "out=b", "optimiser.precision=bfloat16", "weights.l1=2"])
    assert (config.out, config.schedule.steps, config.optimiser.precision, config.weights.l1) == ("b", 7, "bfloat16", 2.0)
    with pytest.raises(ValueError, match=r"^set: expected name=value, such as schedule\.steps=1000, got 'steps'"):
        read_config(file, RenderConfig, ["steps"])
    with pytest.raises(ValueError, match=r"^set: expected an object of names at out, got 'a'"):
        read_config(file, RenderConfig, ["out.b=1"])
    with pytest.raises(ValueError, match=r"^config\.schedule: expected one of .*, got 'step'"):
        read_config(file, RenderConfig, ["schedule.step=7"])


@torch.no_grad()
@pytest.mark.parametrize("channels", [4, 8])
def test_a_new_motion_network_returns_the_hint(channels: int) -> None:
    x, y = torch.meshgrid(torch.linspace(-1, 1, 256), torch.linspace(-1, 1, 256), indexing="xy")
    rgb, mask = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0)), torch.ones(1, 256, 256)
    hint = torch.stack([2 * x + y, x - y])
    generator = FlowGenerator(channels)
    for _ in range(5):  # of training: each measures the singular values once more
        generator([MotionSample(rgb, hint, mask, hint)])
    made = generator.eval()([MotionSample(rgb, hint, mask, hint)])[0]
    torch.testing.assert_close(made[:, 8:-8, 8:-8], hint[:, 8:-8, 8:-8], atol=0.03, rtol=0.02)
