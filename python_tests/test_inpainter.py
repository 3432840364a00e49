"""A learned inpainter in the place of ours: what it sees, what becomes of its answer, TorchScript files, refusals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import c3drender
from c3drender import cli
from c3drender.data import Layers
from c3drender.layers.inpainter import SIDE_MULTIPLE, repaint
from c3drender.pipeline.inputs import read_inpainter

HEIGHT, WIDTH = 50, 70  # no multiples of 8
BACK, FRONT, PAINT = (0.1, 0.7, 0.2), (0.9, 0.1, 0.1), (0.2, 0.3, 0.8)
BOX = slice(10, 40), slice(20, 50)
CPU = torch.device("cpu")


class Network(torch.nn.Module):
    """Paints the mean colour of what it sees, as LaMa's exported network is called."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        assert image.size(2) % 8 == 0 and image.size(3) % 8 == 0
        seen = 1.0 - mask
        mean = (image * seen).sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True)
        return image * seen + mean * mask


class OneInput(torch.nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image


class Half(torch.nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image[:, :, ::2]


@pytest.fixture
def scripted(tmp_path) -> Callable[[torch.nn.Module], Path]:
    def save(module: torch.nn.Module) -> Path:
        torch.jit.script(module).save(tmp_path / "network.pt")
        return tmp_path / "network.pt"

    return save


def box_before_a_wall() -> tuple[np.ndarray, np.ndarray]:
    """Photo and depth: a box of one colour before a wall of another."""
    rgb, z_cam = np.full((HEIGHT, WIDTH, 3), BACK, np.float32), np.full((HEIGHT, WIDTH), 5.0, np.float32)
    rgb[BOX], z_cam[BOX] = FRONT, 1.1
    return rgb, z_cam


def layers_by(inpainter: object) -> Layers:
    rgb, z_cam = box_before_a_wall()
    still = np.zeros((HEIGHT, WIDTH), bool)
    return c3drender.prepare(rgb, mask=still, depth=z_cam, amplitude=2.0, inpainter=inpainter, trust=True, device="cpu").layers


def test_the_colours_are_the_inpainters_and_all_else_is_ours() -> None:
    ours, painted = layers_by(None), layers_by(lambda rgb, hole: torch.tensor(PAINT).expand_as(rgb))
    filled = (ours.alpha > 0) & ~ours.seen
    assert filled[0].any() and filled[1].any()
    torch.testing.assert_close(painted.rgb[filled], torch.tensor(PAINT).expand(int(filled.sum()), 3))
    assert torch.equal(painted.rgb[ours.seen], ours.rgb[ours.seen])
    for name in ("pixel", "alpha", "z_cam", "seen", "step_px", "moving"):
        assert torch.equal(getattr(painted, name), getattr(ours, name)), name


def test_what_hides_a_hole_is_not_seen() -> None:
    calls: list[tuple[Tensor, Tensor]] = []

    def record(rgb: Tensor, hole: Tensor) -> Tensor:
        calls.append((rgb, hole))
        return torch.tensor(BACK).expand_as(rgb)

    layers = layers_by(record)
    (_, beyond), (behind_rgb, behind) = calls
    assert torch.equal(beyond, ~layers.plane(layers.seen, 0))
    # The middle of the box, into which no view looks, is no hole of ours, but hides the holes at its sides.
    m = layers.margin_px
    middle = (m + HEIGHT // 2, m + WIDTH // 2)
    hidden = layers.plane(layers.alpha, 1) > 0
    assert not hidden[middle] and behind[middle]
    assert (behind | ~hidden).all()
    visible = behind_rgb[~behind]
    torch.testing.assert_close(visible, torch.tensor(BACK).expand_as(visible))
    assert len(visible) > HEIGHT * WIDTH // 2
    assert (behind_rgb[behind] == 0).all()


def test_a_torchscript_file_fills(scripted) -> None:
    layers = layers_by(scripted(Network()))
    front = layers.part(0)
    margin = layers.rgb[front][~layers.seen[front]]
    photo_mean = torch.from_numpy(box_before_a_wall()[0]).mean((0, 1))
    torch.testing.assert_close(margin, photo_mean.expand_as(margin))
    # Behind the box it sees the wall and the painted margin, no more.
    (colour,) = layers.rgb[layers.part(1)].unique(dim=0)
    assert BACK[0] < colour[0] < photo_mean[0]


def test_a_module_gets_sides_that_it_can_halve_and_the_mask(scripted) -> None:
    fill = read_inpainter(scripted(Network()), CPU, trust=True)
    rgb, hole = torch.rand(HEIGHT, WIDTH, 3), torch.rand(HEIGHT, WIDTH) < 0.5
    assert HEIGHT % SIDE_MULTIPLE and WIDTH % SIDE_MULTIPLE
    filled = fill(rgb, hole)
    assert filled.shape == rgb.shape
    torch.testing.assert_close(filled[~hole], rgb[~hole])
    assert filled[hole].unique(dim=0).shape == (1, 3)


def test_nothing_to_fill_asks_nobody() -> None:
    rgb, nowhere = np.zeros((4, 6, 3), np.float32), np.zeros((4, 6), bool)

    def never(rgb: Tensor, hole: Tensor) -> Tensor:
        raise AssertionError("asked")

    assert repaint(never, rgb, nowhere, ~nowhere) is rgb


def test_from_the_command_line(scripted, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rgb, z_cam = box_before_a_wall()
    c3drender.files.write_picture("photo.png", (rgb * 255).round().astype(np.uint8))
    np.save("depth.npy", z_cam)
    network = str(scripted(Network()))
    argv = [
        "photo.png",
        "--depth",
        "depth.npy",
        "--inpainter",
        network,
        "--trust",
        "--frames",
        "3",
        "--device",
        "cpu",
        "--quiet",
    ]
    assert cli.main(["render", *argv, "-o", "out.gif"]) == 0
    assert cli.main(["inspect", *argv, "-o", "sheet.png"]) == 0
    assert Path("out.gif").is_file() and Path("sheet.png").is_file()


ANSWERS = {
    "array": (lambda rgb: rgb.numpy(), r"a float32 tensor \[\d+, \d+, 3\], got ndarray"),
    "planar": (lambda rgb: rgb.permute(2, 0, 1), r"a float32 tensor \[\d+, \d+, 3\], got float32 \[3, "),
    "float64": (lambda rgb: rgb.double(), r"a float32 tensor \[\d+, \d+, 3\], got float64"),
    "NaN": (lambda rgb: rgb.clone().index_fill_(0, torch.tensor(0), torch.nan), "finite numbers, got [1-9]"),
    "0..255": (lambda rgb: rgb * 255, "colours in 0..1, got 0 to "),
}


@pytest.mark.parametrize("answer, words", ANSWERS.values(), ids=ANSWERS)
def test_answers_that_are_refused(answer: Callable, words: str) -> None:
    rgb, hole = np.ones((4, 6, 3), np.float32), np.eye(4, 6, dtype=bool)
    with pytest.raises(ValueError, match=f"^inpainter: must return {words}") as refused:
        repaint(lambda rgb, hole: answer(rgb), rgb, hole, hole)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "module, words", [(OneInput(), "the module cannot be called with .image"), (Half(), "the module must return .1, 3, ")]
)
def test_modules_that_are_refused(scripted, module: torch.nn.Module, words: str) -> None:
    fill = read_inpainter(scripted(module), CPU, trust=True)
    with pytest.raises(ValueError, match=f"^inpainter: {words}") as refused:
        fill(torch.ones(8, 8, 3), torch.ones(8, 8, dtype=torch.bool))
    assert "\n" not in str(refused.value)


def test_arguments_that_are_refused(tmp_path) -> None:
    other = tmp_path / "weights.pt"
    torch.save({"weight": torch.ones(3)}, other)
    with pytest.raises(ValueError, match=r"^inpainter: expected a TorchScript file, got something else: .*weights\.pt$"):
        layers_by(other)
    with pytest.raises(FileNotFoundError, match=r"^inpainter: cannot read none\.pt"):
        layers_by("none.pt")
    with pytest.raises(TypeError, match=r"^inpainter: expected a callable, a model's name or its file, got int$"):
        layers_by(3)


def test_a_program_runs_only_where_it_is_trusted(scripted, tmp_path) -> None:
    """TorchScript can write files as it runs, and may as it loads: nothing of it is opened before."""
    with pytest.raises(
        ValueError, match=r"^inpainter: expected trust \(--trust\) beside .*, got none: a TorchScript or ONNX file"
    ):
        read_inpainter(scripted(Network()), CPU)
    (tmp_path / "any.onnx").write_bytes(b"no ONNX")
    with pytest.raises(ValueError, match=r"^inpainter: expected trust \(--trust\) beside .*any\.onnx"):
        c3drender.prepare(np.ones((8, 8, 3), np.float32), inpainter=tmp_path / "any.onnx")
