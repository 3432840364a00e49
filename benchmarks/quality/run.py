"""Draw the scenes, run the methods on them, measure, and write the tables.

PYTHONPATH=benchmarks python -m quality data              draw the scenes into build/bench-data, or check what is there
PYTHONPATH=benchmarks python -m quality run               measure every method on every scene, and the stereo pair
PYTHONPATH=benchmarks python -m quality run --methods ours --scenes sea river --out build/quality

Both take ``--set traced``, for the scenes that Blender traces (`traced`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import torch
from tqdm import tqdm

from . import report
from .baselines import BASELINES, COMPOSITORS
from .methods import (
    Given,
    Method,
    Video,
    automatic_flow,
    builtin_depth,
    flow_from_arrows,
    forward_only,
    given_truth,
    ours,
    sway_from_arrows,
    without_inpainting,
)
from .metrics import measure
from .scenes import SCENES, SWAYING
from .stereo_views import measure_stereo
from .traced.camera import draw as trace
from .traced.registry import TAKES
from .truth import CHECK_TOLERANCE, Truth, cached, check_signature, draw_named, read_signatures, signature, write_signatures

REPO = Path(__file__).resolve().parents[2]
DATA = REPO / "build" / "bench-data"
RESULTS = REPO / "benchmarks" / "results"
SIGNATURES = Path(__file__).with_name("signatures.json")
TRACED_SIGNATURES = Path(__file__).with_name("signatures_traced.json")
TRACED_TOLERANCE = 1.0  # grey levels, of a block's mean: rounding differs between processors, and grows along a traced path
STEREO = REPO.parent / "shared" / "stereo" / "motorcycle"


def _ours_with_depth(given: Given, truth: Truth) -> Video:
    return ours(replace(given, depth=builtin_depth(truth)))


def _ours_with_arrows(given: Given, truth: Truth) -> Video:
    if given.harmonics is not None:
        return ours(replace(given, harmonics=sway_from_arrows(truth)))
    return ours(replace(given, flow=flow_from_arrows(truth, given.depth)))


def _ours_with_found_motion(given: Given, truth: Truth) -> Video:
    return ours(replace(given, flow=automatic_flow(truth, given.depth), harmonics=None))


def _ours_with_nothing(given: Given, truth: Truth) -> Video:
    depth = builtin_depth(truth)
    return ours(replace(given, depth=depth, flow=automatic_flow(truth, depth), harmonics=None))


# The first is ours in full. All but the last four are given the true depth and the true flow.
ON_TRUTH: dict[str, Method] = {
    "ours": ours,
    "ours, contrast blend": partial(ours, blend="contrast"),
    "ours, linear blend": partial(ours, blend="linear"),
    "ours, no inpainting": without_inpainting,
    "ours, forward only": forward_only,
    **COMPOSITORS,
    **BASELINES,
}
ON_ESTIMATES: dict[str, Callable[[Given, Truth], Video]] = {
    "ours, built-in depth": _ours_with_depth,
    "ours, arrows": _ours_with_arrows,
    "ours, motion found": _ours_with_found_motion,
    "ours, photo alone": _ours_with_nothing,
}
METHODS = [*ON_TRUTH, *ON_ESTIMATES]


def make_video(method: str, given: Given, truth: Truth) -> Video:
    return ON_TRUTH[method](given) if method in ON_TRUTH else ON_ESTIMATES[method](given, truth)


@dataclass(frozen=True)
class SceneSet:
    """Scenes that share a table. ``folder`` keeps what ``make`` drew; ``stem`` names the files of results."""

    names: list[str]
    folder: Path
    make: Callable[[str], Truth]
    signatures: Path
    tolerance: float
    stem: str

    @property
    def signed(self) -> list[str]:
        expected = read_signatures(self.signatures)
        return [name for name in self.names if name in expected]

    def truth(self, name: str) -> Truth:
        return cached(self.folder, name, self.make)

    def checked(self, name: str) -> Truth:
        """Raise ValueError where what is kept is not what the committed numbers say."""
        truth, expected = self.truth(name), read_signatures(self.signatures)
        if name not in expected:
            raise ValueError(
                f"{name}: expected its signature in {self.signatures.name}, got none: look at it, then sign it by "
                f"data --scenes {name} --write-signatures"
            )
        check_signature(name, truth, expected[name], self.tolerance)
        return truth


def scene_set(name: str) -> SceneSet:
    if name == "cast":
        return SceneSet(list(SCENES), DATA, draw_named, SIGNATURES, CHECK_TOLERANCE, "quality")
    folder = DATA / "traced"
    make = partial(trace, folder=folder)
    return SceneSet(list(TAKES), folder, make, TRACED_SIGNATURES, TRACED_TOLERANCE, "quality_traced")


def draw_all(chosen: SceneSet, names: list[str], write: bool) -> None:
    """Draw what the cache lacks, and check it, or (``write``) commit to it."""
    take = chosen.truth if write else chosen.checked
    found = {name: signature(take(name)) for name in tqdm(names, desc="scenes", unit="scene")}
    if write:
        kept = read_signatures(chosen.signatures) if chosen.signatures.exists() else {}
        signed = kept | found
        write_signatures(chosen.signatures, {name: signed[name] for name in chosen.names if name in signed})


def run_all(chosen: SceneSet, scenes: list[str], methods: list[str], out: Path) -> None:
    results: report.Results = {method: {} for method in methods}
    shown, start = [], time.process_time()
    progress = tqdm(total=len(scenes) * len(methods), desc="measure", unit="video")
    for scene in scenes:
        truth = chosen.checked(scene)
        sways = scene in SWAYING
        given = given_truth(truth, sways)
        for method in methods:
            results[method][scene], worst = measure(truth, make_video(method, given, truth), sways)
            if method == methods[0]:
                shown.append(report.Shown(scene, worst))
            progress.update()
    progress.close()
    stereo = measure_stereo(STEREO) if STEREO.is_dir() and chosen.stem == "quality" else []
    for title, lines in report.tables(results, stereo).items():
        print(f"\n{title}\n{report.as_text(lines)}")
    if not report.has_lpips(results):
        print(report.NO_LPIPS)
    print(f"\n{time.process_time() - start:.0f} s of CPU")
    report.write_all(out, results, stereo, shown, REPO, chosen.stem)
    print(f"wrote {out}/{chosen.stem}.json, .md and .html")


def main() -> None:
    parser = argparse.ArgumentParser(prog="quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="draw the scenes, or check those drawn")
    data.add_argument("--write-signatures", action="store_true", help="commit to what is drawn, instead of checking it")
    run = commands.add_parser("run", help="measure and write the tables")
    run.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="METHOD")
    run.add_argument("--out", type=Path, default=RESULTS)
    for command in (data, run):
        command.add_argument("--set", choices=("cast", "traced"), default="cast", help="planes, or scenes that Blender traces")
        command.add_argument("--scenes", nargs="+", metavar="SCENE", help="of the set; without it all that are signed")
        command.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    chosen = scene_set(args.set)
    scenes = args.scenes or chosen.signed
    if unknown := [name for name in scenes if name not in chosen.names]:
        parser.error(f"--scenes: expected some of {', '.join(chosen.names)} with --set {args.set}, got {', '.join(unknown)}")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    if args.command == "data":
        draw_all(chosen, scenes, args.write_signatures)
    else:
        run_all(chosen, scenes, args.methods, args.out)
