"""The encoder of a GPU: where there is none the CPU codes the same file as ever, and one line says so."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from c3drender.files import hardware
from c3drender.files.tell import InputWarning
from c3drender.files.video import write_video

FRAMES = [np.full((48, 64, 3), level, np.uint8) for level in (20, 120, 220)]


def written(path: Path, codec: str, **options: object) -> bytes:
    return write_video(path, FRAMES, 10, codec=codec, **options).read_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize(("codec", "missing"), [("h264", "h264_nvenc"), ("hevc", "hevc_nvenc")])
def test_without_it_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, missing: str) -> None:
    available = frozenset(av.codecs_available) - {missing}
    monkeypatch.setattr(hardware.av, "codecs_available", available)
    plain = written(tmp_path / "plain.mp4", codec)
    with pytest.warns(
        InputWarning, match=rf"^hardware: {missing} cannot code here \(this build of PyAV .+\): the CPU codes {codec}$"
    ):
        assert written(tmp_path / "hard.mp4", codec, hardware=True) == plain


@pytest.mark.skipif("h264_nvenc" not in av.codecs_available, reason="this build of PyAV has no NVENC")
def test_one_that_does_not_open_is_told(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.mp4", "h264")
    if hardware.problem_of("h264_nvenc", hardware.OPTIONS, (48, 64), Fraction(10)) is None:
        pytest.skip("NVENC opens here")
    with pytest.warns(
        InputWarning, match=r"^hardware: h264_nvenc cannot code here \(it does not open: .+\): the CPU codes h264$"
    ):
        assert written(tmp_path / "hard.mp4", "h264", hardware=True) == plain


def test_what_names_another_encoders_scale_is_left_to_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, codec, options in (("a.mp4", "h264", {"crf": 30}), ("b.mp4", "hevc", {"bits": 10}), ("c.webm", "vp9", {})):
            assert written(tmp_path / name, codec, hardware=True, **options)


def test_one_that_opens_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another encoder in its place: that the choice reaches the stream."""
    monkeypatch.setattr(hardware, "NVENC", {"h264": "mpeg4"})
    monkeypatch.setattr(hardware, "OPTIONS", {})
    written(tmp_path / "hard.mp4", "h264", hardware=True)
    with av.open(str(tmp_path / "hard.mp4")) as box:
        assert box.streams.video[0].codec_context.name == "mpeg4"
        assert sum(1 for _ in box.decode(video=0)) == len(FRAMES)
