"""Gives every reader damaged files, for a given time: ``python python_tests/fuzz_files.py --seconds 60``.
With ``--files N --log FILE`` it goes on, in as many runs as it takes, until the file counts N.

A file of ``corpus`` (`fuzz_corpus.py` writes it) is damaged in up to four places: bytes, numbers, lengths, cut, repeated,
joined with another one; PNG chunks with their sums put right, JSON and the headers of scenes as what they say. The reader must

- refuse it in one line that names its argument, as ValueError, TypeError or OSError, or
- give what is sound: finite numbers of the right shape and range, from 3 GiB of memory and 10 s of the processor at most.

What breaks the rules is printed with its seed and counted; ``--call SEED`` does that again and leaves the file in
``build/damaged``; once it is mended it belongs in ``crashers``. The exit status is 1 where anything was found.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import torch
from fuzzing import ROOT, Dice, Found, run
from torch import Tensor

from c3drender.files import (
    load_scene,
    read_camera_keys,
    read_depth,
    read_flow,
    read_hints,
    read_mask,
    read_photo,
    read_segments,
)
from c3drender.files.embedded import photo_depth
from c3drender.files.masks import read_matte
from c3drender.files.numbers import FLOAT_RANGE
from c3drender.files.photo import photo_of
from c3drender.networks.checkpoints import load_motion, load_renderer
from c3drender.networks.training.config import MotionConfig, RenderConfig, read_config
from c3drender.perception.training import PerceptionConfig

CORPUS, CRASHERS = (Path(__file__).resolve().parent / name for name in ("corpus", "crashers"))
H, W = 24, 32
REFUSALS = (ValueError, TypeError, OSError)
MOST_BYTES = 3 << 30  # a picture decodes to 1 GiB at most (docs/formats.md)
MOST_S = 10.0  # of the processor
INTERESTING = [0, 1, -1, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1]
ODD_JSON: list[Any] = [None, True, "", "motion", [], {}, 0, -1, 0.5, 1e308, -1e30, 10**20, [[0, 0]], {"x": 1}, "é" * 50]
ODD_JSON += [[[]] * 50, [1e9, 1e9], 2**31, 1e-320]


# --- readers ----------------------------------------------------------------------------------------------------------


def sound(values: Tensor, shape: tuple[int, ...] | None, low: float, high: float) -> None:
    if shape is not None and tuple(values.shape) != shape:
        raise Found(f"a shape of {list(values.shape)}, expected {list(shape)}")
    if values.dtype != torch.bool and not bool(((values >= low) & (values <= high)).all()):
        raise Found(f"values beyond {low}..{high}, or that are not finite")


def photo(path: Path) -> None:
    shot = photo_of(path, 64)
    sound(shot.image.rgb, (*shot.image.size, 3), 0, 1)
    own = photo_depth(shot)
    if own is not None:
        sound(own.values, None, 0, 1e38)
    sound(read_photo(path.read_bytes(), 64).rgb, (*shot.image.size, 3), 0, 1)


def depth(path: Path) -> None:
    values, kind = read_depth(path, H, W)
    sound(values, (H, W), 0 if kind == "metric" else -3.5e38, 3.5e38)


def hints(path: Path) -> None:
    read = read_hints(path, H, W)
    sound(read.arrows, None, -1e5, 1e5)
    if read.mask is not None:
        sound(read.mask, (H, W), 0, 1)


def keys(path: Path) -> None:
    sound(torch.tensor(read_camera_keys(path).position), None, -3.5e38, 3.5e38)


def config(path: Path) -> None:
    kind = {"motion": MotionConfig, "render": RenderConfig, "perception": PerceptionConfig}[path.stem.split(".")[0]]
    read_config(path, kind)


def scene(path: Path) -> None:
    read = load_scene(path)
    sound(read.layers.rgb, None, *FLOAT_RANGE)  # as resampling leaves them; frames are cut to 0..1
    sound(read.layers.z_cam, None, 0, 3.5e38)


def renderer(path: Path) -> None:
    load_renderer(path)


def motion(path: Path) -> None:
    load_motion(path)


READERS: dict[str, Callable[[Path], None]] = {
    "photo": photo,
    "mask": lambda path: sound(read_mask(path, H, W), (H, W), 0, 1),
    "matte": lambda path: sound(read_matte(path, H, W), (H, W), 0, 1),
    "depth": depth,
    "flow": lambda path: sound(read_flow(path, H, W), (H, W, 2), -1e38, 1e38),
    "segments": lambda path: sound(read_segments(path, H, W).share, None, 0, 1),
    "hints": hints,
    "keys": keys,
    "config": config,
    "scene": scene,
    "renderer": renderer,
    "motion": motion,
}


# --- damage -----------------------------------------------------------------------------------------------------------


def damaged(dice: Dice, path: Path) -> bytes:
    data = path.read_bytes()
    others = [other for other in path.parent.iterdir() if other.suffix == path.suffix]
    for _ in range(dice.one_of((1, 1, 1, 2, 4))):
        ways = [flip, cut, repeat, number, number, remove]
        if path.suffix == ".json":
            ways = [told] * 6 + [flip, cut]
        elif path.suffix == ".png":
            ways += [chunk] * 6
        elif path.suffix == ".c3d":
            ways += [header] * 6
        data = dice.one_of(ways)(dice, data)
        if dice.hits(0.05):
            other = dice.one_of(others).read_bytes()
            data = data[: dice.below(len(data) + 1)] + other[dice.below(len(other) + 1) :]
    return data


def flip(dice: Dice, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.one_of((1, 1, 3, 20)) if changed else 0):
        changed[near(dice, len(changed))] = dice.below(256)
    return bytes(changed)


def near(dice: Dice, length: int) -> int:
    """A place, as often as not in the first 200 bytes: there stands what the rest is."""
    return dice.below(min(length, 200) if dice.hits(0.5) else length)


def cut(dice: Dice, data: bytes) -> bytes:
    return data[: dice.below(len(data) + 1)]


def remove(dice: Dice, data: bytes) -> bytes:
    begin = dice.below(len(data) + 1)
    return data[:begin] + data[begin + dice.one_of((1, 4, 100)) :]


def repeat(dice: Dice, data: bytes) -> bytes:
    begin = dice.below(len(data) + 1)
    part = data[begin : begin + dice.one_of((1, 8, 500))]
    return data[:begin] + part * dice.one_of((2, 30)) + data[begin:]


def number(dice: Dice, data: bytes) -> bytes:
    size = dice.one_of((1, 2, 4, 8))
    if len(data) < size:
        return data
    at = near(dice, len(data) - size + 1)
    value = dice.one_of(INTERESTING) % 256**size
    return data[:at] + value.to_bytes(size, dice.one_of(("little", "big"))) + data[at + size :]


def chunk(dice: Dice, data: bytes) -> bytes:
    """A PNG with one chunk changed inside, and its sum put right."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return data
    which = dice.below(len(chunks))
    name, body = chunks[which]
    if name == b"IDAT" and dice.hits(0.7):
        try:
            body = zlib.compress(dice.one_of((flip, cut, repeat, number))(dice, zlib.decompress(body)))
        except zlib.error:
            body = flip(dice, body)
    else:
        body = dice.one_of((flip, cut, repeat, number, number))(dice, body)
    chunks[which] = (name, body)
    parts = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    return data[:8] + b"".join(parts)


