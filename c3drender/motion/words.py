"""What was found to move, in plain words: one line that a person with a photo can check at a glance and correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Flame, Ripple, Sway
from .guess import Part

Array = NDArray[Any]
Beside = type[Flame | Ripple | Sway]  # what moves without drifting

WORDS = {"water": "water", "rapids": "white water", "sky": "clouds", "smoke": "smoke"}
BESIDE: dict[Beside, tuple[str, str]] = {Flame: ("flames", "flicker"), Ripple: ("still water", "ripples")}
DIRECTIONS = (
    "right",
    "lower right",
    "down",
    "lower left",
    "left",
    "upper left",
    "up",
    "upper right",
)  # 45 degrees each, y down
ONE_WAY = 0.6  # of the mean speed that is left of the mean step: less, and no one direction tells where it goes
LEAST_TOLD_SHARE = 0.005  # of the picture: smaller parts are named only where there are no others
HOW_TO = "an arrow or a mask"


def what_moves(parts: Sequence[Part], step_px: Array, pointed: bool, beside: Sequence[tuple[Beside, float]] = ()) -> str:
    """The line of a picture whose ``parts`` were found without a mask. ``step_px`` ``[H, W, 2]``: the flow that they got;
    ``pointed``: with the user's arrows; ``beside``: what else moves, and its share of the picture."""
    moving = [part for part in parts if part.moves and _drifts(part, step_px)]
    doubtful = [part for part in parts if not part.moves]
    others = [f"{name} ({percent(share)} of the picture) {does}" for kind, share in beside for name, does in [BESIDE[kind]]]
    if not moving and not others:
        found = f"{_listed([_seen(part) for part in _told(doubtful)])} may move, but not surely" if doubtful else None
        return f"motion: {found or 'nothing here flows, as far as can be told'}: the camera moves alone; {HOW_TO} moves more"
    drifting = [f"{_seen(part)} {_way(step_px[part.mask], plural=part.kind == 'sky')}" for part in _told(moving)]
    line = f"motion: {'along your arrows, ' if pointed else ''}{_listed([*drifting, *others])}; all else stays"
    if doubtful:
        line += f"; {_listed([_seen(part) for part in _told(doubtful)])} may move, but not surely: {HOW_TO} would move it"
    return line


def what_a_mask_moves(step_px: Array, guessed: str, held: float = 0.0) -> str:
    """The line of a picture whose mask the user gave. ``guessed``: how directions were found; ``held``: the share of the
    picture that the mask moves and what the picture shows does not."""
    moves = (step_px[..., 0] != 0) | (step_px[..., 1] != 0)
    if not moves.any():
        return "motion: your mask, nothing in it may move"
    less = f" ({percent(held)} more in it shows what stays)" if held else ""
    return f"motion: your mask, {percent(moves.mean())} of the picture{less}, {_way(step_px[moves])}; {guessed}"


def percent(share: float) -> str:
    """A share of the picture as a person reads it: never 0 % of something that is there."""
    return "less than 1 %" if 0 < share < 0.005 else f"{100 * float(share):.0f} %"


def direction_name(step_px: Array) -> str | None:
    """Where steps ``[N, 2]`` lead on the whole, by name; None where they lead nowhere in particular."""
    mean = step_px.mean(axis=0)
    length = float(np.hypot(*mean))
    if length <= ONE_WAY * float(np.hypot(step_px[:, 0], step_px[:, 1]).mean()):
        return None
    return DIRECTIONS[round(np.arctan2(mean[1], mean[0]) / (np.pi / 4)) % 8]


def _drifts(part: Part, step_px: Array) -> bool:
    return bool(np.any(step_px[part.mask]))


def _way(step_px: Array, plural: bool = False) -> str:
    move, run = ("move", "run") if plural else ("moves", "runs")
    name = direction_name(step_px[np.any(step_px != 0, axis=1)])
    if name is None:
        return f"{run} along its streaks" if not plural else "run along their streaks"
    return f"{move} {name}" if name in ("up", "down") else f"{move} to the {name}"


def _seen(part: Part) -> str:
    return f"{WORDS[part.kind]} ({percent(part.mask.mean())} of the picture, {part.sure:.1f} sure)"


def _told(parts: Sequence[Part]) -> Sequence[Part]:
    return [part for part in parts if part.mask.mean() >= LEAST_TOLD_SHARE] or parts


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
