"""Stereo: the right view of a measured pair, rendered from the left picture and its disparity.

    python benchmarks/stereo.py [../shared/stereo/motorcycle] [--json out.json] [--pictures folder]

Three tables: the unmoved picture under both compositors; the right view on co-visible pixels (those that the left pixels,
rounded to the nearest pixel and z-tested, hit); and what fills the rest: the plain splat's holes filled in the target view,
against the pipeline's own frame, whose layers are filled by `ops.inpaint_layers`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from c3drender import ops, pipeline, render
from c3drender.data import Camera, CameraPath, DepthMap, FlowField, Image, Layers

REPO = Path(__file__).resolve().parent.parent
FOCAL_PX = 994.978  # motorcycle's; any would do, the baseline is one unit of disparity in pixels per unit of 1/z times this
RADIUS_PX = 1.5
DETAIL_SIGMA_PX = 2.0  # what a Gaussian of this width takes away is high-frequency
UNCOVERED_ALPHA = 0.5


@dataclass(frozen=True)
class Pair:
    """``left``, ``right`` ``[H, W, 3]`` 0..1; ``disparity`` ``[H, W]`` px in the left view, NaN where not measured."""

    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray

    @property
    def camera(self) -> Camera:
        height, width = self.disparity.shape
        return Camera(FOCAL_PX, FOCAL_PX, width / 2, height / 2, width, height)


def read_pair(folder: Path) -> Pair:
    def read(stem: str) -> np.ndarray:
        (path,) = folder.glob(f"{stem}.*")
        return cv2.imread(str(path))[..., ::-1].astype(np.float32) / 255

    with np.load(folder / "disparity.npz") as archive:
        return Pair(read("left"), read("right"), archive["disparity"])


def complete(disparity: np.ndarray) -> np.ndarray:
    """Where nothing was measured, the farther of the nearest measured neighbours in the row."""
    measured = np.isfinite(disparity)
    column = np.arange(disparity.shape[1])
    before = np.maximum.accumulate(np.where(measured, column, -1), axis=1)
    after = np.minimum.accumulate(np.where(measured, column, len(column))[:, ::-1], axis=1)[:, ::-1]
    left = np.where(before >= 0, np.take_along_axis(disparity, np.maximum(before, 0), 1), np.inf)
    right = np.where(after < len(column), np.take_along_axis(disparity, np.minimum(after, len(column) - 1), 1), np.inf)
    return np.where(measured, disparity, np.minimum(left, right)).astype(np.float32)


def pose(shift: float) -> torch.Tensor:
    """The camera ``shift`` baselines to the right."""
    world_to_cam = torch.eye(3, 4)
    world_to_cam[0, 3] = -shift
    return world_to_cam


def lift(layers: Layers, canvas: Camera) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The layers' points: positions, colours, radii."""
    xy_px, z = layers.centre_px(), layers.z_cam
    x, y = (xy_px[:, 0] - canvas.cx) / canvas.fx * z, (xy_px[:, 1] - canvas.cy) / canvas.fy * z
    return torch.stack([x, y, z], dim=1), layers.rgb, RADIUS_PX * z / canvas.fx


def splat(points: tuple[torch.Tensor, ...], view: Camera, compositor: str) -> tuple[np.ndarray, np.ndarray]:
    """Picture and coverage. ``surface`` divides by its coverage, ``alpha`` is the paper's: over black."""
    raster = ops.splat_points(*points, view, compositor=compositor)
    scale = raster.alpha.clamp_min(1e-6)[..., None] if compositor == "surface" else 1.0
    return (raster.feat / scale).clamp(0, 1).numpy(), raster.alpha.numpy()


