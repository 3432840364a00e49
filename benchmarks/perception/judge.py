"""How well the eyes see photos that chose nothing: depth order, what moves and must not, where to, how sure.

    python benchmarks/perception/photos.py fetch
    python benchmarks/perception/judge.py [--split heldout] [--size 640] [--jobs 2] [--json FILE] [--each] [--weights FILE]

Per estimate of depth (``network``, the pipeline's own; ``classical``, by cues and geometry without a network; and ``ramp``,
which grows from the upper border to the lower one and knows nothing of the picture):

easy, hard   share of the labelled pairs that it orders rightly; a pair is easy where the nearer place is also the lower one,
             so that the ramp has all of those and none of the others. A tie is wrong.
stereo       rank correlation with the measured disparity of ``../shared/stereo/motorcycle``, where that is
scenes       the same with the rendered scenes of held-out families (`scenes/data`)
edges        of those scenes: harmonic mean of the shares of its depth edges within 3 px of a true one, and the reverse

and of the motion that is found with no hint:

stays        photos of which at most 2 % of what must stay moves (asked: 95 of 100), and the mean share that does
moves        mean share of what must move that does, over the photos that have such a thing
way          median angle between the flow and the labelled direction, degrees, where both are
IoU          of sky with clouds, of water (still and moving), of white water, of smoke: pooled over the photos
sure         of the parts said to be at least so sure, the share of whose pixels may move: what is 0.9 sure should be right
             9 times in 10

The held-out photos (``heldout`` of all kinds, ``fluids`` of water, mist, smoke, fire and clouds) choose nothing but what
`docs/perception.md` says: tune on ``--split validation``, the labelled photos that training leaves out, of photographers whom
it has not seen in others.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import labels
import numpy as np
import torch
from numpy.typing import NDArray
from photos import listed
from scipy.stats import spearmanr
from tqdm import tqdm

from c3drender.data import DepthMap, Image, MotionHints
from c3drender.depth import estimate_depth
from c3drender.files import read_photo
from c3drender.motion import find_flow
from c3drender.motion.flow import guess_motion
from c3drender.perception import photo, weights
from c3drender.perception.training.packed import read_examples
from c3drender.pipeline.see import Shown, look
from c3drender.scenery import find_scenery

HERE = Path(__file__).resolve().parent

STEREO = HERE.parents[2] / "shared" / "stereo" / "motorcycle"
MOST_MOVED = 0.02  # of what must stay
MAP_CLASSES = {"sky": ("sky", "cld"), "water": ("stl", "mov"), "rapids": ("wht",), "smoke": ("smk",)}
SURE_FROM = (0.6, 0.7, 0.8, 0.9)
NO_HINTS = MotionHints(None, torch.zeros(0, 2, 2))
LEFT_OUT = 8  # training leaves out every eighth of its photos: benchmarks/perception/train.json
ESTIMATES = ("network", "classical", "ramp")
EDGE_STEP = 0.06  # of the range of disparities, between neighbours
EDGE_PX = 3

Array = NDArray[Any]


def labelled_photos(split: str) -> list[labels.Labelled]:
    if split == "validation":
        left_out, known = [], {photo.author for photo in listed("dry")}
        for place, one in enumerate(labels.read("train")):
            if place % LEFT_OUT == LEFT_OUT - 1:
                left_out.append(one)
            else:
                known.add(one.photo.author)
        return [one for one in left_out if one.photo.author not in known]
    return labels.read(split)


def depth_of(image: Image, shown: Shown) -> DepthMap:
    return estimate_depth(image, shown.scenery, shown.nearness, method="builtin")[0]


def disparities(image: Image, ours: DepthMap) -> dict[str, Array]:
    """The estimates of an image's depth, near is large: ``[H, W]``."""
    height, width = image.size
    classical, _ = estimate_depth(image, find_scenery(image), method="builtin")
    ramp = np.broadcast_to(np.linspace(0, 1, height)[:, None], (height, width))
    return {"network": 1.0 / ours.z_cam.numpy(), "classical": 1.0 / classical.z_cam.numpy(), "ramp": ramp}


