"""Every kind of file that a cinemagraph can be, as ffprobe reads it back.

    python benchmarks/formats.py [--folder DIR]

Twelve frames of the bundled example at 320 px, written in every container and codec, with what each carries beside: an alpha
channel, sound, both eyes, depth. A row that ffprobe reads otherwise than asked ends the run with status 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np

import c3drender
from c3drender.files.container import CODECS, CONTAINERS
from c3drender.files.depth_video import write_depth
from c3drender.files.video import write_video
from c3drender.pipeline.crop import Window, window_of
from c3drender.pipeline.cutout import cutouts_of
from c3drender.pipeline.quilt import quilts_of, read_quilt
from c3drender.pipeline.shot import Shot, shot_of
from c3drender.pipeline.stereo import PACKINGS, pictures_of

FRAMES, FPS, WIDTH, LOOPS = 12, 12, 320, 2
TONE_S, RATE_HZ = 0.7, 48000
EXAMPLE = files("c3drender") / "example"


@dataclass(frozen=True)
class Case:
    """A file ``name``, which frames it is made of, how, and what ffprobe must find."""

    name: str
    frames: str
    options: dict[str, Any] = field(default_factory=dict)
    finds: dict[str, str] = field(default_factory=dict)


def cases(tone: Path) -> Iterator[Case]:
    for suffix, kind in CONTAINERS.items():
        for codec in kind.codecs:
            if not any(encoder in av.codecs_available for encoder in CODECS[codec].encoders):
                continue
            yield Case(f"{codec}{suffix}", "colour", {"codec": codec, "loops": LOOPS}, {"codec": codec})
            if 10 in CODECS[codec].pixels and codec != "prores":
                yield Case(f"{codec}_10bit{suffix}", "colour", {"codec": codec, "bits": 10}, {"pixels": "yuv420p10le"})
            if CODECS[codec].alpha is not None:
                yield Case(f"{codec}_alpha{suffix}", "alpha", {"codec": codec, "alpha": True}, {"alpha": "yes"})
        yield Case(
            f"sound{suffix}", "colour", {"audio": tone, "loops": LOOPS}, {"sound": "opus" if suffix == ".webm" else "aac"}
        )
    yield Case("palette.gif", "colour", {}, {"codec": "gif"})
    yield Case("colour.apng", "colour", {}, {"codec": "apng"})
    yield Case("alpha.apng", "alpha", {"alpha": True}, {"pixels": "rgba"})
    for kind in ("sbs", "half-sbs", "tb", "anaglyph", "vr180", "rgbd"):
        options = {"packing": PACKINGS.get(kind), "half_sphere": kind == "vr180"}
        finds = {"sphere": "tiled equirectangular"} if kind == "vr180" else {}
        finds |= {"stereo": {"left-right": "side by side", "top-bottom": "top and bottom", None: ""}[options["packing"]]}
        yield Case(f"{kind}.mp4", kind, options, finds)
    yield Case("quilt_qs4x2a0.75.mp4", "quilt", {}, {"codec": "h264"})
    yield Case("depth.mkv", "depth", {}, {"codec": "ffv1", "pixels": "gray16le"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep the files there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return 1 if table(folder, Sources()) else 0


def table(folder: Path, sources: Sources) -> int:
    """Print a row for each case; returns how many are not what they should be."""
    tone = folder / "tone.wav"
    write_tone(tone)
    columns = ("file", "codec", "pixels", "size", "frames", "seconds", "alpha", "sound", "stereo", "sphere", "bytes")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    wrong = 0
    for case in cases(tone):
        path = folder / case.name
        sources.write(case, path)
        found = probed(path)
        bad = {key: value for key, value in case.finds.items() if found[key] != value}
        wrong += bool(bad)
        print("| " + " | ".join(found[column] for column in columns) + " |" + (f" expected {bad}" if bad else ""), flush=True)
    return wrong


class Sources:
    """Frames of each kind, rendered once."""

    def __init__(self) -> None:
        photo, mask, hints = (str(EXAMPLE / name) for name in ("stream_cascade.jpg", "mask.png", "hints.json"))
        self._scene = c3drender.prepare(photo, mask=mask, hints=hints, depth="builtin", size=WIDTH)
        self._animation = c3drender.animate(self._scene, frames=FRAMES)
        self._kept: dict[str, list[np.ndarray]] = {}

    def _shot(self, window: Window | None = None) -> Shot:
        path = c3drender.camera_path(self._scene, "circle", FRAMES)
        return shot_of(self._animation.draw, self._scene, path, None, window)

    def frames(self, kind: str) -> list[np.ndarray]:
        if kind not in self._kept:
            shot = self._shot()
            if kind == "alpha":
                assert self._animation.cover is not None
                rendered = cutouts_of(shot, self._animation.cover, "moving")
            elif kind == "quilt":
                quilt = read_quilt("4x2")
                assert quilt is not None
                rendered = quilts_of(self._shot(window_of(self._scene, 0.75)), quilt, 5.0)
            else:
                rendered = pictures_of(shot, None if kind == "colour" else kind, 2.0)
            self._kept[kind] = list(rendered)
        return self._kept[kind]

    def write(self, case: Case, path: Path) -> None:
        if case.frames == "depth":
            shot = self._shot()
            write_depth(path, (shot.disp(n).cpu().numpy() for n in range(FRAMES)), self._scene.span.limits, FPS)
        else:
            write_video(path, self.frames(case.frames), FPS, **case.options)


def write_tone(path: Path) -> None:
    wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(int(TONE_S * RATE_HZ)) / RATE_HZ)
    with av.open(str(path), "w") as box:
        stream = box.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        box.mux([*stream.encode(frame), *stream.encode(None)])


def probed(path: Path) -> dict[str, str]:
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    video = next(stream for stream in answer["streams"] if stream["codec_type"] == "video")
    sound = next((stream for stream in answer["streams"] if stream["codec_type"] == "audio"), None)
    sides = {side["side_data_type"]: side for side in video.get("side_data_list", [])}
    stereo = sides.get("Stereo 3D", {}).get("type", "")
    tags = {key.lower(): value for key, value in video.get("tags", {}).items()}
    has_alpha = tags.get("alpha_mode") == "1" or video["pix_fmt"].startswith(("yuva", "rgba"))
    return {
        "file": path.name,
        "codec": video["codec_name"],
        "pixels": video["pix_fmt"],
        "size": f"{video['width']} x {video['height']}",
        "frames": video.get("nb_read_frames", ""),
        "seconds": f"{float(answer['format'].get('duration', 0)):.2f}",
        "alpha": "yes" if has_alpha else "",
        "sound": "" if sound is None else sound["codec_name"],
        "stereo": stereo,
        "sphere": sides.get("Spherical Mapping", {}).get("projection", ""),
        "bytes": str(path.stat().st_size),
    }


if __name__ == "__main__":
    sys.exit(main())