def photo_layer(pair: Pair, disparity: np.ndarray, exists: np.ndarray) -> Layers:
    """The left picture alone, as the only layer."""
    shape = (1, *disparity.shape)
    return Layers.from_planes(
        rgb=torch.from_numpy(pair.left.copy())[None],
        alpha=torch.from_numpy(exists.astype(np.float32))[None],
        z_cam=torch.from_numpy(FOCAL_PX / np.where(exists, disparity, 1).astype(np.float32))[None],
        seen=torch.from_numpy(exists)[None],
        step_px=torch.zeros(*shape, 2),
        moving=torch.zeros(shape, dtype=torch.bool),
        margin_px=0,
    )


def co_visible(disparity: np.ndarray) -> np.ndarray:
    """Right-view pixels that some measured left pixel, rounded to the nearest pixel, hits."""
    rows, columns = np.nonzero(np.isfinite(disparity))
    target = np.rint(columns - disparity[rows, columns]).astype(int)
    inside = (target >= 0) & (target < disparity.shape[1])
    hit = np.zeros(disparity.shape, bool)
    hit[rows[inside], target[inside]] = True
    return hit


def psnr(got: np.ndarray, want: np.ndarray, where: np.ndarray | None = None) -> float:
    parts = (picture if where is None else picture[where] for picture in (want, got))
    return float(peak_signal_noise_ratio(*parts, data_range=1.0))


def detail_energy(picture: np.ndarray, where: np.ndarray) -> float:
    """Variance, inside ``where``, of the picture minus its Gaussian blur."""
    detail = picture - cv2.GaussianBlur(picture, (0, 0), DETAIL_SIGMA_PX)
    return float(detail[where].var(axis=0).sum())


# --- fills ------------------------------------------------------------------------------------------------------------


