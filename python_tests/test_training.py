"""The training loop: it learns, resumes to the same bits, works in a team, and saves what the loader reads."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from c3drender.cli import EXIT_USER_ERROR, main
from c3drender.networks import MotionNetwork, load_motion, load_renderer
from c3drender.networks.checkpoints import write_weights
from c3drender.networks.decoder import Decoder
from c3drender.networks.training import team
from c3drender.networks.training.config import MotionConfig, Optimiser, RenderConfig, RunConfig, Schedule
from c3drender.networks.training.motion_stage import MotionStage
from c3drender.networks.training.records import STATE, Records, read_state
from c3drender.networks.training.render_stage import RenderStage
from c3drender.networks.training.team import Team
from c3drender.networks.training.trainer import Trainer

ALONE = Team(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two busy threads on two busy cores wait for each other; the nets here are too small to gain from them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def schedule(steps: int, **more: int) -> Schedule:
    return Schedule(**{"steps": steps, "batch_size": 1, "log_every": 1, "num_validation": 1} | more)


def tiny_render(out: Path, steps: int, **more: int) -> RenderConfig:
    return RenderConfig(
        out=str(out),
        size_px=32,
        margin_px=8,
        extractor_channels=4,
        decoder_channels=12,
        discriminator_channels=4,
        schedule=schedule(steps, **more),
        optimiser=Optimiser(learning_rate=2e-3),  # at 5e-3 some processors' rounding drives all pixels beyond 0..1, for good
    )


def tiny_motion(out: Path, steps: int) -> MotionConfig:
    optimiser = Optimiser(learning_rate=5e-3)
    return MotionConfig(out=str(out), channels=4, discriminator_channels=4, schedule=schedule(steps), optimiser=optimiser)


def rows(folder: str | Path, table: str) -> list[dict[str, float]]:
    with (Path(folder) / f"{table}.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def contents(folder: str | Path, name: str) -> dict[str, Any]:
    return torch.load(Path(folder) / name, weights_only=True)


def assert_same(a: Any, b: Any) -> None:
    """Equal to the last bit, whatever is nested in what."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@dataclass(frozen=True)
class Always:
    """A source that knows one sample."""

    sample: Any

    def __getitem__(self, number: int) -> Any:
        return self.sample


# --- learning ---------------------------------------------------------------------------------------------------------


def test_render_stage_overfits_one_sample(tmp_path: Path) -> None:
    trainer = Trainer(RenderStage, tiny_render(tmp_path / "run", steps=60, validate_every=20), ALONE)
    trainer.stage.training = trainer.stage.validation = Always(trainer.stage.training[0])
    trainer.generator.img_decoder.load_state_dict(Decoder(width=12).state_dict())  # random: it does not begin with the colours
    trainer.run(60)
    losses, judged = rows(tmp_path / "run", "train"), rows(tmp_path / "run", "validation")
    assert losses[-1]["l1"] < 0.4 * losses[0]["l1"]
    assert losses[-1]["perceptual"] < 0.7 * losses[0]["perceptual"]
    assert judged[-1]["psnr_network"] > judged[0]["psnr_network"] + 3


