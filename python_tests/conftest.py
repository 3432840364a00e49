"""Fixtures that several test files share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from c3drender.ops import device

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session", autouse=True)
def _auto_is_the_cpu() -> Iterator[None]:
    """Results are compared with NumPy's: where no device is named, all stays on the CPU. Tests of devices name theirs."""

    def pick(name: str | torch.device) -> torch.device:
        return pick_device("cpu" if name == "auto" else name)

    pick_device = device.pick_device
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):  # those imported later take it from `device`
            if name.startswith("c3drender") and hasattr(module, "pick_device"):
                patch.setattr(module, "pick_device", pick)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_models_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What ``auto`` finds does not hang on who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C3DRENDER_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photos and data that lies beside the repository and is not part of it."""
    folder = HERE.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared beside the repository")
    return folder


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, Any]]:
    """``golden("blend")``: the arrays of ``golden/blend.npz``."""

    def load(name: str) -> dict[str, Any]:
        with np.load(HERE / "golden" / f"{name}.npz") as archive:
            return {key: archive[key] for key in archive.files}

    return load


@pytest.fixture
def for_thread_counts() -> Iterator[Callable[[Callable[[], Any]], list[Any]]]:
    """``for_thread_counts(f)``: the results of ``f()`` with 1, 2 and 5 threads, and once more with 5."""
    before = torch.get_num_threads()

    def run(f: Callable[[], Any]) -> list[Any]:
        results = []
        for num_threads in (1, 2, 5, 5):
            torch.set_num_threads(num_threads)
            results.append(f())
        return results

    yield run
    torch.set_num_threads(before)