def judge(job: tuple[str, int, int]) -> dict[str, Any]:
    """The numbers of one labelled photo: ``(split, place in it, longer side in px)``."""
    split, place, size = job
    torch.set_num_threads(1)
    labelled = labelled_photos(split)[place]
    image = read_photo(labelled.rgb_path, size)
    start = time.perf_counter()
    shown = look(image)
    looked = time.perf_counter()
    depth = depth_of(image, shown)
    placed = time.perf_counter()
    flow, note = find_flow(image, depth, shown.scenery, NO_HINTS, None, shown.stays)
    seconds = [looked - start, placed - looked, time.perf_counter() - placed]
    scenery = shown.scenery

    def shrunk(values: Array) -> Array:
        height, width = labelled.region_map.shape
        return cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_AREA)

    moved = shrunk(flow.moving.numpy().astype(np.float32)) > 0.5
    row = {"id": labelled.photo.id, "kind": labelled.photo.kind, "seconds": seconds, "note": note}
    for name, disp in disparities(image, depth).items():
        small = shrunk(disp.astype(np.float32))
        for half, easy in (("easy", True), ("hard", False)):
            pairs = [pair for pair in labelled.pairs if pair.easy == easy]
            right = [small[pair.near_px[::-1]] > small[pair.far_px[::-1]] for pair in pairs]
            row[f"{name} {half}"] = [int(sum(right)), len(right)]
    for name, where in (("stay", labelled.must_stay), ("must", labelled.must_move)):
        row[name] = float(moved[where].mean()) if where.mean() > 0.005 else None
    row["angles"] = _angles(shrunk(flow.step_px.numpy()), moved, labelled)
    seen = {name: shrunk(getattr(scenery, name).numpy()) > 0.5 for name in MAP_CLASSES}
    known = labelled.class_map != labels.IGNORED
    row["iou"] = {}
    for name, kinds in MAP_CLASSES.items():
        truth = np.isin(labelled.class_map, [labels.NAMES.index(kind) for kind in kinds])
        row["iou"][name] = [int((seen[name] & truth).sum()), int(((seen[name] | truth) & known).sum())]
    parts = guess_motion(image, depth, scenery, NO_HINTS)[1]
    stays = cv2.resize(labelled.must_stay.astype(np.uint8), image.size[::-1], interpolation=cv2.INTER_NEAREST) > 0
    row["parts"] = [[part.sure, int((part.mask & ~stays).sum()), int(part.mask.sum())] for part in parts]
    return row


def _angles(step: Array, moved: Array, labelled: labels.Labelled) -> list[float]:
    """Per moved region with a labelled direction the angle to it, degrees."""
    angles = []
    for number, region in labelled.regions.items():
        where = (labelled.region_map == number) & moved
        if region is not None and region.direction is not None and where.any():
            mean = step[where].mean(axis=0)
            cosine = float(mean @ np.array(region.direction)) / max(float(np.hypot(*mean)), 1e-9)
            angles.append(float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))))
    return angles


def correlations(pictures: list[tuple[Array, Array]]) -> dict[str, float]:
    """Mean rank correlation of each estimate with the disparity of pictures ``(rgb uint8, disparity, NaN is unknown)``, and
    under ``<name> edges`` the agreement of their edges."""
    found: dict[str, list[float]] = {}
    for rgb, disparity in pictures:
        known = np.isfinite(disparity)
        image = read_photo(rgb)
        for name, disp in disparities(image, depth_of(image, look(image))).items():
            found.setdefault(name, []).append(float(spearmanr(disp[known], disparity[known]).statistic))
            found.setdefault(f"{name} edges", []).append(edge_agreement(disp, np.where(known, disparity, 0)))
    return {name: float(np.mean(values)) for name, values in found.items()}


