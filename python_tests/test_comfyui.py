"""The nodes for ComfyUI, with stubs of the two of its modules that they import."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "integrations" / "comfyui"
H, W = 36, 48
BOX = torch.zeros(1, H, W)
BOX[0, 10:26, 16:32] = 1


class Progress:
    def __init__(self, total: int) -> None:
        self.left = total

    def update(self, count: int) -> None:
        self.left -= count
        assert self.left >= 0


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Loaded as ComfyUI loads a folder of custom nodes: as a package under a name of its own."""
    comfy, utils, paths = ModuleType("comfy"), ModuleType("comfy.utils"), ModuleType("folder_paths")
    utils.ProgressBar = Progress
    paths.get_output_directory = lambda: str(tmp_path)
    paths.get_save_image_path = lambda prefix, folder, *_: (folder, Path(prefix).name, 1, "", prefix)
    for module in (comfy, utils, paths):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = importlib.util.spec_from_file_location(
        "custom_c3d", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    package = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "custom_c3d", package)
    spec.loader.exec_module(package)
    assert package.NODE_CLASS_MAPPINGS.keys() == package.NODE_DISPLAY_NAME_MAPPINGS.keys()
    yield package.NODE_CLASS_MAPPINGS
    sys.modules.pop("custom_c3d.nodes", None)


def picture() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    waves = 0.1 * torch.sin(x / 2 + y)[..., None]
    return (torch.where(BOX[0, ..., None] > 0, torch.tensor([0.7, 0.2, 0.2]), torch.tensor([0.2, 0.4, 0.6])) + waves)[None]


def test_every_node_is_one_of_comfyuis(nodes: dict[str, Any]) -> None:
    for kind in nodes.values():
        inputs = kind.INPUT_TYPES()
        assert set(inputs) <= {"required", "optional"} and kind.CATEGORY == "c3drender"
        assert len(kind.RETURN_TYPES) == len(kind.RETURN_NAMES) and callable(getattr(kind, kind.FUNCTION))
        assert all(isinstance(entry[0], (str, list)) for part in inputs.values() for entry in part.values())


def test_from_a_picture_to_a_batch_and_a_file(nodes: dict[str, Any], tmp_path: Path) -> None:
    depth = (0.2 + 0.8 * BOX)[..., None].expand(-1, -1, -1, 3)
    hints = "[[[20, 18], [26, 18]]]"
    scene, notes = nodes["C3DPrepare"]().prepare(picture(), mask=BOX, depth=depth, hints=hints)
    assert "depth: yours" in notes
    (camera,) = nodes["C3DCamera"]().choose("swing", 0.5)
    images, moving, near = nodes["C3DRender"]().render(scene, 3, camera=camera)
    assert images.shape == (3, H, W, 3) and moving.shape == (3, H, W) and near.shape == (3, H, W, 3)
    assert images.dtype == moving.dtype == near.dtype == torch.float32
    assert (images[0] - picture()[0]).abs().mean() < 0.02
    box = BOX[0] > 0
    assert moving[0][box].mean() > 0.8 > 0.2 > moving[0][~box].mean()
    assert near[0, ..., 0][box].median() > 0.9 and near[0, ..., 0][~box].median() < 0.5
    for kind, name in (("ply, splats", "scene_00001_.ply"), ("npz", "scene_00001_.npz")):
        told = nodes["C3DExport"]().export(scene, "c3d/scene", kind, camera)
        assert told["result"] == (str(tmp_path / name),) and (tmp_path / name).stat().st_size > 1000


def test_what_comfyuis_loader_gives_for_no_mask_is_none(nodes: dict[str, Any]) -> None:
    scene, notes = nodes["C3DPrepare"]().prepare(picture(), mask=torch.zeros(1, 64, 64))
    assert "your mask" not in notes and scene.camera.width == W


def test_what_is_no_single_picture_is_refused(nodes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="image: expected one picture, got a batch of 2"):
        nodes["C3DPrepare"]().prepare(picture().repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="hints: expected arrows"):
        nodes["C3DPrepare"]().prepare(picture(), hints="right")