def test_motion_stage_overfits_one_sample(tmp_path: Path) -> None:
    trainer = Trainer(MotionStage, tiny_motion(tmp_path / "run", steps=10), ALONE)
    trainer.stage.training = trainer.stage.validation = Always(trainer.stage.training[0])
    trainer.generator.network.load_state_dict(MotionNetwork(4).state_dict())  # random: it does not begin with the hint
    trainer.run(10)
    assert rows(tmp_path / "run", "train")[-1]["end_point"] < 0.5 * rows(tmp_path / "run", "train")[0]["end_point"]


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "config", "first"), [(RenderStage, tiny_render, 2), (MotionStage, tiny_motion, 1)], ids=["render", "motion"]
)
def test_stopped_and_resumed_is_the_same_run(
    tmp_path: Path, stage: type, config: Callable[..., RunConfig], first: int
) -> None:
    straight, parted = (config(tmp_path / name, steps=2 * first) for name in ("straight", "parted"))
    Trainer(stage, straight, ALONE).run(2 * first)
    Trainer(stage, parted, ALONE).run(first)
    torch.manual_seed(99)
    Trainer(stage, parted, ALONE, resume=True).run(2 * first)

    names = {path.name for path in Path(straight.out).iterdir() if path.suffix == ".pth"}
    assert STATE in names and len(names) == 2
    for name in names:
        assert_same(contents(straight.out, name), contents(parted.out, name))
    for a, b in zip(rows(straight.out, "train"), rows(parted.out, "train"), strict=True):
        assert a | {"seconds_per_step": 0} == b | {"seconds_per_step": 0}
    assert rows(straight.out, "validation")[-1] == rows(parted.out, "validation")[-1]


def test_rows_after_the_checkpoint_are_written_again(tmp_path: Path) -> None:
    config = tiny_render(tmp_path / "run", steps=2)
    Trainer(RenderStage, config, ALONE).run(1)
    Records(config.out, resume=True).report("train", 2, dict.fromkeys(rows(config.out, "train")[0].keys() - {"step"}, -1.0))
    Trainer(RenderStage, config, ALONE, resume=True).run(2)
    assert [row["step"] for row in rows(config.out, "train")] == [1, 2]
    assert rows(config.out, "train")[1]["loss"] > 0


