"""Where a run starts and how far it goes: from a checkpoint, the authors' or another run's, and beyond what it was told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import ALONE, rows, tiny_motion, tiny_render
from torch import Tensor, nn

from c3drender import cli
from c3drender.networks.training.config import Schedule
from c3drender.networks.training.motion_stage import MotionStage
from c3drender.networks.training.render_stage import RenderStage
from c3drender.networks.training.start import start_from
from c3drender.networks.training.trainer import Trainer, train_motion


def drawn(module: nn.Module) -> dict[str, Tensor]:
    """Weights that no fresh network has."""
    source = torch.Generator().manual_seed(7)
    return {key: torch.rand(value.shape, generator=source) for key, value in module.state_dict().items()}


def holds(module: nn.Module, weights: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, weights[key]) for key, value in module.state_dict().items())


@pytest.fixture
def motion(tmp_path: Path) -> MotionStage:
    return MotionStage(tiny_motion(tmp_path / "run", steps=1))


@pytest.fixture
def render(tmp_path: Path) -> RenderStage:
    return RenderStage(tiny_render(tmp_path / "run", steps=1))


# --- from a checkpoint ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around",
    [
        lambda weights: {"netG": weights, "optimG": {"state": {}, "param_groups": []}},  # the authors'
        lambda weights: {"netG": {f"module.{key}": value for key, value in weights.items()}},
        lambda weights: {"epoch": 3, "state_dict": {f"model.module.netG.{key}": value for key, value in weights.items()}},
        lambda weights: weights,
    ],
    ids=["named", "parallel", "nested", "bare"],
)
def test_a_network_is_found_whatever_stands_before_its_names(motion: MotionStage, tmp_path: Path, around: Any) -> None:
    network, needed = motion.parts["netG"]
    weights = drawn(network)
    file = tmp_path / "sceneflow_model.pth"
    torch.save(around(weights), file)
    assert needed and not holds(network, weights)
    assert start_from(motion, tmp_path) == (f"init: netG from {file}",)
    assert holds(network, weights)


def test_a_renderer_starts_from_the_latest_of_a_run(render: RenderStage, tmp_path: Path) -> None:
    features, decoder, judge = (render.parts[name][0] for name in ("feature_net", "img_decoder", "netD.netD.netD"))
    name, content = render.published(render.generator)
    weights = {"feature_net": drawn(features), "img_decoder": drawn(decoder)}
    judged = drawn(judge)
    torch.save(content, tmp_path / name.format(step="000009"))
    file = tmp_path / name.format(step="000010")
    own = {"netD": {f"netD.netD.{key}": value for key, value in judged.items()}}
    torch.save(content | weights | own, file)
    assert len(start_from(render, tmp_path)) == 3
    assert holds(features, weights["feature_net"]) and holds(decoder, weights["img_decoder"]) and holds(judge, judged)
    torch.save(weights | {"compositor": "surface"}, file)
    assert start_from(render, file)[-1] == f"init: no netD.netD.netD in {file}, a new one starts"


def test_what_is_another_network_gets_one_line(motion: MotionStage, render: RenderStage, tmp_path: Path) -> None:
    network, file = motion.parts["netG"][0], tmp_path / "sceneflow_model.pth"
    weights = drawn(network)
    first = "motion_predictor.conv1.weight_orig"
    lacking = {key: value for key, value in weights.items() if key != "motion_predictor.dconv8.bias"}
    for content, message in (
        ({"net": {"encoder.weight": torch.ones(2)}}, r"expected the weights of netG in .*\.pth, got net\.encoder\.weight"),
        ([weights], "expected a dictionary of weights in .*, got list"),
        ({"netG": lacking}, r"the 1\d\d weights of netG; .* lacks motion_predictor\.dconv8\.bias"),
        ({"netG": weights | {"more": torch.ones(1)}}, "has beside them more"),
        ({"netG": weights, "old": {"netG": weights}}, r"expected one netG in .*, got 2 \(netG\., old\.netG\.\)"),
        (
            {"netG": weights | {first: torch.ones(32, 6, 4, 4)}},
            r"expected \[4, 6, 4, 4\] for netG\.motion_.*widths say, got \[32, 6, 4, 4\]",
        ),
        (
            {"netG": weights | {first: torch.full((4, 6, 4, 4), torch.nan)}},
            "expected finite weights, got NaN or infinity in netG",
        ),
    ):
        torch.save(content, file)
        with pytest.raises(ValueError, match=f"^init: .*{message}") as caught:
            start_from(motion, file)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^init: expected a file model_<step>\.pth in "):
        start_from(render, tmp_path)
    _, content = render.published(render.generator)
    del content["compositor"]  # as in the authors'
    torch.save(content, file)
    with pytest.raises(ValueError, match=r"^init: expected compositor = 'surface', as configured, got 'alpha' in "):
        start_from(render, file)


def test_a_run_starts_there_and_so_do_its_averaged_weights(motion: MotionStage, tmp_path: Path) -> None:
    weights, file = drawn(motion.parts["netG"][0]), tmp_path / "a.pth"
    torch.save({"netG": weights}, file)
    config = tiny_motion(tmp_path / "new", steps=1)
    trainer = Trainer(MotionStage, config, ALONE, init=file)
    assert holds(trainer.generator.get_submodule("network"), weights)
    assert holds(trainer.average.get_submodule("network"), weights)
    with pytest.raises(ValueError, match=r"^init: expected resume or init, got both"):
        train_motion(config, resume=True, init=file)


def test_the_command_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "motion.json").write_text(f'{{"out": "{tmp_path / "run"}"}}')
    words = ["train", "motion", "--config", str(tmp_path / "motion.json"), "--init", str(tmp_path / "none.pth")]
    assert cli.main([*words, "--set", "channels=4", "--set", "discriminator_channels=4", "--device", "cpu"]) == 2
    assert "init: cannot read" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# --- further than it was told -----------------------------------------------------------------------------------------


def test_a_finished_run_goes_on_with_a_longer_schedule(tmp_path: Path) -> None:
    """At the learning rate of a run that was to be so long."""
    config = tiny_motion(tmp_path / "run", steps=1)
    Trainer(MotionStage, config, ALONE).run(1)
    longer = replace(config, schedule=replace(config.schedule, steps=2))
    trainer = Trainer(MotionStage, longer, ALONE, resume=True)
    trainer.run(2)
    assert [row["step"] for row in rows(config.out, "train")] == [1, 2]
    assert trainer.optimisers["generator"].param_groups[0]["lr"] == pytest.approx(0.5 * config.optimiser.learning_rate)
    shorter = replace(config, schedule=replace(config.schedule, steps=1))
    with pytest.raises(ValueError, match=r"^resume: expected schedule\.steps of at least the 2 that the run has done, got 1$"):
        Trainer(MotionStage, shorter, ALONE, resume=True)


def test_the_rate_is_a_half_cosine_of_the_step(tmp_path: Path) -> None:
    config = replace(tiny_motion(tmp_path / "run", steps=1), schedule=Schedule(steps=100))
    trainer = Trainer(MotionStage, config, ALONE)
    rates = []
    for trainer.step in (0, 25, 50, 100):
        trainer._set_rates()
        rates.append(trainer.optimisers["discriminator"].param_groups[0]["lr"] / config.optimiser.discriminator_rate)
    assert rates == pytest.approx([1, 0.5 + 0.5**1.5, 0.5, 0])
