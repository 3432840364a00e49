"""What a training run is told: frozen dataclasses, read from a JSON file whose every name and type is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ...files.keys import read_json
from ...files.place import parse_json
from ...ops import Compositor
from ..features import SIZE_MULTIPLE
from ..motion import MASK_CHANNEL
from ..motion import SIZE_MULTIPLE as MOTION_SIZE_MULTIPLE

MIN_DECODER_CHANNELS = 12  # what `renderer.start_from_colours` takes
ConfigT = TypeVar("ConfigT")
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Schedule:
    """``batch_size`` is that of one process. ``workers``: processes that make samples ahead, 0 makes them in place. Every
    ``log_every`` steps a row goes to the log, every ``validate_every`` steps ``num_validation`` samples that are never trained
    on are judged, every ``checkpoint_every`` steps the run is saved; validation and a checkpoint also end it."""

    steps: int = 150_000
    batch_size: int = 4
    workers: int = 0
    log_every: int = 50
    validate_every: int = 5_000
    num_validation: int = 32
    checkpoint_every: int = 5_000


@dataclass(frozen=True)
class Optimiser:
    """Adam. The learning rates fall to zero along a half cosine. ``clip_norm`` bounds the norm of each network's gradient;
    ``ema_decay`` is that of the averaged weights, which are validated and saved for use."""

    learning_rate: float = 2e-4
    discriminator_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: Precision = "float32"


@dataclass(frozen=True)
class MotionWeights:
    end_point: float = 10.0
    adversarial: float = 1.0
    feature_matching: float = 10.0


@dataclass(frozen=True)
class RenderWeights:
    l1: float = 10.0
    perceptual: float = 1.0
    adversarial: float = 0.1
    feature_matching: float = 1.0


@dataclass(frozen=True)
class RunConfig:
    """What both stages share. ``out``: the folder of the run. ``data``: ``"procedural"``, or a folder of clips
    (`folder.read_clips`). ``size_px``: the side of the square pictures that are trained on."""

    out: str
    data: str = "procedural"
    size_px: int = 256
    seed: int = 0
    discriminator_channels: int = 64
    schedule: Schedule = field(default_factory=Schedule)
    optimiser: Optimiser = field(default_factory=Optimiser)


@dataclass(frozen=True)
class MotionConfig(RunConfig):
    """Stage one: picture, mask and hints to a flow. ``channels``: the network's base width; the published one has 32."""

    channels: int = 32
    weights: MotionWeights = field(default_factory=MotionWeights)

    def __post_init__(self) -> None:
        _check_run(self)
        _check(self.size_px % MOTION_SIZE_MULTIPLE == 0, "size_px", f"a multiple of {MOTION_SIZE_MULTIPLE}", self.size_px)
        _check(self.channels > MASK_CHANNEL, "channels", f"> {MASK_CHANNEL}", self.channels)


@dataclass(frozen=True)
class RenderConfig(RunConfig):
    """Stage two: extractor and decoder. ``margin_px``: how far the points reach beyond the picture. ``compositor``: that of
    the splat, and with it what the decoder does (`Decoder`); ``"alpha"`` is the paper's. The ``channels`` are the base widths;
    the published networks have 64 and 32. ``vgg_weights``: torchvision's VGG-19 state dict for the perceptual loss; None: a
    structural loss instead."""

    margin_px: int = 32
    compositor: Compositor = "surface"
    extractor_channels: int = 64
    decoder_channels: int = 32
    vgg_weights: str | None = None
    weights: RenderWeights = field(default_factory=RenderWeights)

    def __post_init__(self) -> None:
        _check_run(self)
        _check(self.size_px % SIZE_MULTIPLE == 0, "size_px", f"a multiple of {SIZE_MULTIPLE}", self.size_px)
        _check(self.size_px >= 2 * SIZE_MULTIPLE, "size_px", f">= {2 * SIZE_MULTIPLE}", self.size_px)
        _check(self.margin_px >= 0 and self.margin_px % 8 == 0, "margin_px", "a multiple of 8, >= 0", self.margin_px)
        _check(self.extractor_channels >= 1, "extractor_channels", ">= 1", self.extractor_channels)
        least = MIN_DECODER_CHANNELS
        _check(self.decoder_channels >= least, "decoder_channels", f">= {least}", self.decoder_channels)


