"""ONNX inpainters: tiny files in LaMa's and MI-GAN's layouts, run by onnxruntime where it is installed and by OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from c3drender.layers import inpainter, onnx_inpainter
from c3drender.pipeline import prepare

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

CPU = torch.device("cpu")
COLOUR = np.float32([0.2, 0.4, 0.6])
H, W = 90, 700  # narrower than a tile in one direction, wider in the other


def saved(nodes: list, constants: dict[str, np.ndarray], side: int | str, kind: int, answer: str) -> bytes:
    shapes = {"image": (kind, [1, 3, side, side]), "mask": (kind, [1, 1, side, side]), answer: (kind, [1, 3, side, side])}
    infos = {name: helper.make_tensor_value_info(name, *facts) for name, facts in shapes.items()}
    held = [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [infos["image"], infos["mask"]], [infos[answer]], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def lama(side: int | str = 512, scale: float = 255.0) -> bytes:
    """As the exported LaMa: float image 0..1, mask 1 is to be filled, known pixels come back, all times ``scale``."""
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["keep"]),
        helper.make_node("Mul", ["image", "keep"], ["known"]),
        helper.make_node("Mul", ["mask", "colour"], ["painted"]),
        helper.make_node("Add", ["known", "painted"], ["both"]),
        helper.make_node("Mul", ["both", "scale"], ["output"]),
    ]
    constants = {"one": np.float32([1]), "scale": np.float32([scale]), "colour": COLOUR.reshape(1, 3, 1, 1)}
    return saved(nodes, constants, side, TensorProto.FLOAT, "output")


def migan() -> bytes:
    """As MI-GAN's pipeline: uint8 image, mask 255 is known, any size."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["kept", "most"], ["keep"]),
        helper.make_node("Mul", ["pixels", "keep"], ["known"]),
        helper.make_node("Sub", ["one", "keep"], ["hole"]),
        helper.make_node("Mul", ["hole", "colour"], ["painted"]),
        helper.make_node("Add", ["known", "painted"], ["both"]),
        helper.make_node("Cast", ["both"], ["result"], to=TensorProto.UINT8),
    ]
    constants = {"one": np.float32([1]), "most": np.float32([255]), "colour": np.round(COLOUR * 255).reshape(1, 3, 1, 1)}
    return saved(nodes, constants, "side", TensorProto.UINT8, "result")


@pytest.fixture(params=["onnxruntime", "opencv"])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "onnxruntime":
        pytest.importorskip("onnxruntime")
    else:
        monkeypatch.setattr(onnx_inpainter.importlib.util, "find_spec", lambda name: None)
    return request.param


@pytest.mark.parametrize("make", [lama, lambda: lama(scale=1.0), lambda: lama("side"), migan])
def test_holes_are_painted_and_nothing_else(make: Callable[[], bytes], runtime: str) -> None:
    paint = inpainter.load(make(), "tiny.onnx", CPU)
    rgb = torch.from_numpy(np.random.default_rng(0).random((H, W, 3), np.float32))
    hole = torch.zeros(H, W, dtype=torch.bool)
    hole[20:40, 480:540] = True  # across the tiles' overlap
    painted = paint(rgb, hole)
    assert painted.dtype == torch.float32
    assert painted.shape == rgb.shape
    assert float((painted[hole] - torch.from_numpy(COLOUR)).abs().max()) < 2 / 255
    assert float((painted[~hole] - rgb[~hole]).abs().max()) < 2 / 255


def test_a_fixed_side_is_respected() -> None:
    pytest.importorskip("onnxruntime")
    paint = inpainter.load(lama(64), "tiny.onnx", CPU)
    hole = torch.ones(100, 130, dtype=torch.bool)
    assert float((paint(torch.zeros(100, 130, 3), hole) - torch.from_numpy(COLOUR)).abs().max()) < 1e-5


def test_black_stays_black_whatever_the_scale(runtime: str) -> None:
    """The scale of the answers is not judged by the picture's own."""
    paint = inpainter.load(lama(), "tiny.onnx", CPU)
    hole = torch.zeros(64, 64, dtype=torch.bool)
    hole[:8] = True
    assert float(paint(torch.zeros(64, 64, 3), hole)[20:].max()) == 0


def test_what_is_no_inpainter_is_one_line(runtime: str) -> None:
    def refusal(data: bytes) -> str:
        with pytest.raises(ValueError, match="inpainter: expected") as error:
            inpainter.load(data, "tiny.onnx", CPU)
        assert "\n" not in str(error.value)
        assert "tiny.onnx" in str(error.value)
        return str(error.value)

    refusal(b"no graph")
    refusal(lama()[:100])
    one_input = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["output"])],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 512, 512])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, 512, 512])],
    )
    refusal(helper.make_model(one_input, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())
    assert "layout of LaMa or of MI-GAN" in refusal(lama(scale=7.0))


def test_tiles_cover_every_length() -> None:
    for length in (1, 511, 512, 513, 700, 1024, 1300, 3900):
        starts = onnx_inpainter._starts(length, 512)
        assert starts[0] == 0
        assert max(length, 512) == starts[-1] + 512
        assert all(0 < b - a <= 384 for a, b in pairwise(starts))


def test_the_pipeline_takes_a_file(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "lama.onnx").write_bytes(lama())
    rgb = np.full((64, 96, 3), 0.9, np.float32)
    depth = np.full((64, 96), 4.0, np.float32)
    depth[20:50, 30:60] = 1.0
    scene = prepare(rgb, mask=np.zeros((64, 96)), depth=depth, camera="circle", inpainter=tmp_path / "lama.onnx", trust=True)
    filled = scene.layers.rgb[~scene.layers.seen]
    assert len(filled) > 100
    assert float((filled - torch.from_numpy(COLOUR)).abs().amax(dim=1).median()) < 0.02


def test_a_model_that_is_not_installed_is_one_line() -> None:
    with pytest.raises(FileNotFoundError, match="models: migan-onnx is not installed: c3drender models get migan-onnx"):
        prepare(np.zeros((32, 32, 3), np.float32), inpainter="migan-onnx")
