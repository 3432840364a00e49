"""The Eulerian-flow dataset's clips into folders: what they become, what is refused, and that no pickle runs."""

from __future__ import annotations

import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from lz4 import frame as lz4

from c3drender import cli
from c3drender.files.flow import read_flow
from c3drender.files.photo import read_photo
from c3drender.networks.training.clips import convert_clips, read_motion
from c3drender.networks.training.folder import read_clips

H, W, FRAMES = 48, 64, 4
FLOW = np.stack([np.full((H, W), 1.5), np.linspace(-2, 2, H * W).reshape(H, W)])[None].astype(np.float32)


def write_video(path: Path, width: int = W, frames: int = FRAMES) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, H, "yuv420p"
        for n in range(frames):
            picture = np.full((H, width, 3), (60 * n, 100, 200 - 40 * n), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    for clip in ("00001_00000", "00001_00060"):
        write_video(folder / f"{clip}_gt.mp4")
        (folder / f"{clip}_motion.pth").write_bytes(lz4.compress(pickle.dumps(FLOW)))
    return folder


def test_clips_become_what_training_reads(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "clips", str(published), "-o", str(tmp_path / "clips" / "train"), "--quiet"]) == 0
    clips = read_clips(str(tmp_path / "clips"), "train")
    assert [len(clip.frames) for clip in clips] == [FRAMES, FRAMES]
    flow = read_flow(clips[0].flow, H, W)
    assert torch.equal(flow, torch.from_numpy(FLOW[0]).permute(1, 2, 0))
    shown = [read_photo(path).rgb.mean((0, 1)) * 255 for path in clips[1].frames]
    for n, colour in enumerate(shown):
        torch.testing.assert_close(colour, torch.tensor([60.0 * n, 100, 200 - 40 * n]), atol=6, rtol=0)
    assert convert_clips(published, tmp_path / "clips" / "train", progress=False) == []  # they are there


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "stored",
    [FLOW, FLOW.astype(">f4"), FLOW.astype(np.float64), FLOW[0].astype(np.float16), np.asfortranarray(FLOW)],
    ids=["float32", "big-endian", "float64", "float16", "by columns"],
)
def test_every_pickled_layout_is_read(tmp_path: Path, protocol: int, stored: Any) -> None:
    file = tmp_path / "a_motion.pth"
    file.write_bytes(lz4.compress(pickle.dumps(stored, protocol)))
    flow = read_motion(file)
    assert flow.dtype == np.float32 and flow.flags.c_contiguous
    np.testing.assert_allclose(flow, FLOW[0].transpose(1, 2, 0), atol=2e-3)


def test_tensors_and_bare_pickles_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a_motion.pth"
    torch.save(torch.from_numpy(FLOW), file)
    assert np.array_equal(read_motion(file), FLOW[0].transpose(1, 2, 0))
    file.write_bytes(pickle.dumps(FLOW))
    assert np.array_equal(read_motion(file), FLOW[0].transpose(1, 2, 0))


class Program:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def test_no_pickle_runs(tmp_path: Path) -> None:
    file, target = tmp_path / "a_motion.pth", tmp_path / "made"
    objects = np.array([Program(target)], dtype=object)
    for content in (Program(target), [FLOW, Program(target)], {"flow": Program(target)}, objects):
        for wrap in (lz4.compress, bytes):
            file.write_bytes(wrap(pickle.dumps(content)))
            with pytest.raises(ValueError, match=r"^source: expected a pickled array .* asks for (posix|nt)\.mkdir$"):
                read_motion(file)
        torch.save(content, file)
        with pytest.raises(ValueError, match=r"^source: expected weights saved by torch"):
            read_motion(file)
    assert not target.exists()


def array_of(shape: tuple[int, ...], kind: np.dtype, raw: bytes) -> bytes:
    """A pickle of an array that NumPy itself would not make."""

    class Told:
        def __reduce__(self) -> Any:
            rebuild, start, _ = np.zeros(1, np.float32).__reduce__()  # type: ignore[misc]
            return rebuild, start, (1, shape, kind, False, raw)

    return pickle.dumps(Told())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a pickled array of floats"),
        (zlib.compress(pickle.dumps(FLOW)), "expected a pickled array of floats"),
        (lz4.compress(pickle.dumps(FLOW))[:-40], "LZ4 frame"),
        (b"\x04\x22\x4d\x18" + bytes(20), "expected an LZ4 frame"),
        (lz4.compress(bytes(300 << 20)), "of at most 256 MiB"),
        (pickle.dumps([1, 2]), "got list"),
        (pickle.dumps(FLOW.astype(np.int32)), "numbers of the format 'i4'"),
        (pickle.dumps(FLOW[0, 0]), r"expected a flow of floats, \[1, 2, H, W\], in .*, got float32 \[48, 64\]"),
        (pickle.dumps(np.repeat(FLOW, 2, 0)), "expected one flow in .*, got 2"),
        (pickle.dumps(FLOW * np.float32(np.inf)), "expected finite numbers"),
        (pickle.dumps(FLOW[:, :, :0]), "expected finite numbers in .* or none"),
        (array_of((1, 2, 10**9, 10**9), np.dtype(np.float32), b""), "0 bytes for"),
        (array_of((1, 2, -3, 4), np.dtype(np.float32), b""), "a shape of"),
        (array_of((1, 2, 1, 1), np.dtype(object), b"12345678"), "numbers of the format 'O8'"),
    ],
)
def test_damaged_motion_gets_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "a_motion.pth"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        read_motion(file)
    assert str(caught.value).startswith("source: ") and str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_incomplete_sources_are_named_and_leave_nothing(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match=r"^source: cannot read "):
        convert_clips(tmp_path / "none", out, progress=False)
    clip = "00001_00060"
    for break_it, message in (
        (
            lambda: write_video(published / f"{clip}_gt.mp4", width=80),
            "expected frames of the flow's 64 x 48 px in .* got 80 x 48",
        ),
        (lambda: write_video(published / f"{clip}_gt.mp4", frames=2), "expected three frames or more in .*, got 2"),
        (lambda: (published / f"{clip}_gt.mp4").write_bytes(b"no video"), "expected a video in "),
        (lambda: (published / f"{clip}_motion.pth").unlink(), f"expected .* got no {clip}_motion.pth"),
    ):
        break_it()
        with pytest.raises(ValueError, match=f"^source: {message}"):
            convert_clips(published, out, progress=False)
        assert {path.name for path in out.iterdir()} == {"00001_00000"}