def _check(holds: bool, name: str, expected: str, got: Any) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, got {got!r}")


def _check_run(config: RunConfig) -> None:
    schedule, optimiser = config.schedule, config.optimiser
    for name in ("steps", "batch_size", "log_every", "validate_every", "num_validation", "checkpoint_every"):
        _check(getattr(schedule, name) >= 1, f"schedule.{name}", ">= 1", getattr(schedule, name))
    _check(schedule.workers >= 0, "schedule.workers", ">= 0", schedule.workers)
    _check(config.discriminator_channels >= 1, "discriminator_channels", ">= 1", config.discriminator_channels)
    for name in ("learning_rate", "discriminator_rate", "clip_norm"):
        _check(getattr(optimiser, name) > 0, f"optimiser.{name}", "> 0", getattr(optimiser, name))
    for name in ("beta1", "beta2", "ema_decay"):
        _check(0 <= getattr(optimiser, name) < 1, f"optimiser.{name}", "at least 0 and below 1", getattr(optimiser, name))


def read_config(path: str | Path, kind: type[ConfigT], overrides: Sequence[str] = ()) -> ConfigT:
    """Read a JSON file into ``kind``. Names that it lacks get their defaults; relative paths in it start where the run starts.
    ``overrides``: ``name=value`` each, dotted where names lie within names, instead of what the file says; a value is JSON or
    a plain word.

    Raises OSError for an unreadable file and ValueError for everything that ``kind`` does not know, in one line.
    """
    values = read_json("config", path)
    for override in overrides:
        _override(values, override)
    return _build(values, kind, "config")


def _override(values: Any, override: str) -> None:
    dotted, equals, text = override.partition("=")
    *folders, name = dotted.split(".")
    if not equals or not name or not isinstance(values, dict):
        raise ValueError(f"set: expected name=value, such as schedule.steps=1000, got {override!r}")
    for folder in folders:
        values = values.setdefault(folder, {})
        if not isinstance(values, dict):
            raise ValueError(f"set: expected an object of names at {folder}, got {values!r:.40} for {override!r}")
    try:
        values[name] = parse_json(text)
    except ValueError:
        values[name] = text


def _build(values: Any, kind: type[ConfigT], where: str) -> ConfigT:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected an object with names, got {values!r}")
    hints = get_type_hints(kind)
    known = list(hints)
    for name in values:
        if name not in known:
            raise ValueError(f"{where}: expected one of {', '.join(known)}, got {name!r}")
    for entry in fields(kind):  # type: ignore[arg-type]  # ``kind`` is a dataclass
        if entry.name not in values and entry.default is MISSING and entry.default_factory is MISSING:
            meaning = ", the folder of the run" if entry.name == "out" else ""
            raise ValueError(f"{where}: expected {entry.name}{meaning}, got none")
    return kind(**{name: _convert(value, hints[name], f"{where}.{name}") for name, value in values.items()})


def _convert(value: Any, hint: Any, where: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return _build(value, hint, where)
    if get_origin(hint) is UnionType:
        (inner,) = (choice for choice in get_args(hint) if choice is not NoneType)
        return None if value is None else _convert(value, inner, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{where}: expected one of {', '.join(map(repr, get_args(hint)))}, got {value!r}")
        return value
    # JSON writes 1.0 as 1 where it can; True is no number here.
    accepted = {float: (int, float), int: (int,), str: (str,)}[hint]
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise ValueError(f"{where}: expected {hint.__name__}, got {value!r}")
    return hint(value)
