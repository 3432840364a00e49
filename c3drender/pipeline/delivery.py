"""What is made of a shot: which file, in which layout, with what beside it. Checked before any work, then written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from ..data import Lens, PathLike
from ..files import video
from ..files.container import CONTAINERS, Encoding, check_encoding
from ..files.depth_video import check_depth_output, write_depth
from ..files.photo import check_picture_output, write_picture
from ..files.place import check_is_not_read, where_it_leads
from ..pixels.seam import SeamScore
from ..progress import Progress, bar, say
from .crop import read_aspect
from .cutout import check_alpha, cutouts_of
from .quilt import ASPECT, Quilt, quilts_of, read_quilt
from .shot import Cover, Shot
from .stereo import PACKINGS, VR180, check_stereo, pictures_of

STILLS = (".png", ".jpg", ".jpeg")
HALF_SPHERES = (".mp4", ".mov")


@dataclass(frozen=True)
class Layout:
    """What a picture holds: the arguments of `render_cinemagraph` of these names."""

    stereo: str | None
    eyes: float
    quilt: str | None
    alpha: str | None
    aspect: str | None
    follow: bool


@dataclass(frozen=True)
class Delivery:
    """An output that has been checked: the file ``target``, or the frame that is one; the layout read; what goes beside it."""

    target: Path
    encoding: Encoding
    layout: Layout
    quilt: Quilt | None
    proportions: float | None
    poster: Path | None
    depth_out: Path | None

    @property
    def is_still(self) -> bool:
        return self.target.suffix.lower() in STILLS

    @property
    def sees_around(self) -> bool:
        """Whether it is seen from beside the camera's path."""
        return self.layout.stereo is not None or self.quilt is not None


def check_delivery(
    out: PathLike,
    fps: float,
    encoding: Encoding,
    layout: Layout,
    lens: Lens | None,
    poster: PathLike | None,
    depth_out: PathLike | None,
    given: Mapping[str, object],
    duration: float | None = None,
) -> Delivery:
    """Raise with one line unless all of it can be had, and together."""
    check_stereo(layout.stereo, layout.eyes)
    check_alpha(layout.alpha)
    if layout.quilt is not None and layout.stereo is not None:
        raise ValueError("quilt: expected stereo or quilt, got both")
    quilt = read_quilt(layout.quilt)
    proportions = read_aspect(ASPECT if quilt is not None and layout.aspect is None else layout.aspect)
    if layout.follow and proportions is None:
        raise ValueError("follow: expected an aspect with it, got none: the whole picture follows nothing")
    if layout.alpha is not None:
        blurs = lens is not None and (lens.f_number is not None or lens.shutter > 0)
        others = {"stereo": layout.stereo, "quilt": layout.quilt, "model": given.get("model")}
        other = next((name for name, value in others.items() if value is not None), "f_number or shutter" if blurs else None)
        if other is not None:
            raise ValueError(f"alpha: expected no {other} with it, got both")
    target = video.path_of(out)
    if quilt is not None and proportions is not None:
        if target.suffix == "":
            raise ValueError(
                f"quilt: expected a video or a picture, whose name says how it lies, got the folder {target.name!r}"
            )
        target = quilt.named(target, proportions)
    suffix = target.suffix.lower()
    packing = PACKINGS.get(layout.stereo or "") if suffix in CONTAINERS else None
    if layout.stereo == VR180 and suffix not in HALF_SPHERES:
        raise ValueError(
            f"stereo: expected {' or '.join(HALF_SPHERES)} for {VR180}, which says what it is, got {target.name!r}"
        )
    half_sphere = layout.stereo == VR180
    encoding = replace(encoding, alpha=layout.alpha is not None, packing=packing, half_sphere=half_sphere)
    read = dict(given) | {"audio": encoding.audio}
    if suffix in STILLS:
        _check_still(target, encoding, poster)
        if duration is not None:
            raise ValueError(f"duration: expected a video, got the still {target.name!r}")
        check_is_not_read(target, read)
    else:
        target = video.check_output(target, fps, read, encoding)
    beside = {
        "poster": None if poster is None else _check_poster(poster, read),
        "depth_out": None if depth_out is None else check_depth_output(depth_out, read),
    }
    for name, path in beside.items():
        if path is not None and where_it_leads(path) == where_it_leads(target):
            raise ValueError(f"{name}: expected a name of its own, got {path}, which is out")
    return Delivery(target, encoding, layout, quilt, proportions, **beside)


def _check_still(target: Path, encoding: Encoding, poster: PathLike | None) -> None:
    if encoding.alpha and target.suffix.lower() != ".png":
        raise ValueError(f"alpha: expected a .png, which has it, got {target.name!r}")
    if encoding.loops > 1 or poster is not None:
        raise ValueError(f"{'poster' if poster is not None else 'loops'}: expected a video, got the still {target.name!r}")
    check_encoding(target, encoding)
    check_picture_output(target)


def _check_poster(poster: PathLike, read: Mapping[str, object]) -> Path:
    target = check_picture_output(poster, "poster")
    check_is_not_read(target, read, "poster")
    return target


def deliver(delivery: Delivery, shot: Shot, cover: Cover | None, fps: float, progress: Progress) -> Path:
    """Render ``shot`` and write what was asked for; with ``progress`` say how it went. Returns where the output is."""
    layout, total = delivery.layout, len(shot.path)
    if delivery.is_still:
        total = 1
    if layout.alpha is not None:
        assert cover is not None  # checked: no model
        rendered = cutouts_of(shot, cover, layout.alpha)
    elif delivery.quilt is not None:
        rendered = quilts_of(shot, delivery.quilt, layout.eyes)
    else:
        rendered = pictures_of(shot, layout.stereo, layout.eyes)
    seam = SeamScore()
    first: list[np.ndarray] = []

    def pictures(shown: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for picture in shown:
            seam.add(picture)
            if not first:
                first.append(picture)
            yield picture

    color = delivery.encoding.color
    with bar(islice(rendered, total), shown=progress, total=total, desc="render", unit="frame") as shown:
        if delivery.is_still:
            write_picture(delivery.target, next(pictures(shown)), color)
        else:
            video.write_video(delivery.target, pictures(shown), fps, **vars(delivery.encoding))
    if delivery.poster is not None:
        write_picture(delivery.poster, np.ascontiguousarray(first[0][..., :3]), color)
    if delivery.depth_out is not None:
        disps = (shot.disp(n).cpu().numpy() for n in range(total))
        with bar(disps, shown=progress, total=total, desc="depth", unit="frame") as deep:
            write_depth(delivery.depth_out, deep, shot.scene.span.limits, fps)
    if progress:
        _say_how(delivery.target, seam, delivery.is_still, progress)
    return delivery.target


def _say_how(target: Path, seam: SeamScore, is_still: bool, progress: Progress) -> None:
    height, width = seam.size
    out_height, out_width = (height, width) if is_still else video.output_size(target, height, width)
    if (out_height, out_width) != (height, width):
        needs = f"{target.suffix} needs even sides"
        say(f"size: {width} x {height} becomes {out_width} x {out_height}, {needs}", shown=progress)
    if seam.score is not None:
        line = f"seam: {seam.score:.2f} (from the last frame to the first, over the other steps: 1 is none)"
        say(line, shown=progress)
