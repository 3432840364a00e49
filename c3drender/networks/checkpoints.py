"""Reading checkpoints: the authors' files, and those that training writes in the same layout. Weights only, nothing is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..data import PathLike
from ..files.place import naming, replacing
from ..ops import COMPOSITORS
from . import dpt
from .decoder import Decoder
from .features import FeatureExtractor
from .inpainters import ColourInpainter, DepthInpainter
from .motion import MotionNetwork

RENDERER_FILE = re.compile(r"model_(\d+)\.pth")
MOTION_FILE = "sceneflow_model.pth"
DEPTH_INPAINTER_FILE = "depth-model.pth"
COLOUR_INPAINTER_FILE = "color-model.pth"
DEPTH_FILE = "dpt_hybrid-midas-501f0c75.pt"
CONSTANT = ".mask_conv.weight"  # all ones in the released files; a partial convolution counts with it
NUM_NAMED = 3

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class RenderModel:
    """The learned renderer, in evaluation mode.

    Attributes
    ----------
    features : FeatureExtractor
        Encodes a scene's layers.
    decoder : Decoder
        Makes the frame.
    """

    features: FeatureExtractor
    decoder: Decoder


@dataclass(frozen=True, eq=False)
class PublishedModels:
    """All networks of the released system, in evaluation mode.

    Attributes
    ----------
    renderer : RenderModel
    motion : MotionNetwork
    depth_inpainter : DepthInpainter
    colour_inpainter : ColourInpainter
    depth : DepthNetwork or None
        None without its file.
    """

    renderer: RenderModel
    motion: MotionNetwork
    depth_inpainter: DepthInpainter
    colour_inpainter: ColourInpainter
    depth: dpt.DepthNetwork | None


def load_renderer(path: PathLike, device: torch.device | str = "cpu") -> RenderModel:
    """Load feature extractor and decoder.

    Parameters
    ----------
    path : path
        A file ``model_<step>.pth``, or a directory, of which the one with the largest step is taken. An entry ``compositor``,
        which the authors' files do not have, names the `Decoder`'s.
    device : str or torch.device

    Returns
    -------
    RenderModel

    Raises
    ------
    ValueError, OSError
        With one line that names the file and what is missing, unexpected or of the wrong shape.
    """
    file = _renderer_file(Path(path))
    state = _read(file)
    features, decoder = (_entry(state, name, file) for name in ("feature_net", "img_decoder"))
    compositor = state.get("compositor", "alpha")
    if compositor not in COMPOSITORS:
        raise ValueError(f"{file}: compositor must be one of {', '.join(COMPOSITORS)}, got {compositor!r}")
    extractor_width, decoder_width = _rows(features, "conv1.weight", file), _rows(decoder, "firstconv.weight", file)
    return RenderModel(
        _loaded(lambda: FeatureExtractor(width=extractor_width), features, file, device),
        _loaded(lambda: Decoder(width=decoder_width, compositor=compositor), decoder, file, device),
    )


def load_motion(path: PathLike, device: torch.device | str = "cpu") -> MotionNetwork:
    """Load the motion network.

    Parameters
    ----------
    path : path
        A file ``sceneflow_model.pth``, or the directory that holds it.
    device : str or torch.device

    Returns
    -------
    MotionNetwork

    Raises
    ------
    ValueError, OSError
        As `load_renderer`.
    """
    file = _in_folder(Path(path), MOTION_FILE)
    state = _entry(_read(file), "netG", file)
    width = _rows(state, "motion_predictor.conv1.weight_orig", file)
    return _loaded(lambda: MotionNetwork(width), state, file, device)


def load_published(folder: PathLike, device: torch.device | str = "cpu") -> PublishedModels:
    """Load the authors' networks.

    Parameters
    ----------
    folder : path
        With ``model_150000.pth``, ``sceneflow_model.pth``, ``depth-model.pth`` and ``color-model.pth``, and
        ``dpt_hybrid-midas-501f0c75.pt`` where depth is to be estimated as they did (it needs ``transformers``).
    device : str or torch.device

    Returns
    -------
    PublishedModels

    Raises
    ------
    ValueError, OSError
        As `load_renderer`.
    """
    folder = Path(folder)
    renderer, motion = load_renderer(folder, device), load_motion(folder, device)

    def inpainter(make: Callable[[], Network], name: str) -> Network:
        file = _in_folder(folder, name)
        return _loaded(make, _without_constants(_read(file), file), file, device)

    depth_inpainter = inpainter(DepthInpainter, DEPTH_INPAINTER_FILE)
    colour_inpainter = inpainter(ColourInpainter, COLOUR_INPAINTER_FILE)
    depth = load_depth_network(folder, device) if (folder / DEPTH_FILE).exists() else None
    return PublishedModels(renderer, motion, depth_inpainter, colour_inpainter, depth)


def load_depth_network(path: PathLike, device: torch.device | str = "cpu") -> dpt.DepthNetwork:
    """Load the released system's depth network.

    Parameters
    ----------
    path : path
        A file ``dpt_hybrid-midas-501f0c75.pt``, or the directory that holds it.
    device : str or torch.device

    Returns
    -------
    DepthNetwork

    Raises
    ------
    ValueError, OSError
        As `load_renderer`, where keys have transformers' names.
    """
    file = _in_folder(Path(path), DEPTH_FILE)
    state = _read(file)
    return _loaded(dpt.DepthNetwork, dpt.from_release(state["model"] if "optimizer" in state else state), file, device)


def _renderer_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = {int(match[1]): file for file in path.iterdir() if (match := RENDERER_FILE.fullmatch(file.name))}
    if not found:
        raise ValueError(f"model: expected a file model_<step>.pth in {path}, got none")
    return found[max(found)]


def _in_folder(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def read_weights(name: str, path: PathLike) -> Any:
    """What ``torch.save`` wrote, if that is tensors and plain values; ``name`` is the argument that an error names."""
    try:
        with naming(name, "read", path):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # A damaged file fails as whatever the unpickler runs into.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{name}: expected weights saved by torch in {path}, got {reason}") from error


def write_weights(name: str, path: PathLike, content: Mapping[str, Any]) -> None:
    """The counterpart of `read_weights`: the file appears only when it is complete."""
    with naming(name, "write", path), replacing(Path(path)) as part:
        torch.save(dict(content), part)


def _read(path: Path) -> Mapping[str, Any]:
    state = read_weights("model", path)
    if not isinstance(state, Mapping):
        raise ValueError(f"{path}: expected a dictionary of weights, got {type(state).__name__}")
    return state


def _entry(state: Mapping[str, Any], name: str, file: Path) -> Mapping[str, Tensor]:
    entry = state.get(name)
    if not isinstance(entry, Mapping):
        raise ValueError(f"{file}: expected an entry {name}, got {_named(list(state))}")
    for key, value in entry.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(f"{file}: expected tensors by their names in {name}, got {key!r:.40}: {type(value).__name__}")
    return entry


def _rows(state: Mapping[str, Tensor], key: str, file: Path) -> int:
    """How wide a network is, from the first of its weights."""
    if key not in state:
        raise ValueError(f"{file}: 1 key is missing ({key})")
    if state[key].dim() == 0:
        raise ValueError(f"{file}: {key} must have rows, got a single number")
    return len(state[key])


def _without_constants(state: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    for key, value in state.items():
        if key.endswith(CONSTANT) and not bool((value == 1).all()):
            raise ValueError(f"{file}: {key} must be all ones")
    return {key: value for key, value in state.items() if not key.endswith(CONSTANT)}


def _named(keys: list[str]) -> str:
    return ", ".join(map(str, keys[:NUM_NAMED])) + (", ..." if len(keys) > NUM_NAMED else "")


def _loaded(make: Callable[[], Network], state: Mapping[str, Tensor], file: Path, device: torch.device | str) -> Network:
    """The network with these weights, or one line that says how they differ from what it has."""
    with torch.device("meta"):
        network = make().to(torch.float32)
    expected = network.state_dict()
    missing, extra = [key for key in expected if key not in state], [key for key in state if key not in expected]
    if missing or extra:
        said = [
            f"{len(keys)} {'key is' if len(keys) == 1 else 'keys are'} {what} ({_named(keys)})"
            for keys, what in ((missing, "missing"), (extra, "unknown"))
            if keys
        ]
        raise ValueError(f"{file}: {type(network).__name__}: {', '.join(said)}")
    for key, value in expected.items():
        if state[key].shape != value.shape:
            raise ValueError(f"{file}: {key} must be {list(value.shape)}, got {list(state[key].shape)}")
    network.load_state_dict({key: state[key].to(value.dtype) for key, value in expected.items()}, assign=True)
    return network.to(device).eval().requires_grad_(False)
