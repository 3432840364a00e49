"""Damages scenes for C++ and lets `c3d::Scene` read them, under the address and undefined behaviour sanitizers.

    python python_tests/fuzz_scene.py --files 10000

Each file must be refused in one line or rendered, in time and without the memory that its size does not justify. What is found
is printed with the seed that makes it again, and ends the run with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from test_scene_file import SCENE
from twins import CSRC, build_program

from c3drender import export_play

SANITIZE = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
MOST_SECONDS = 20.0  # of one file
MOST_MB = 1024  # of the reader: a sanitizer keeps what was freed, up to 256 MB of it
NUMBERS = [0, 1, -1, 2, 255, 32767, -32768, 65536, 2**31 - 1, -(2**31), 2**32, 2**40, 2**48 - 1, 2**63 - 1, 2**64]
FLOATS = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-45, 1e-30, 1e30, 3.4e38, -3.4e38, -1.0, 0.5]


def seeds() -> list[bytes]:
    """Whole files: of every kind of loop, with and without a fluid, of one frame and of many."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for blend, frames in (("phase", 4), ("contrast", 4), ("linear", 2), ("phase", 1), ("linear", 121)):
            path = Path(folder, "scene.c3dplay")
            export_play(SCENE, path, camera=["circle", "dolly-zoom"], frames=frames, blend=blend)
            found.append(path.read_bytes())
    return found


def damaged(whole: bytes, rng: random.Random) -> bytes:
    length = struct.unpack("<Q", whole[:8])[0]
    header, data = whole[8 : 8 + length], bytearray(whole[8 + length :])
    kind = rng.choice(
        ["bytes", "bits", "cut", "longer", "values", "values", "values", "number", "number", "tree", "tree", "text"]
    )
    if kind in ("bytes", "bits"):
        both = bytearray(whole)
        for _ in range(rng.choice([1, 2, 8, 64])):
            at = rng.randrange(len(both) if rng.random() < 0.5 else 8 + length)
            both[at] = rng.randrange(256) if kind == "bytes" else both[at] ^ (1 << rng.randrange(8))
        return bytes(both)
    if kind == "cut":
        return whole[: rng.randrange(len(whole))]
    if kind == "longer":
        return whole + rng.randbytes(rng.randrange(1, 64))
    if kind == "text":  # a part of the header twice, or not at all
        first = rng.randrange(length)
        end = min(first + rng.randrange(1, 40), length)
        return _file(header[:first] + header[first:end] * rng.choice([0, 2, 3]) + header[end:], data)
    tree = json.loads(header)
    names = [name for name in tree if name != "__metadata__"]
    name = rng.choice(names)
    if kind == "values":
        for name in rng.choices(names, k=rng.choice([1, 1, 3])):
            _damage_values(tree[name], data, rng)
    elif kind == "number":
        numbers = rng.choice([tree[name]["shape"], tree[name]["data_offsets"]])
        if numbers:
            numbers[rng.randrange(len(numbers))] = rng.choice([*NUMBERS, rng.randrange(200)])
    else:
        _damage_tree(tree, name, rng)
    return _file(json.dumps(tree).encode(), data)


def _damage_values(told: dict[str, object], data: bytearray, rng: random.Random) -> None:
    first, end = told["data_offsets"]  # type: ignore[misc]
    code = {"F32": "f", "F64": "d", "I16": "h", "I32": "i", "U8": "B"}[str(told["dtype"])]
    size = struct.calcsize(code)
    for _ in range(rng.choice([1, 4, 64, (end - first) // size]) if end > first else 0):
        at = first + size * rng.randrange((end - first) // size)
        if code in "fd":
            value = rng.choice([*FLOATS, rng.uniform(-10, 10)])
        else:
            bits = 8 * size - (code != "B")
            value = rng.choice([v for v in (*NUMBERS, rng.randrange(100)) if -(2**bits) * (code != "B") <= v < 2**bits])
        data[at : at + size] = struct.pack(f"<{code}", value)


def _damage_tree(tree: dict[str, object], name: str, rng: random.Random) -> None:
    told = tree[name]
    assert isinstance(told, dict)
    kind = rng.choice(["drop", "rename", "type", "shape", "key", "swap", "metadata"])
    if kind == "drop":
        del tree[name]
    elif kind == "rename":
        tree[rng.choice(["path.7.pose", "fluid.phase", "x" * 1000, "ünï"])] = tree.pop(name)
    elif kind == "type":
        told["dtype"] = rng.choice(["F32", "F64", "I16", "I32", "U8", "BOOL", "F16", ""])
    elif kind == "shape":
        told["shape"] = rng.choice([[], told["shape"][::-1], [1, *told["shape"]], [*told["shape"], 1], [0], [[1]], "3", None])
    elif kind == "key":
        told[rng.choice(["dtype", "shape", "data_offsets", "more"])] = rng.choice([None, 1, "F32", [0, 0], {}])
    elif kind == "swap":
        other = rng.choice([other for other in tree if other != "__metadata__"])
        tree[name], tree[other] = tree[other], tree[name]
    else:
        tree["__metadata__"] = rng.choice([{}, {"format": "c3drender play", "version": "2"}, {"format": 1}, None, []])


def _file(header: bytes, data: bytes | bytearray) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(data)


class Reader:
    """The program that reads; started anew after it ended."""

    def __init__(self) -> None:
        self.command = build_program(CSRC / "tests" / "read_scenes.cpp", SANITIZE)
        self.process: subprocess.Popen[bytes] | None = None

    def answer(self, file: bytes) -> str | None:
        """Its line for ``file``; None where it gave none: it crashed, hangs, or took too much memory."""
        if self.process is None:
            options = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096"}
            self.process = subprocess.Popen(
                [self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, env=os.environ | options
            )
        process = self.process
        assert process.stdin and process.stdout
        try:
            process.stdin.write(f"{len(file)}\n".encode() + file)
            process.stdin.flush()
        except BrokenPipeError:
            pass
        if select.select([process.stdout], [], [], MOST_SECONDS)[0]:
            line = process.stdout.readline().decode(errors="replace").strip()
            if line and self.most_mb() <= MOST_MB:
                return line
        self.close()
        return None

    def most_mb(self) -> float:
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


def fuzz(num_files: int, seed: int) -> tuple[Counter[str], list[int]]:
    """How often each kind of answer came, and the numbers of the files that got none or no clear one."""
    wholes, reader, answers, found = seeds(), Reader(), Counter[str](), []
    for whole in wholes:
        assert reader.answer(whole) == "ok"
    for n in range(seed, seed + num_files):
        rng = random.Random(n)
        answer = reader.answer(damaged(rng.choice(wholes), rng))
        if answer is None or not (answer == "ok" or answer.startswith("scene: ")):
            print(f"file {n}: {answer or 'no answer'}", flush=True)
            found.append(n)
        else:
            answers["ok" if answer == "ok" else "refused"] += 1
    reader.close()
    return answers, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first file; each has the next (default: %(default)s)")
    args = parser.parse_args()
    answers, found = fuzz(args.files, args.seed)
    print(f"{args.files} files: {answers['refused']} refused, {answers['ok']} rendered, {len(found)} faults")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
