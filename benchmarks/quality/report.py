"""What was measured, as a text table, Markdown, JSON and one self-contained page of the worst pictures."""

from __future__ import annotations

import base64
import html
import json
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .methods import Picture
from .metrics import Numbers, Worst

DIFFERENCE_GAIN = 3
PAGE_WIDTH_PX = 480
JPEG_QUALITY = 72
STYLE = (
    "body{font:14px sans-serif;background:#222;color:#ddd}"
    "td{padding:2px 8px;text-align:right}h2{font-size:15px}img{margin:2px}"
)

# key, heading, format; the order is that of the tables
COLUMNS = (
    ("psnr", "PSNR dB", "{:.2f}"),
    ("psnr_moving", "moving", "{:.2f}"),
    ("psnr_rest", "rest", "{:.2f}"),
    ("ssim", "SSIM", "{:.3f}"),
    ("ssim_moving", "moving", "{:.3f}"),
    ("ssim_rest", "rest", "{:.3f}"),
    ("lpips", "LPIPS", "{:.3f}"),
    ("still_psnr", "camera at rest, dB", "{:.2f}"),
    ("frozen_psnr", "motion frozen, dB", "{:.2f}"),
    ("seam", "seam", "{:.2f}"),
    ("seam_ssim", "seam SSIM", "{:.3f}"),
    ("alive", "alive", "{:.2f}"),
    ("sharp_min", "sharp min", "{:.2f}"),
    ("sharp_swing", "swing", "{:.2f}"),
    ("warp", "warp error", "{:.2f}"),
    ("uncovered", "uncovered", "{:.2%}"),
)

NO_LPIPS = "\nLPIPS is missing: the package or its weights were not at hand."

TITLES = {
    "quality": ("Quality against the truth", "make bench-quality"),
    "quality_traced": ("Quality against the truth of traced scenes", "make bench-traced"),
}

Results = dict[str, dict[str, Numbers]]  # method -> scene -> numbers


@dataclass(frozen=True)
class Shown:
    scene: str
    worst: Worst


def has_lpips(results: Results) -> bool:
    return all("lpips" in numbers for scenes in results.values() for numbers in scenes.values())


def mean_over_scenes(scenes: dict[str, Numbers]) -> Numbers:
    """Of every number, over the scenes that have it."""
    keys = dict.fromkeys(key for numbers in scenes.values() for key in numbers)
    return {key: float(np.mean([numbers[key] for numbers in scenes.values() if key in numbers])) for key in keys}


def _table(rows: dict[str, Numbers], corner: str) -> list[list[str]]:
    columns = [column for column in COLUMNS if any(column[0] in numbers for numbers in rows.values())]
    lines = [[corner, *(heading for _, heading, _ in columns)]]
    lines += [[name, *(_cell(numbers, key, form) for key, _, form in columns)] for name, numbers in rows.items()]
    return lines


def _cell(numbers: Numbers, key: str, form: str) -> str:
    return form.format(numbers[key]) if key in numbers else "-"


def as_text(lines: list[list[str]]) -> str:
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    pad = [
        [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))] for line in lines
    ]
    return "\n".join("  ".join(line) for line in pad)


def as_markdown(lines: list[list[str]]) -> str:
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|---" * len(lines[0]) + "|", *rows[1:]])


def means(results: Results) -> list[list[str]]:
    return _table({method: mean_over_scenes(scenes) for method, scenes in results.items()}, "mean over scenes")


def per_scene(results: Results, method: str) -> list[list[str]]:
    return _table(results[method], "scene")


def one_number(results: Results, key: str) -> list[list[str]]:
    """A metric, scene by scene, of all methods."""
    form = next(form for name, _, form in COLUMNS if name == key)
    scenes = list(next(iter(results.values())))
    return [["", *scenes]] + [[method, *(form.format(row[s][key]) for s in scenes)] for method, row in results.items()]


def stereo_table(rows: list[dict[str, str | float]]) -> list[list[str]]:
    return [list(rows[0])] + [[v if isinstance(v, str) else f"{v:.3f}" for v in row.values()] for row in rows]


def provenance(repo: Path) -> dict[str, str]:
    """The commit and the machine behind the numbers."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=repo, capture_output=True, text=True, check=False)
    return {"commit": commit.stdout.strip() or "unknown", "machine": platform.machine(), "python": platform.python_version()}


def tables(results: Results, stereo: list[Numbers]) -> dict[str, list[list[str]]]:
    """Every table under its title."""
    first = next(iter(results))
    found = {
        "Mean over the scenes": means(results),
        f"{first.capitalize()}, scene by scene": per_scene(results, first),
        "PSNR, dB, scene by scene": one_number(results, "psnr"),
        "SSIM, scene by scene": one_number(results, "ssim"),
    }
    return found | ({"The right view of a real stereo pair, from its left picture": stereo_table(stereo)} if stereo else {})


def write_all(
    out: Path, results: Results, stereo: list[Numbers], shown: list[Shown], repo: Path, stem: str = "quality"
) -> None:
    """``stem.json``, ``stem.md`` and ``stem.html`` in the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    source = provenance(repo)
    found = {"source": source, "scenes": _rounded(results), "stereo": stereo}
    (out / f"{stem}.json").write_text(json.dumps(found, indent=1) + "\n")
    title, command = TITLES[stem]
    head = (
        f"# {title}\n\n`{command}` wrote this (commit {source['commit']}); see `docs/benchmark.md`."
        f"{'' if has_lpips(results) else NO_LPIPS}"
    )
    parts = (f"## {title}\n\n{as_markdown(lines)}" for title, lines in tables(results, stereo).items())
    (out / f"{stem}.md").write_text("\n\n".join((head, *parts)) + "\n")
    write_page(out / f"{stem}.html", title, means(results), shown)


def _rounded(results: Results) -> Results:
    return {
        method: {scene: {key: round(value, 5) for key, value in numbers.items()} for scene, numbers in scenes.items()}
        for method, scenes in results.items()
    }


def _as_jpeg(picture: Picture) -> str:
    height = round(picture.shape[0] * PAGE_WIDTH_PX / picture.shape[1])
    small = cv2.resize(picture[..., ::-1], (PAGE_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return f'<img width="{PAGE_WIDTH_PX}" height="{height}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def difference(made: Picture, true: Picture) -> Picture:
    """Grey where they agree."""
    return np.clip(128 + DIFFERENCE_GAIN * (made.astype(int) - true), 0, 255).astype(np.uint8)


def write_page(path: Path, title: str, lines: list[list[str]], shown: list[Shown]) -> None:
    """One page: the table, then per scene the picture farthest from its truth, the truth, and their difference."""
    head, *body = (["".join(f"<td>{html.escape(cell)}</td>" for cell in line)] for line in lines)
    rows = "".join(f"<tr>{row[0]}</tr>" for row in (head, *body))
    blocks = []
    for item in sorted(shown, key=lambda item: item.worst.psnr):
        worst = item.worst
        caption = f"{item.scene}: frame {worst.frame}, camera {worst.camera}, {worst.psnr:.2f} dB"
        pictures = (worst.made, worst.true, difference(worst.made, worst.true))
        blocks.append(f"<h2>{html.escape(caption)}</h2><p>{''.join(map(_as_jpeg, pictures))}</p>")
    note = (
        f"Left to right: ours, the truth, ours minus the truth ({DIFFERENCE_GAIN} times, grey is none). The worst scene first."
    )
    path.write_text(
        f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title}</h1><table>{rows}</table><p>{note}</p>{''.join(blocks)}\n"
    )
