"""How long after an edit the studio shows it, at 1280 x 720.

    python benchmarks/studio.py [--photo FILE] [--repeats N] [--stages]

In headless Chromium, from the end of a drag or the drop of a photo until the flow, the depth or the first result is on the
screen, and until that moves: the median, the fastest, and what is asked for on two cores, of which nothing else takes any. Two
minutes. Needs Playwright, and chromium on the path.

With --stages without a browser: seconds until the flow's field is there, until the draft is that the player shows first, and
what each stage took, wall clock and, in brackets, processor time, which other programs on the machine do not change as much.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import PIL.Image
import PIL.ImageOps

import c3drender
from c3drender.studio import edits as of
from c3drender.studio import project
from c3drender.studio.pictures import depth_jpeg, field_bytes, regions_png
from c3drender.studio.region import cut, region_at
from c3drender.studio.stages import DRAFT, Stages
from c3drender.studio.worker import preview_px

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python_tests"))

import player_browser
from studio_browser import Hands, served

WIDTH, HEIGHT = 1280, 720
EXAMPLE = Path(c3drender.__file__).parent / "example" / "stream_cascade.jpg"
WATER = [(560, 520), (600, 560), (560, 640), (480, 660), (640, 600)]
SHOWN = ("photo", "masks", "depth", "flow", "layers", "animate", "pack")
WARM_MS = 3000
DROPPED = "() => document.addEventListener('drop', () => (window.droppedAt = performance.now()), { capture: true })"
SHOWS = "studio.shown['preview.c3dweb']"
MOVES = "document.querySelector('c3d-cinemagraph').frame > 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=EXAMPLE)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stages", action="store_true")
    args = parser.parse_args()
    if not args.stages and (why := player_browser.missing()) is not None:
        parser.exit(2, f"studio.py: {why}\n")
    with tempfile.TemporaryDirectory() as folder:
        cropped = Path(folder) / "photo.png"
        picture = PIL.Image.open(args.photo).convert("RGB")
        PIL.ImageOps.fit(picture, (WIDTH, HEIGHT)).save(cropped)
        (by_stage if args.stages else on_screen)(cropped, Path(folder) / "projects", args.repeats)


def on_screen(photo: Path, folder: Path, repeats: int) -> None:
    print("| what is on the screen | s, median | fastest | asked |")
    print("|---|---|---|---|", flush=True)
    with served(folder) as address, player_browser.chromium() as browser:
        page = browser.new_page(viewport={"width": 1360, "height": 820}, reduced_motion="reduce")
        hands = Hands(page)
        for name, motion, asked in (
            ("first automatic result", "reduce", 3.0),
            ("first moving picture", "no-preference", None),
        ):
            firsts = []
            page.emulate_media(reduced_motion=motion)
            for _ in range(repeats):
                page.goto(address)
                page.wait_for_timeout(WARM_MS)  # as long as a photo is looked for, at least
                page.evaluate(DROPPED)
                hands.drop(photo)
                hands.when(SHOWS if motion == "reduce" else MOVES)
                firsts.append(page.evaluate("() => (performance.now() - droppedAt) / 1000"))
                hands.shown("full.c3dweb", 0)  # idle again
            tell_screen(f"the {name}", firsts, asked)
        page.emulate_media(reduced_motion="reduce")
        hands.tool("brush")
        hands.drag(*WATER)
        hands.shown("loop.c3dweb", hands.revision())
        for name, tool, way, file, asked in (
            ("an arrow's flow", "arrow", ((560, 600), (520, 650)), "field.bin", 0.5),
            ("a brush stroke's region", "brush", ((500, 600), (600, 620)), "regions.png", 1.0),
            ("a brush stroke's flow", "brush", ((450, 640), (560, 660)), "field.bin", 1.0),
            ("a stroke of depth", "near", ((900, 500), (960, 500)), "depth.jpg", 2.0),
            ("the draft that plays after an arrow", "arrow", ((600, 560), (560, 600)), "preview.c3dweb", None),
        ):
            seconds = []
            for n in range(repeats):
                hands.tool(tool)
                revision = hands.revision()
                hands.drag(*((x + 30 * n, y + 6 * n) for x, y in way))
                hands.until(revision + 1)
                seconds.append(hands.shown(file, revision + 1)["afterMs"] / 1000)
                hands.shown("loop.c3dweb", revision + 1)  # idle again
            tell_screen(name, seconds, asked)


def tell_screen(name: str, seconds: list[float], asked: float | None) -> None:
    print(f"| {name} | {median(seconds):.2f} | {min(seconds):.2f} | {asked or ''} |", flush=True)


def by_stage(photo: Path, folder: Path, repeats: int) -> None:
    made = project.create(folder, photo.name, photo.read_bytes())
    document = project.load(made)
    print(f"| edit | flow, s | draft, s | {', s | '.join(SHOWN)}, s |")
    print("|---|" + "---|" * (2 + len(SHOWN)))
    runs = []
    for _ in range(repeats):
        stages = Stages(made / document.photo.file, document.photo, preview_px(document))
        runs.append(timed(stages, document))
    tell("first result", runs)
    painted = document.done(
        of.read_step([{"do": "stroke", "region": of.FOUND, "points": WATER, "radius_px": 60, "feather": 0.5}])
    )
    begun = painted.done(of.read_step([{"do": "arrow", "arrow": "first", "start": (600, 540), "end": (560, 600)}]))
    timed(stages, begun)
    for name, step in (
        ("arrow", lambda n: [{"do": "arrow", "arrow": f"a{n}", "start": (560, 600), "end": (520 + n, 650)}]),
        ("brush stroke", lambda n: [brush(n)]),
        ("stroke of depth", lambda n: [{"do": "depth-stroke", "points": [(900, 500 + n)], "radius_px": 80, "by": 0.1}]),
        ("speed", lambda n: [{"do": "settings", "speed": 1.1 + 0.1 * n}]),
        ("camera", lambda n: [{"do": "settings", "camera": ("swing", "zoom", "rise", "dolly", "orbit")[n % 5]}]),
    ):
        runs = []
        for n in range(repeats):
            timed(stages, begun)
            runs.append(timed(stages, begun.done(of.read_step(step(n)))))
        tell(name, runs)
    pieces = cut(stages.seen().inputs.image, stages.depth(begun), stages.seen().shown.scenery)
    start = time.perf_counter()
    outlines = region_at(pieces, (560, 600), 0.3, stages.sheet)
    print(f"\na click takes a region of {len(outlines)} outlines in {time.perf_counter() - start:.3f} s")


def brush(n: int) -> dict[str, Any]:
    return {"do": "stroke", "region": of.FOUND, "points": [(200, 600), (400 + 10 * n, 620)], "radius_px": 40, "feather": 0.5}


def timed(stages: Stages, document: of.Document) -> dict[str, tuple[float, float]]:
    """Seconds by what is shown and by stage, of the clock and of the processor."""
    stages.times_s.clear()
    stages.processor_s.clear()
    start, own = time.perf_counter(), time.process_time()
    regions_png(stages.drawn(document))
    field_bytes(stages.moved(document), stages.sheet.scale)
    field = time.perf_counter() - start, time.process_time() - own
    depth_jpeg(stages.depth(document))
    stages.packed(document, preview=True, blend=DRAFT)
    preview = time.perf_counter() - start, time.process_time() - own
    return {"field": field, "preview": preview} | {
        stage: (seconds, stages.processor_s[stage]) for stage, seconds in stages.times_s.items()
    }


def tell(name: str, runs: list[dict[str, tuple[float, float]]]) -> None:
    def cell(key: str) -> str:
        if key not in runs[0]:
            return ""
        return "{:.2f} ({:.2f})".format(*(median(run[key][n] for run in runs) for n in (0, 1)))

    print(f"| {name} | {' | '.join(cell(key) for key in ('field', 'preview', *SHOWN))} |", flush=True)


if __name__ == "__main__":
    main()