def edge_agreement(disparity: Array, true: Array) -> float:
    """F1 of the edges of an estimate, each counted as found where one of the other's lies within `EDGE_PX`."""
    own, other = (_edges(values) for values in (disparity, true))
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * EDGE_PX + 1, 2 * EDGE_PX + 1))
    near_own, near_other = (cv2.dilate(edges.astype(np.uint8), reach) > 0 for edges in (own, other))
    precision, recall = (own & near_other).sum() / max(own.sum(), 1), (other & near_own).sum() / max(other.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _edges(disparity: Array) -> Array:
    low, high = np.percentile(disparity, (1, 99))
    share = np.clip((disparity - low) / max(high - low, 1e-9), 0, 1)
    edges = np.zeros(share.shape, bool)
    edges[:, 1:] |= np.abs(np.diff(share, axis=1)) > EDGE_STEP
    edges[1:] |= np.abs(np.diff(share, axis=0)) > EDGE_STEP
    return edges


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {"photos": len(rows)}
    for name in ESTIMATES:
        for half in ("easy", "hard"):
            right, of = np.sum([row[f"{name} {half}"] for row in rows], axis=0)
            total[f"{name} {half}"] = [int(right), int(of), float(right / max(of, 1))]
    stay = np.array([row["stay"] for row in rows if row["stay"] is not None])
    must = np.array([row["must"] for row in rows if row["must"] is not None])
    total["stays"] = [
        int((stay <= MOST_MOVED).sum()) + sum(row["stay"] is None for row in rows),
        len(rows),
        float(stay.mean()),
    ]
    total["moves"] = [float(must.mean()), len(must)]
    angles = [angle for row in rows for angle in row["angles"]]
    total["way"] = [float(np.median(angles)) if angles else float("nan"), len(angles)]
    pooled = {name: np.sum([row["iou"][name] for row in rows], axis=0) for name in MAP_CLASSES}
    total["iou"] = {name: float(both / max(either, 1)) for name, (both, either) in pooled.items()}
    total["sure"] = {}
    for least in SURE_FROM:
        parts = [part for row in rows for part in row["parts"] if part[0] >= least]
        may, of = np.sum(parts, axis=0)[1:] if parts else (0, 0)
        total["sure"][str(least)] = [len(parts), float(may / of) if of else None]
    total["seconds"] = np.mean([row["seconds"] for row in rows], axis=0).tolist()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=["heldout", "fluids", "train", "validation"], default="heldout")
    parser.add_argument("--size", type=int, default=640, help="longer side in pixels (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--each", action="store_true", help="a line per photo too")
    parser.add_argument("--weights", type=Path, help="of another network than the package's")
    args = parser.parse_args()
    labelled = labelled_photos(args.split)
    missing = [one.photo.id for one in labelled if not one.rgb_path.exists()]
    if missing:
        parser.error(f"{len(missing)} photos are not there: python benchmarks/perception/photos.py fetch {args.split}")
    jobs = [(args.split, place, args.size) for place in range(len(labelled))]
    _use(args.weights)
    fresh = get_context("spawn")  # a fork of a process whose OpenMP has worked hangs at its first parallel loop
    with ProcessPoolExecutor(args.jobs, fresh, initializer=_use, initargs=(args.weights,)) as pool:
        rows = list(tqdm(pool.map(judge, jobs), total=len(jobs), unit="photo", leave=False))
    total = summary(rows)
    stereo = correlations([_stereo()]) if STEREO.is_dir() else {}
    shards = sorted((HERE / "scenes" / "data").glob("held_out_*.zip"))
    scenes = [(scene.rgb, scene.disparity.astype(float)) for shard in shards for scene in read_examples(shard)]
    rendered = correlations(scenes)
    if args.each:
        for row in rows:
            print(f"{row['id']} {row['kind']:12} stay {_share(row['stay'])} must {_share(row['must'])}  {row['note']}")
    print(f"{args.split}: {len(rows)} photos, {len(scenes)} scenes of held-out families")
    print(f"{'':9} {'easy':>15} {'hard':>15} {'stereo':>7} {'scenes':>7} {'edges':>7}")
    for name in ESTIMATES:
        halves = " ".join("{:4} of {:4} {:4.0%}".format(*total[f"{name} {half}"]) for half in ("easy", "hard"))
        told = [stereo.get(name), rendered.get(name), rendered.get(f"{name} edges")]
        print(f"{name:9} {halves} " + " ".join("      -" if value is None else f"{value:7.2f}" for value in told))
    print("stays  {} of {} photos within 2 %, mean {:.1%}".format(*total["stays"]))
    print("moves  {:.0%} in the mean of {} photos".format(*total["moves"]))
    print("way    {:.0f} degrees off in the median of {} regions".format(*total["way"]))
    print("IoU    " + ", ".join(f"{name} {value:.2f}" for name, value in total["iou"].items()))
    print("sure   " + ", ".join(f">= {least}: {_share(right)} of {of} parts" for least, (of, right) in total["sure"].items()))
    print("time   {:.2f} s to look, {:.2f} s depth, {:.2f} s motion".format(*total["seconds"]), end="")
    print(f" a photo of {args.size} px, one thread")
    if args.json:
        args.json.write_text(json.dumps({"total": total, "stereo": stereo, "scenes": rendered, "rows": rows}, indent=1) + "\n")


def _use(path: Path | None) -> None:
    """Let the network have other weights, in this process."""
    if path is not None:
        network = weights.load_network(path)
        photo.shipped = lambda: network


def _stereo() -> tuple[Array, Array]:
    rgb = cv2.cvtColor(cv2.imread(str(STEREO / "left.png")), cv2.COLOR_BGR2RGB)
    return rgb, np.load(STEREO / "disparity.npz")["disparity"].astype(float)


def _share(value: float | None) -> str:
    return "   -" if value is None else f"{value:4.0%}"


if __name__ == "__main__":
    main()