def test_wrong_resumes_get_one_line(tmp_path: Path) -> None:
    config = tiny_render(tmp_path / "run", steps=1)
    with pytest.raises(FileNotFoundError, match=r"resume: cannot read .*state\.pth"):
        Trainer(RenderStage, config, ALONE, resume=True)
    Trainer(RenderStage, config, ALONE).run(1)
    with pytest.raises(ValueError, match="out: expected an empty folder for a new run"):
        Trainer(RenderStage, config, ALONE)
    for changed, message in (
        (replace(config, seed=1), "resume: expected seed = 0, as the run was started, got 1"),
        (replace(config, optimiser=Optimiser()), r"resume: expected optimiser\.learning_rate = 0\.002"),
    ):
        with pytest.raises(ValueError, match=message):
            Trainer(RenderStage, changed, ALONE, resume=True)
    kept = read_state(config.out)
    told = kept["told"] | {"schedule.warm_up": 10}
    write_weights("out", tmp_path / "run" / STATE, kept | {"told": told})
    with pytest.raises(ValueError, match=r"^resume: expected a run with the settings of today, got .* schedule.warm_up = 10$"):
        Trainer(RenderStage, config, ALONE, resume=True)
    write_weights("out", tmp_path / "run" / STATE, kept)
    with pytest.raises(ValueError, match="resume: expected processes = 1"):
        Trainer(RenderStage, config, Team(1, 2, torch.device("cpu")), resume=True)
    (tmp_path / "run" / STATE).write_bytes(b"no archive")
    with pytest.raises(ValueError, match="resume: expected weights saved by torch"):
        Trainer(RenderStage, config, ALONE, resume=True)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORLD_SIZE": "two"}, r"^WORLD_SIZE: expected a whole number in the environment, as torchrun sets it, got two$"),
        ({"WORLD_SIZE": "2"}, r"^LOCAL_RANK: expected a whole number in the environment, as torchrun sets it, got none$"),
    ],
)
def test_half_a_team_gets_one_line(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(team, "pick_device", lambda device: torch.device("cuda"))
    with pytest.raises(ValueError, match=message), team.joined("auto"):
        pass


# --- what is saved ----------------------------------------------------------------------------------------------------


def test_checkpoints_are_read_by_the_loaders(tmp_path: Path) -> None:
    render, motion = tiny_render(tmp_path / "render", steps=1), tiny_motion(tmp_path / "motion", steps=1)
    trainers = [Trainer(RenderStage, render, ALONE), Trainer(MotionStage, motion, ALONE)]
    for trainer in trainers:
        trainer.run(1)
    saved = contents(render.out, "model_000001.pth")
    assert saved.keys() == {"feature_net", "img_decoder", "netD", "compositor"}
    model = load_renderer(render.out)
    assert model.decoder.compositor == render.compositor == "surface"
    for network, name in ((model.features, "feature_net"), (model.decoder, "img_decoder")):
        assert_same(dict(network.state_dict()), dict(getattr(trainers[0].average, name).state_dict()))
    assert_same(dict(load_motion(motion.out).state_dict()), dict(trainers[1].average.network.state_dict()))


def test_average_lags_behind_the_weights(tmp_path: Path) -> None:
    trainer = Trainer(RenderStage, tiny_render(tmp_path / "run", steps=3), ALONE)
    at_start = trainer.generator.img_decoder.alpha.item()
    trainer.run(3)
    now, mean = trainer.generator.img_decoder.alpha.item(), trainer.average.img_decoder.alpha.item()
    assert abs(mean - at_start) > 0 and abs(now - mean) > 0
    assert min(at_start, now) <= mean <= max(at_start, now)


def test_half_precision_trains_and_pictures_are_written(tmp_path: Path) -> None:
    config = replace(tiny_render(tmp_path / "run", steps=2, workers=1), optimiser=Optimiser(precision="bfloat16"))
    Trainer(RenderStage, config, ALONE).run(2)
    assert (tmp_path / "run" / "validation_000002.jpg").is_file()
    weights = contents(config.out, "model_000002.pth")["img_decoder"]
    assert all(value.isfinite().all() and value.dtype == torch.float32 for value in weights.values())


def test_tensorboard_gets_numbers_and_pictures_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert Path(folder) == tmp_path / "run"

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append(name)

        def add_image(self, name: str, picture: Any, step: int, dataformats: str) -> None:
            assert dataformats == "HWC" and picture.ndim == 3
            written.append(name)

        def close(self) -> None:
            written.append("closed")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    module = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    trainer = Trainer(RenderStage, tiny_render(tmp_path / "run", steps=1), ALONE)
    trainer.run(1)
    trainer.close()
    assert {"train/loss", "validation/psnr_network", "validation", "closed"} <= set(written)


# --- the command ------------------------------------------------------------------------------------------------------


def test_command_trains_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "render.json"
    file.write_text(json.dumps(asdict(tiny_render(tmp_path / "run", steps=1))))
    command = ["train", "render", "--config", str(file), "--device", "cpu"]
    assert main([*command]) == 0
    assert "perceptual loss: SSIM" in capsys.readouterr().out
    assert main([*command, "--quiet"]) == EXIT_USER_ERROR
    assert "out: expected an empty folder" in capsys.readouterr().err
    assert main([*command, "--quiet", "--resume"]) == 0
    assert capsys.readouterr() == ("", "")
    assert [row["step"] for row in rows(tmp_path / "run", "train")] == [1]


def test_two_processes_train_as_one_with_the_whole_batch(tmp_path: Path) -> None:
    alone = tiny_render(tmp_path / "alone", steps=2, batch_size=2)
    Trainer(RenderStage, alone, ALONE).run(2)
    shared = replace(alone, out=str(tmp_path / "shared"), schedule=replace(alone.schedule, batch_size=1))
    file = tmp_path / "render.json"
    file.write_text(json.dumps(asdict(shared)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = ["-m", "c3drender", "train", "render", "--config", str(file), "--device", "cpu", "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *train], capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    together, single = (contents(config.out, STATE) for config in (shared, alone))
    for name, value in single["generator"].items():
        torch.testing.assert_close(together["generator"][name], value, atol=2e-3, rtol=0, msg=name)
