"""A click takes a region: the picture's segments, joined over borders that neither the colours nor the depth mark."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..data import DepthMap, Image, Scenery
from ..depth.segments import Borders, Segments, cut_into_segments, find_borders, upright_stripes
from ..pixels.sizes import work_size
from .drawn import Sheet

WORK_SIDE_PX = 640  # the longer side at which the picture is cut
DEPTH_WEIGHT = 3.0  # a step of so much of the range of disparities against one of CIE Lab's 100
KIN = 0.45  # what borders and colours count between pieces of the same water, sky or smoke
SPREAD = 2.6  # the colours of all of a region, against those of neighbours
TOLERANCE_PX = 0.6  # of an outline
LEAST_PX = 12  # smaller islands and lakes are left out


@dataclass(frozen=True, eq=False)
class Pieces:
    """What a click chooses from. ``near`` and ``kind`` per segment: its disparity, 0..1, and what it shows (0: nothing that
    flows)."""

    segments: Segments
    borders: Borders
    near: np.ndarray
    kind: np.ndarray


def cut(image: Image, depth: DepthMap, scenery: Scenery) -> Pieces:
    rgb = image.rgb.numpy()
    _, size = work_size(rgb.shape[0], rgb.shape[1], WORK_SIDE_PX)
    small = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 0, 1)
    disp = 1 / depth.z_cam.numpy()
    near = cv2.resize((disp - disp.min()) / max(float(np.ptp(disp)), 1e-9), size, interpolation=cv2.INTER_AREA)
    shown = (scenery.sky, scenery.water, scenery.rapids, scenery.smoke)
    maps = [cv2.resize(one.numpy(), size, interpolation=cv2.INTER_AREA) for one in shown]
    kinds = np.stack([np.full(maps[0].shape, 0.5, np.float32), *maps])
    kind = kinds.argmax(axis=0)
    kind[kind == 3] = 2  # rapids are water
    segments = cut_into_segments(small, kind)
    borders = find_borders(segments, small, segments.mean(upright_stripes(small)))
    first = np.zeros(len(segments), np.int64)
    first[segments.labels.ravel()] = kind.ravel()
    return Pieces(segments, borders, segments.mean(near), first)


def region_at(pieces: Pieces, point: tuple[float, float], reach: float, sheet: Sheet) -> list[list[tuple[float, float]]]:
    """The outlines of what a click takes, px of the photo.

    Parameters
    ----------
    pieces : Pieces
    point : (float, float)
        (x, y), px of the photo.
    reach : float
        0..1: how different what is taken along may be.
    sheet : Sheet
        Of which the photo's ``scale`` and size are known.
    """
    segments, borders = pieces.segments, pieces.borders
    height, width = segments.labels.shape
    across, down = width / sheet.width * sheet.scale[0], height / sheet.height * sheet.scale[1]
    x, y = min(max(int(point[0] * across), 0), width - 1), min(max(int(point[1] * down), 0), height - 1)
    seed = int(segments.labels[y, x])
    own = pieces.kind[seed]
    kin = np.where((pieces.kind == own) & (own > 0), KIN, 1.0)
    a, b = borders.a, borders.b
    step = 0.5 * np.linalg.norm(segments.lab[a] - segments.lab[b], axis=1) + 0.3 * (1 - borders.affinity)
    step += DEPTH_WEIGHT * np.abs(pieces.near[a] - pieces.near[b])
    apart = np.linalg.norm(segments.lab - segments.lab[seed], axis=1) * kin
    fits = (apart <= SPREAD * reach) & ((pieces.kind == own) | (reach >= 0.8))
    fits[seed] = True
    joined = (step * np.maximum(kin[a], kin[b]) <= reach) & fits[a] & fits[b]
    count = len(segments)
    graph = sparse.coo_matrix((np.ones(joined.sum()), (a[joined], b[joined])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    return outlines_of((label == label[seed])[segments.labels], (1 / across, 1 / down))


def outlines_of(inside: np.ndarray, scale: tuple[float, float]) -> list[list[tuple[float, float]]]:
    """A mask's outlines and those of its holes, times ``scale`` (x, y)."""
    # Twice the size, so that an outline runs along the pixels' borders and not through their centres.
    fine = cv2.resize(inside.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    fine = (cv2.GaussianBlur(fine * 255, (0, 0), 1.5) > 127).astype(np.uint8)
    found, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    ways = (cv2.approxPolyDP(way, 2 * TOLERANCE_PX, True)[:, 0] for way in found if cv2.contourArea(way) >= 4 * LEAST_PX)
    return [[((x + 0.5) / 2 * scale[0], (y + 0.5) / 2 * scale[1]) for x, y in way.tolist()] for way in ways if len(way) >= 3]
