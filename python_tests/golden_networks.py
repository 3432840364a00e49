"""The deterministic weights under which the authors' networks made the fixtures, in the layout of their checkpoints."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

KEYS = Path(__file__).resolve().parent / "golden" / "net_keys.json"


@cache
def _specification() -> dict:
    return json.loads(KEYS.read_text())


def golden_state(network: str) -> dict[str, Tensor]:
    """The state dict of ``feature_net``, ``img_decoder``, ``netG``, ``depth_model``, ``color_model`` or ``dpt_hybrid``."""
    gain = _specification()["gains"][network]
    state = {}
    for entry in _specification()["state_dicts"][network]:
        key, shape = entry["key"], tuple(entry["shape"])
        state[key] = torch.from_numpy(_drawn(key, shape, gain)) if entry["dtype"] == "float32" else torch.tensor(0)
    for key in [k for k in state if k.endswith("weight_v")]:
        stem = key.removesuffix("_v")
        v = state[f"{stem}_orig"].double().flatten(1).T @ state[f"{stem}_u"].double()
        state[key] = (v / v.norm()).float()
    return state


def golden_checksums(network: str) -> dict[str, tuple[float, float]]:
    """For every key the first entry and the float64 sum that its weights must have."""
    return {e["key"]: (e["first"], e["sum"]) for e in _specification()["state_dicts"][network] if e["dtype"] == "float32"}


def _drawn(key: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
    v = np.asarray(draw).astype(np.float32)
    name = key.rsplit(".", 1)[-1]
    if key.endswith("mask_conv.weight"):
        v = np.ones(shape, np.float32)
    elif name == "weight_u":
        v = v / np.float32(np.linalg.norm(v))
    elif name == "running_var":
        v = np.float32(0.5) + np.abs(v)
    elif name in ("pos_embed", "cls_token"):
        v = np.float32(0.5) * v
    elif len(shape) == 0:
        v = np.float32(1.0) + np.float32(0.1) * v
    elif len(shape) == 1 and name == "weight":
        v = np.float32(0.25 if shape[0] == 1 else 1.0) + np.float32(0.1) * v
    elif len(shape) == 1:
        v = np.float32(0.1) * v
    else:
        v = v * np.float32(gain / np.sqrt(np.prod(shape[1:])))
    return np.asarray(v, np.float32)
