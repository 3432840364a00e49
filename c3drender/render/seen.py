"""Which part of the canvas a view shows: what lies elsewhere need not be worked out."""

from __future__ import annotations

from itertools import product

from ..data import Camera

NEARER = 2.0  # how much nearer to the view than to the canvas' camera a disc may be for its size to be foreseen


def seen_px(
    canvas: Camera, view: Camera, depths: tuple[float, float], radius_px: float
) -> tuple[float, float, float, float] | None:
    """The rectangle ``(x0, y0, x1, y1)`` of ``canvas``, px, outside of which nothing reaches the picture of ``view``: no disc
    of up to ``radius_px`` on the canvas that lies within ``depths``, nearest and farthest, in the canvas' camera space. None
    where there is no such rectangle, as for a view that looks back.

    The ray of a pixel meets a plane of depth z where a homography of the pixel says, and its places for all z lie on a line of
    the canvas, affine in 1/z. So all that is seen lies between what the corners of the picture, with a disc's width around it,
    see at both depths.
    """
    margin = NEARER * radius_px * view.fx / canvas.fx + 1.0
    pose = view.pose.tolist()
    eye = [-sum(row[axis] * row[3] for row in pose) for axis in range(3)]
    places = []
    for x, y, z in product((-margin, view.width + margin), (-margin, view.height + margin), depths):
        ray = (x - view.cx) / view.fx, (y - view.cy) / view.fy, 1.0
        along = [sum(row[axis] * part for row, part in zip(pose, ray, strict=True)) for axis in range(3)]
        if along[2] <= 0.0 or not 0.0 < z <= NEARER * (z - eye[2]) / along[2]:
            return None
        far = (z - eye[2]) / along[2]  # depth in the view
        px = [(eye[axis] + far * along[axis]) / z for axis in range(2)]
        places.append((px[0] * canvas.fx + canvas.cx, px[1] * canvas.fy + canvas.cy))
    xs, ys = zip(*places, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
