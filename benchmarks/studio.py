"""How long after an edit the studio shows it, by stage, at 1280 x 720: the worker's own times, without a browser.

    python benchmarks/studio.py [--photo FILE] [--repeats N]

Per edit: seconds until the flow's field is there (streaks over the photo then show it), until the preview of 640 px is (which
the player shows), and what each stage took, wall clock and, in brackets, processor time, which other programs on the machine
do not change. Asked: an arrow's flow within 0.5 s, a brush stroke within 1 s, a stroke of depth within 2 s, the first result
within 3 s, on two cores. Medians.
"""

from __future__ import annotations

import argparse
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
from c3drender.studio.stages import Stages
from c3drender.studio.worker import preview_px

WIDTH, HEIGHT = 1280, 720
EXAMPLE = Path(c3drender.__file__).parent / "example" / "stream_cascade.jpg"
WATER = [(560, 520), (600, 560), (560, 640), (480, 660), (640, 600)]
SHOWN = ("photo", "masks", "depth", "flow", "layers", "animate", "pack")
Step = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=EXAMPLE)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cropped = Path(folder) / "photo.png"
        picture = PIL.Image.open(args.photo).convert("RGB")
        PIL.ImageOps.fit(picture, (WIDTH, HEIGHT)).save(cropped)
        made = project.create(Path(folder) / "projects", cropped.name, cropped.read_bytes())
        document = project.load(made)
        print(f"| edit | flow, s | preview, s | {', s | '.join(SHOWN)}, s |")
        print("|---|" + "---|" * (2 + len(SHOWN)))
        runs = []
        for _ in range(args.repeats):
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
            for n in range(args.repeats):
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
    stages.packed(document, preview=True)
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
