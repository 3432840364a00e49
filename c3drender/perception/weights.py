"""The weights: as they are trained, and as they are shipped (float16)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load, save

from ..files.place import naming, replacing
from .network import PerceptionNet

FILE = "perception.safetensors"


def write_network(path: Path, network: PerceptionNet) -> None:
    """Write a trained network for `load_network`; the file appears when it is complete."""
    with naming("out", "write", path), replacing(path) as part:
        part.write_bytes(save({name: value.to(torch.float16).contiguous() for name, value in network.state_dict().items()}))


def load_network(path: Path | None = None) -> PerceptionNet:
    """The network with the weights of a file of `write_network`'s, float32, to look with.

    Parameters
    ----------
    path : Path, optional
        None: the weights in the package.

    Raises
    ------
    ValueError, OSError
        With one line.
    """
    try:
        data = path.read_bytes() if path is not None else resources.files(__package__).joinpath(FILE).read_bytes()
        state = load(data)
    except Exception as error:
        if isinstance(error, OSError):
            raise
        raise ValueError(f"perception: expected weights in {path or FILE}, got {error}") from error
    network = PerceptionNet().to(torch.float32).eval()
    try:
        network.load_state_dict({name: value.float() for name, value in state.items()})
    except RuntimeError as error:
        raise ValueError(f"perception: expected weights of this network in {path or FILE}, got others") from error
    network.requires_grad_(False)
    return channels_last(network)


def channels_last(network: PerceptionNet) -> PerceptionNet:
    """The network with its weights in the order in which the processor's convolutions are fastest."""
    for weight in network.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


@cache
def shipped() -> PerceptionNet:
    """The network with the package's own weights, read once."""
    return load_network()