def told(dice: Dice, data: bytes) -> bytes:
    """JSON with one value in it replaced, removed or repeated."""
    try:
        content = json.loads(data)
    except ValueError:
        return flip(dice, data)
    places = list(places_of(content))
    if not places:
        return json.dumps(dice.one_of(ODD_JSON)).encode()
    inside, key = dice.one_of(places)
    how = dice.below(5)
    if how == 0:
        del inside[key]
    elif how == 1 and isinstance(inside, list):
        inside.extend([inside[key]] * dice.one_of((1, 50)))
    elif how == 2 and isinstance(inside, dict):
        inside[dice.one_of(("", "label", "points", "extra", "t"))] = inside.pop(key)
    elif how == 3 and isinstance(inside[key], (int, float)):
        inside[key] = inside[key] * dice.one_of((-1, 0, 1e3, 1e9, 1e300))
    else:
        inside[key] = dice.one_of(ODD_JSON)
    return json.dumps(content).encode()


def places_of(content: Any) -> Any:
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(pairs):
        yield content, key
        yield from places_of(value)


def header(dice: Dice, data: bytes) -> bytes:
    """A scene (safetensors) with its header changed as JSON, and its length put right."""
    (length,) = struct.unpack("<Q", data[:8].ljust(8, b"\0"))
    if not 0 < length < len(data):
        return flip(dice, data)
    changed = told(dice, data[8 : 8 + length])
    return struct.pack("<Q", len(changed)) + changed + data[8 + length :]


# --- one file ---------------------------------------------------------------------------------------------------------


FILES = [path for reader in READERS for path in sorted((CORPUS / reader).glob("*")) if (CORPUS / reader).is_dir()]


def attempt(seed: int) -> str:
    dice = Dice(seed)
    source = dice.one_of(FILES)
    path = Path(gettempdir(), "damaged", source.name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(damaged(dice, source))
    try:
        return read(source.parent.name, path)
    except Found:
        kept = ROOT / "build" / "damaged" / f"{seed}.{source.parent.name}.{source.name}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(path.read_bytes())
        raise


def read(reader: str, path: Path) -> str:
    """What becomes of one file; raises Found where a rule is broken."""
    started = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            READERS[reader](path)
        became = "read"
    except REFUSALS as error:
        if "\n" in str(error) or ":" not in str(error):
            raise Found(f"{reader} {path.name}: says {type(error).__name__}: {error!s:.300}") from error
        became = "refused"
    except Found as found:
        raise Found(f"{reader} {path.name}: {found}") from found
    except Exception as error:
        raise Found(f"{reader} {path.name}: ends in {type(error).__name__}: {error!s:.300}") from error
    took = time.process_time() - started
    if took > MOST_S:
        raise Found(f"{reader} {path.name}: takes {took:.0f} s")
    more = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if more > MOST_BYTES:
        raise Found(f"{reader} {path.name}: takes {more / 2**30:.1f} GiB")
    return became


if __name__ == "__main__":
    sys.exit(run(attempt, __file__, __doc__.splitlines()[0], "files"))
