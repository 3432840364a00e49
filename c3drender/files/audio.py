"""The sound that goes with a video: read from a file, repeated or cut to the video's length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from ..data import PathLike
from .place import naming, one_line

RATE_HZ = 48000
CODECS = {"webm": "libopus"}  # by the muxer; the others take AAC
BLOCK = 960  # samples, to Opus' liking


def check_audio(audio: PathLike) -> None:
    """Raise with one line unless the file has sound."""
    with naming("audio", "read", audio):
        try:
            with av.open(str(audio)) as box:
                if not box.streams.audio:
                    raise ValueError(f"audio: expected a file with sound, got {audio}, which has none")
                if next(box.decode(audio=0), None) is None:
                    raise ValueError(f"audio: expected a file with sound, got {audio}, whose track is empty")
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise ValueError(f"audio: expected a file with sound, got {audio} ({one_line(error)})") from error


class Soundtrack:
    """``audio`` as a second stream of ``box``, again and again, for as long as the video lasts."""

    def __init__(self, audio: PathLike, box: OutputContainer, muxer: str) -> None:
        self._stream = cast(AudioStream, box.add_stream(CODECS.get(muxer, "aac"), rate=RATE_HZ, layout="stereo"))
        self._blocks = _repeated(audio, self._stream.format.name)
        self._samples = 0

    def until(self, seconds: Fraction, ends: bool = False) -> Iterator[Packet[AudioStream]]:
        """What is to be muxed next, up to this time; with ``ends`` cut there, and the encoder's rest."""
        wanted = round(seconds * RATE_HZ)
        while self._samples + BLOCK <= wanted:
            yield from self._encoded(next(self._blocks))
        if ends:
            if wanted > self._samples:
                yield from self._encoded(_cut(next(self._blocks), wanted - self._samples))
            yield from self._stream.encode(None)

    def _encoded(self, frame: AudioFrame) -> list[Packet[AudioStream]]:
        frame.pts, frame.time_base = self._samples, Fraction(1, RATE_HZ)
        self._samples += frame.samples
        return self._stream.encode(frame)


def _repeated(audio: PathLike, sample_format: str) -> Iterator[AudioFrame]:
    """Blocks of `BLOCK` samples, the file's end followed by its beginning without a gap."""
    fifo = AudioFifo()
    while True:
        with av.open(str(audio)) as box:
            resampler = AudioResampler(format=sample_format, layout="stereo", rate=RATE_HZ)
            for decoded in itertools.chain(box.decode(audio=0), [None]):
                for frame in resampler.resample(decoded):
                    frame.pts = None  # the fifo would take the second turn's for a jump back
                    fifo.write(frame)
                while (block := fifo.read(BLOCK)) is not None:
                    yield block


def _cut(block: AudioFrame, samples: int) -> AudioFrame:
    values = block.to_ndarray()
    # Planar samples have a row for each of the two channels, others one row of pairs.
    kept = np.ascontiguousarray(values[:, : samples if block.format.is_planar else 2 * samples])
    cut = AudioFrame.from_ndarray(cast(Any, kept), format=block.format.name, layout="stereo")
    cut.sample_rate = RATE_HZ
    return cut