def fill_telea(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    filled = cv2.inpaint((picture * 255 + 0.5).astype(np.uint8), hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.where(hole[..., None], filled.astype(np.float32) / 255, picture)


def _runs(row: np.ndarray) -> list[tuple[int, int]]:
    """The runs of True: ``(first, one past the last)``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return list(zip(edges[::2], edges[1::2], strict=True))


def fill_rows(picture: np.ndarray, hole: np.ndarray, disparity: np.ndarray, mirrored: bool) -> np.ndarray:
    """Fill each run of a row from its farther end: by the end's colour, smoothed, or by what stands beyond it, mirrored."""
    filled = picture.copy()
    width = hole.shape[1]
    for y in range(hole.shape[0]):
        for first, end in _runs(hole[y]):
            if first == 0 and end == width:
                continue
            from_right = first == 0 or (end < width and disparity[y, end] <= disparity[y, first - 1])
            distance = end - np.arange(first, end) if from_right else np.arange(first, end) - first + 1
            beyond = distance - 1 if mirrored else np.zeros_like(distance)
            source = end + beyond if from_right else first - 1 - beyond
            filled[y, first:end] = filled[y, np.clip(source, 0, width - 1)]
    smooth = filled if mirrored else cv2.GaussianBlur(filled, (0, 0), 3.0)
    return np.where(hole[..., None], smooth, picture)


def right_view(pair: Pair, depth: DepthMap) -> np.ndarray:
    """The right view as the pipeline renders it from the left picture and ``depth``, uint8 ``[H, W, 3]``."""
    height, width = pair.disparity.shape
    still = FlowField(torch.zeros(height, width, 2), torch.zeros(height, width, dtype=torch.bool))
    views = CameraPath(torch.stack([pose(0), pose(1)]))
    scene = pipeline.build_scene(Image(torch.from_numpy(pair.left.copy())), depth, still, views, 1.0, ())
    return render.render_frame(render.animate(scene, 1), pose(1), 0).rgb_u8.numpy()


def measured_depth(pair: Pair) -> DepthMap:
    """In units in which the baseline is 1: the pipeline's focal length is the longer side."""
    z_cam = max(pair.disparity.shape) / complete(pair.disparity)
    return DepthMap(torch.from_numpy(z_cam.astype(np.float32)), measured=True)


# ----------------------------------------------------------------------------------------------------------------------


def measure_views(pair: Pair) -> list[dict]:
    measured, hit = np.isfinite(pair.disparity), co_visible(pair.disparity)
    points = lift(photo_layer(pair, pair.disparity, measured), pair.camera)
    rows = []
    for compositor in ("alpha", "surface"):
        unmoved, right = (splat(points, pair.camera.with_pose(pose(shift)), compositor)[0] for shift in (0.0, 1.0))
        rows.append(
            {
                "compositor": compositor,
                "unmoved": psnr(unmoved, pair.left, measured),
                "right": psnr(right, pair.right, hit),
                "co-visible": float(hit.mean()),
            }
        )
    return rows


def measure_fills(pair: Pair, pictures: Path | None) -> list[dict]:
    disparity = complete(pair.disparity)
    points = lift(photo_layer(pair, disparity, np.ones(disparity.shape, bool)), pair.camera)
    view = pair.camera.with_pose(pose(1))
    base, alpha = splat(points, view, "surface")
    raster = ops.splat_points(*points, view, compositor="surface")
    target_disp = (raster.disp / raster.alpha.clamp_min(1e-6)).numpy()
    hole = alpha < UNCOVERED_ALPHA
    beyond_border = hole & ~np.maximum.accumulate(~hole[:, ::-1], axis=1)[:, ::-1]
    disoccluded = hole & ~beyond_border
    fills = {
        "Telea in the target view": lambda: fill_telea(base, hole),
        "row extension, smoothed": lambda: fill_rows(base, hole, target_disp, mirrored=False),
        "mirrored texture": lambda: fill_rows(base, hole, target_disp, mirrored=True),
        "layers, inpaint_layers": lambda: right_view(pair, measured_depth(pair)).astype(np.float32) / 255,
    }
    rows = []
    for name, fill in fills.items():
        start = time.perf_counter()
        filled = fill()
        seconds = time.perf_counter() - start
        similarity = structural_similarity(filled, pair.right, channel_axis=2, data_range=1.0, full=True)[1]
        rows.append(
            {
                "fill": name,
                "frame": psnr(filled, pair.right),
                "holes": psnr(filled, pair.right, hole),
                "ssim": float(similarity[hole].mean()),
                "texture": detail_energy(filled, disoccluded) / detail_energy(pair.right, disoccluded),
                "seconds": seconds,
            }
        )
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            stem = name.split(",")[0].replace(" ", "_").lower()
            cv2.imwrite(str(pictures / f"{stem}.png"), (filled[..., ::-1] * 255 + 0.5).astype(np.uint8))
    print(f"holes: {hole.mean():.1%} of the frame, {disoccluded.mean():.1%} disoccluded, {beyond_border.mean():.1%} beyond it")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = REPO.parent / "shared" / "stereo" / "motorcycle"
    parser.add_argument("pair", type=Path, nargs="?", default=default, help="folder with left.*, right.*, disparity.npz")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--pictures", type=Path, help="also write the filled right views here")
    args = parser.parse_args()
    pair = read_pair(args.pair)

    views = measure_views(pair)
    print(f"co-visible: {views[0]['co-visible']:.3f} of the right view")
    print(f"{'compositor':26} {'unmoved, dB':>12} {'right view, dB':>15}")
    for row in views:
        print(f"{row['compositor']:26} {row['unmoved']:12.2f} {row['right']:15.2f}")
    fills = measure_fills(pair, args.pictures)
    print(f"{'fill':26} {'frame, dB':>10} {'holes, dB':>10} {'SSIM':>6} {'texture':>8} {'seconds':>8}")
    for row in fills:
        numbers = "{frame:10.2f} {holes:10.2f} {ssim:6.3f} {texture:8.2f} {seconds:8.2f}".format(**row)
        print(f"{row['fill']:26} {numbers}")
    if args.json:
        args.json.write_text(json.dumps({"views": views, "fills": fills}, indent=1) + "\n")


if __name__ == "__main__":
    main()
