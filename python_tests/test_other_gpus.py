"""GPUs that the ops have no kernels for: tensors on them are refused, and the pipeline runs on the CPU; one line says so."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import c3drender as c3d
from c3drender import ops
from c3drender.data import Camera, Frame, PointCloud, Raster
from c3drender.files.tell import InputWarning
from c3drender.ops.device import pick_device, pick_or_cpu

PHOTO = np.full((32, 40, 3), 90, np.uint8)
DEPTH = np.ones((32, 40), np.float32)


class Elsewhere(torch.Tensor):
    """Claims to lie on a device."""

    @staticmethod
    def __new__(cls, device: str, *shape: int, dtype: torch.dtype = torch.float32) -> Elsewhere:
        return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=dtype, device=device)  # type: ignore[no-any-return, attr-defined]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} ran on a device that is none")


def calls(device: str) -> dict[str, Callable[[], object]]:
    def at(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return Elsewhere(device, *shape, dtype=dtype)

    camera, side = Camera.for_photo(5, 4), Raster(at(4, 5, 4), at(4, 5), at(4, 5))
    cloud = PointCloud(at(3, 3), at(3, 4), at(3))
    return {
        "splat_points": lambda: ops.splat_points(cloud.xyz, cloud.feat, 0.1, camera),
        "splat_frame": lambda: ops.splat_frame(cloud, camera, [(0, 0)], 0.0, sharpness=4.0, least_alpha=1e-4),
        "blend_bidirectional": lambda: ops.blend_bidirectional(side, side, 0.5),
        "compose_frame": lambda: ops.compose_frame(side, side, 0.5, sharpness=4.0, least_alpha=1e-4),
        "integrate_flow": lambda: ops.integrate_flow(at(4, 5, 2), 3),
        "inpaint_layers": lambda: ops.inpaint_layers(at(4, 5, 3), at(4, 5), at(4, 5), at(4, 5), tear_disp=0.1),
        "convert_to_yuv": lambda: ops.convert_to_yuv(at(4, 6, 3, dtype=torch.uint8)),
        "fill_uncovered": lambda: ops.fill_uncovered(Frame(at(4, 5, 3, dtype=torch.uint8), at(4, 5, dtype=torch.bool))),
    }


@pytest.mark.parametrize("device", ["mps:0", "xpu:1"])
@pytest.mark.parametrize("op", list(calls("xpu")))
def test_ops_name_the_way_to_the_cpu(op: str, device: str) -> None:
    message = rf"^{op}: .+ must lie on the CPU or on CUDA, got a tensor on {device}, .+: call \.cpu\(\) on it$"
    with pytest.raises(ValueError, match=message):
        calls(device)[op]()


@pytest.mark.parametrize("device", ["mps", "xpu:1", torch.device("mps", 0)])
def test_whoever_names_one_is_told_that_it_is_the_cpu(device: str | torch.device) -> None:
    with pytest.warns(InputWarning, match=rf"^device: the CPU, as the ops have no kernels for {device}$"):
        scene = c3d.prepare(PHOTO, depth=DEPTH, segments="none", device=device)
    assert scene.layers.pixel.device.type == "cpu"


@pytest.mark.parametrize("device", ["auto", None])
def test_where_there_is_one_a_note_says_that_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch, device: str | None) -> None:
    said = "device: the CPU, as the ops have no kernels for this machine's mps"
    for available in (True, False):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda available=available: available)
        with warnings.catch_warnings():
            warnings.simplefilter("error", InputWarning)
            scene = c3d.prepare(PHOTO, depth=DEPTH, segments="none", device=device)
        assert scene.layers.pixel.device.type == "cpu" and (said in scene.notes) == available


def test_what_has_no_pipeline_refuses_it() -> None:
    with pytest.raises(ValueError, match=r"^device: expected auto, .+, got 'mps', for which .+: cpu runs everything$"):
        pick_device("mps")
    with pytest.raises(ValueError, match=r"^device: expected auto, cpu, cuda or cuda:N, got 'toaster'$"):
        pick_or_cpu("toaster")
