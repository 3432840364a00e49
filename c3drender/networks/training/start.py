"""Starting from a checkpoint: a stage's networks get the weights of a file that has them, under whatever prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...data import PathLike
from ..checkpoints import read_weights
from .stage import Stage

NUM_NAMED = 3


def start_from(stage: Stage, checkpoint: PathLike) -> tuple[str, ...]:
    """Give the networks of ``stage`` the weights of a checkpoint; returns lines that say what was taken.

    A file of this package or of the authors holds each network under its name, such as ``netG``; others put prefixes before
    that (``module.`` of a parallel run, ``state_dict.model.``), or hold one network bare. Where the file says by which
    compositor its decoder was trained, that must be the configuration's.

    Parameters
    ----------
    stage : Stage
    checkpoint : path
        A file, or a folder of a run or of the authors' checkpoints.

    Raises
    ------
    ValueError, OSError
        With one line that names the file and what is missing in it, or differs.
    """
    file = _file_in(Path(checkpoint), stage)
    content = read_weights("init", file)
    if not isinstance(content, Mapping):
        raise ValueError(f"init: expected a dictionary of weights in {file}, got {type(content).__name__}")
    tensors = dict(_flat(content))
    stage.check_start(content, file)
    lines = []
    for name, (module, needed) in stage.parts.items():
        prefix = _prefix(tensors, name, next(iter(module.state_dict())), file)
        if prefix is None and needed:
            raise ValueError(f"init: expected the weights of {name} in {file}, got {_named(list(tensors)) or 'no tensor'}")
        if prefix is None:
            lines.append(f"init: no {name} in {file}, a new one starts")
            continue
        found = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        module.load_state_dict(_fitting(module, found, name, file))
        lines.append(f"init: {name} from {file}")
    return tuple(lines)


def _file_in(path: Path, stage: Stage) -> Path:
    if not path.is_dir():
        return path
    pattern, _ = stage.published(stage.generator)
    found = sorted(path.glob(pattern.replace("{step}", "*")), key=lambda file: (len(file.name), file.name))
    if not found:
        raise ValueError(f"init: expected a file {pattern.replace('{step}', '<step>')} in {path}, got none")
    return found[-1]


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors by their dotted names."""
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")


def _prefix(tensors: Mapping[str, Tensor], name: str, first: str, file: Path) -> str | None:
    """What stands before a network's own keys, of which ``first`` is one; None where there is no such network."""
    named = f"{name}.{first}"
    found = [key.removesuffix(first) for key in tensors if key == named or key.endswith(f".{named}")]
    # Parallel runs name what they wrap: netG.module.conv1.weight.
    found += [key.removesuffix(first) for key in tensors if key.endswith(f"{name}.module.{first}")]
    if not found and first in tensors:
        return ""
    if len(found) > 1:
        raise ValueError(f"init: expected one {name} in {file}, got {len(found)} ({_named(found)})")
    return found[0] if found else None


def _fitting(module: nn.Module, found: Mapping[str, Tensor], name: str, file: Path) -> dict[str, Tensor]:
    expected = module.state_dict()
    for what, keys in (("lacks", expected.keys() - found.keys()), ("has beside them", found.keys() - expected.keys())):
        if keys:
            raise ValueError(f"init: expected the {len(expected)} weights of {name}; {file} {what} {_named(sorted(keys))}")
    for key, value in expected.items():
        if found[key].shape != value.shape:
            shapes = f"{list(value.shape)} for {name}.{key}, as the configuration's widths say"
            raise ValueError(f"init: expected {shapes}, got {list(found[key].shape)} in {file}")
        if not bool(torch.isfinite(found[key]).all()):
            raise ValueError(f"init: expected finite weights, got NaN or infinity in {name}.{key} of {file}")
    return {key: found[key].to(value.dtype) for key, value in expected.items()}


def _named(keys: list[str]) -> str:
    return ", ".join(keys[:NUM_NAMED]) + (", ..." if len(keys) > NUM_NAMED else "")
