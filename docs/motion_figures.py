"""The pictures of motion.md, from the bundled example, two of the test photos and three scenes of known motion, drawn where
build/bench-data lacks them: python docs/motion_figures.py"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import torch

import c3drender
from c3drender import render
from c3drender.data import CameraKeys, CameraPath, Fluid, MotionHints, Ripple, Sway
from c3drender.files.masks import read_mask
from c3drender.files.photo import read_photo, write_picture
from c3drender.files.scene import Scene
from c3drender.inspect import FILLED_COLOUR, flow_tile
from c3drender.pixels.sheet import Tile, compose

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "benchmarks"))
import motion_loops  # noqa: E402

IMAGES = REPO / "docs" / "images"
PHOTOS, LABELS = REPO.parent / "shared" / "photos", REPO / "python_tests" / "data"
EXAMPLE = files("c3drender") / "example"
PHOTO, MASK, HINTS = (str(EXAMPLE / name) for name in ("stream_cascade.jpg", "mask.png", "hints.json"))
HEIGHT, WIDTH = 852, 1280
POOL = ((360, 768), (784, 768), (784, 852), (316, 852))
FERNS = ((0, 567), (100, 550), (167, 700), (167, 800), (100, 852), (0, 852))
LEAVES = ((900, 0), (1060, 0), (1045, 230), (930, 300), (905, 150))
FROZEN = ((480, 600), (560, 600), (560, 670), (480, 670))
ANCHOR = ((560, 800), (560, 800))
FLOW_OPTIONS = {"depth": "builtin", "camera": "still", "size": 960}
SMOKE_CROP, PEAKS_CROP = np.s_[420:570, 140:365], np.s_[150:300, 260:485]
SHOWN_FRAME = 18
FOCUS = (430.0, 560.0)
KEYS = CameraKeys((0.0, 0.3, 0.55, 0.8), ((1, 0, 0), (0, 0.8, 1.2), (-1, 0, 0.4), (0.3, -0.8, 0)), (1.0, 1.0, 1.1, 1.0))
NUM_FRAMES = 60
STRIPS = ("example", "sea_sunset", "peaks_cloud", "smoke")  # the photos whose licences let their frames be shown
BLENDS: tuple[render.BlendMode, ...] = ("linear", "contrast", "phase")
LOOP_WIDTH = 480
SLICE_X, SLICE_ROWS = 375, (260, 500)  # a column of the example's stream, at 800 px
PLOT_PX = (300, 480)
INK = ((230, 90, 60), (60, 130, 230), (60, 170, 90), (150, 90, 200))


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    _flows()
    _sway_and_ripple()
    _pulse()
    _loop()
    _strips()
    _cameras()


def _shape(*polygons: tuple[tuple[int, int], ...]) -> np.ndarray:
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.fillPoly(canvas, [np.array(polygon) for polygon in polygons], 255) > 0


def _flows() -> None:
    """From arrows to a flow; where it comes out of a border and out from behind a peak; held places; what is found alone."""
    smoke, peaks = _drawn("smoke"), _drawn("peaks_cloud")
    arrows = json.loads(Path(HINTS).read_text())
    found = c3drender.prepare(PHOTO, **FLOW_OPTIONS)
    note = next(note for note in found.notes if note.startswith("motion: "))
    tiles = [
        Tile(_flow_picture(smoke), "eight arrows", "the flow that meets them"),
        *_crops(smoke, SMOKE_CROP, "smoke is drawn out of its stem: no gap, no rim"),
        Tile(_flow_picture(peaks), "four arrows", "pink: the cloud goes on behind the peaks"),
        *_crops(peaks, PEAKS_CROP, "right up to their edge"),
        Tile(_flow_picture(_hinted(arrows[-3:-2])), "one arrow", "is enough for a region"),
        Tile(_flow_picture(_hinted([*arrows, ANCHOR], _shape(FROZEN))), "a freeze stroke and an anchor", "both hold"),
        Tile(_flow_picture(found), "nothing said", note.removeprefix("motion: ").split(" and ")[0] + " ..."),
    ]
    write_picture(IMAGES / "motion_flow.jpg", compose(tiles, 3))


def _drawn(name: str) -> Scene:
    """A test photo with its hand-drawn mask and arrows."""
    arrows = json.loads((LABELS / "hints.json").read_text())[name]
    return c3drender.prepare(PHOTOS / f"{name}.jpg", mask=LABELS / "masks" / f"{name}.png", hints=arrows, **FLOW_OPTIONS)


def _hinted(arrows: list, freeze: np.ndarray | None = None) -> Scene:
    held = None if freeze is None else torch.from_numpy(freeze)
    hints = MotionHints(None, torch.tensor(arrows, dtype=torch.float32), held)
    return c3drender.prepare(PHOTO, mask=MASK, hints=hints, **FLOW_OPTIONS)


def _crops(scene: Scene, crop: tuple[slice, slice], detail: str) -> list[Tile]:
    """A window of the photo, and of a moment of the loop."""
    animation = render.animate(scene, NUM_FRAMES)
    frames = {n: render.render_frame(animation, torch.eye(3, 4), n).rgb_u8.numpy()[crop] for n in (0, SHOWN_FRAME)}
    return [Tile(np.ascontiguousarray(frame), f"frame {n}", detail if n else "the photo") for n, frame in frames.items()]


def _flow_picture(scene: Scene) -> np.ndarray:
    layers = scene.layers
    rgb, step_px, moving = (layers.of_photo(values).numpy() for values in (layers.rgb, layers.step_px, layers.moving))
    picture = flow_tile((rgb * 255).round().astype(np.uint8), step_px, moving).picture
    if layers.num_layers > 1:
        hidden = layers.of_photo(layers.moving, 1).numpy().astype(np.uint8)
        picture[cv2.resize(hidden, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0] = FILLED_COLOUR
    return picture


def _sway_and_ripple() -> None:
    """A flow, ferns and leaves that sway and a pool that ripples, in one loop; beside it the three masks."""
    water, pool, plants = read_mask(MASK, HEIGHT, WIDTH).numpy(), _shape(POOL), _shape(FERNS, LEAVES)
    parts = [Fluid(water & ~pool, HINTS), Sway(plants, strength=1.3), Ripple(water & pool, strength=1.5)]
    scene = c3drender.prepare(PHOTO, motion=parts, depth="builtin", camera="swing", amplitude=0.5, size=2 * LOOP_WIDTH)
    tint = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for mask, colour in zip((water & ~pool, plants, water & pool), ((0, 190, 255), (90, 230, 60), (255, 170, 0)), strict=True):
        tint[mask] = colour
    picture = (read_photo(PHOTO).rgb.numpy() * 255).astype(np.uint8)
    legend = _fit(np.where(tint.any(axis=-1, keepdims=True), picture // 2 + tint // 2, picture), LOOP_WIDTH)
    frames = c3drender.render_frames(scene, camera="swing", amplitude=0.5, frames=NUM_FRAMES)
    shown = [frame.rgb_u8.numpy() for n, frame in enumerate(frames) if n % 2 == 0]
    loop = [PIL.Image.fromarray(np.hstack([legend, _fit(frame, LOOP_WIDTH)])) for frame in shown]
    first, *others = loop
    first.save(IMAGES / "motion_sway_ripple.webp", save_all=True, append_images=others, duration=80, loop=0, quality=55)


def _pulse() -> None:
    """Sharpness inside the mask over the loop, and a detail in mid-loop, for all blends."""
    scene = c3drender.prepare(PHOTO, mask=MASK, hints=HINTS, depth="builtin", camera="still", size=800)
    moving = scene.layers.of_photo(scene.layers.moving).numpy()
    sampled = range(0, NUM_FRAMES + 1, 4)
    curves, middles = [], []
    for blend in BLENDS:
        animation = render.animate(scene, NUM_FRAMES, blend=blend)
        frames = [render.render_frame(animation, torch.eye(3, 4), n).rgb_u8.numpy() for n in sampled]
        energy = np.array([_detail_energy(frame, moving) for frame in frames])
        curves.append(np.sqrt(energy / energy[0]))
        middles.append(frames[len(frames) // 2])
    plot = _plot([(np.linspace(0, 1, len(curve)), curve) for curve in curves], (0.5, 1.1), "sharpness inside the mask")
    rows, cols = np.nonzero(moving)
    y, x = int(np.median(rows)), int(np.median(cols))
    crop = np.s_[max(y - 75, 0) : y + 75, max(x - 120, 0) : x + 120]
    tiles = [Tile(plot, "over one loop", "red: linear, blue: contrast, green: phase; 1 is the photo's")]
    tiles += [
        Tile(np.ascontiguousarray(frame[crop]), f"frame 30, {blend}", "enlarged")
        for frame, blend in zip(middles, BLENDS, strict=True)
    ]
    write_picture(IMAGES / "motion_pulse.png", compose(tiles, 2))


def _loop() -> None:
    """A column of the stream over two loops, by contrast and by phase."""
    scene = c3drender.prepare(PHOTO, mask=MASK, hints=HINTS, depth="builtin", camera="still", size=800)
    tiles = []
    for blend in BLENDS[1:]:
        animation = render.animate(scene, NUM_FRAMES, blend=blend)
        frames = [render.render_frame(animation, torch.eye(3, 4), n).rgb_u8.numpy() for n in range(NUM_FRAMES)]
        columns = np.stack([frame[slice(*SLICE_ROWS), SLICE_X] for frame in (*frames, *frames)], axis=1)
        wide = cv2.resize(columns, (4 * columns.shape[1], columns.shape[0]), interpolation=cv2.INTER_NEAREST)
        tiles.append(Tile(wide, f"{blend}: one column of the stream", "down the picture, and two loops to the right"))
    write_picture(IMAGES / "motion_slices.png", compose(tiles, 2))


def _strips() -> None:
    """Sixteen frames of photos and of three scenes, by contrast beside by phase; of the scenes a line along the flow."""
    slices = []
    for name in (*STRIPS, *motion_loops.SCENES):
        scene, photo_u8 = motion_loops.scene_and_photo(PHOTOS, name, 800, found=False)
        strips, lines = zip(*(motion_loops.strip_and_slice(scene, photo_u8, blend) for blend in BLENDS[1:]), strict=True)
        short = name.removeprefix(motion_loops.TRUE)
        write_picture(
            IMAGES / f"motion_strip_{short}.jpg", np.hstack([strips[0], np.zeros_like(strips[0][:, :12]), strips[1]])
        )
        if name.startswith(motion_loops.TRUE):
            slices += [Tile(line, f"{short}, {blend}", "") for line, blend in zip(lines, BLENDS[1:], strict=True)]
    write_picture(IMAGES / "motion_slices_true.jpg", compose(slices, 2))


def _detail_energy(rgb_u8: np.ndarray, where: np.ndarray) -> float:
    luma = cv2.cvtColor(rgb_u8, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.square(luma - cv2.GaussianBlur(luma, (0, 0), 2))[where].mean())


def _cameras() -> None:
    """Where cameras go, and what a focus and a dolly zoom look like in frames."""
    scene = c3drender.prepare(PHOTO, mask=MASK, hints=HINTS, depth="builtin", focus=FOCUS, size=640)

    def ways(*paths: CameraPath) -> list[tuple[np.ndarray, np.ndarray]]:
        return [_way(path) for path in paths]

    def path(camera: str | CameraKeys, **options: float | tuple) -> CameraPath:
        return c3drender.camera_path(scene, camera, NUM_FRAMES, **options)

    axes = path("circle", amplitude=(1.5, 0.5, 1.0))
    plots = [
        Tile(_dots(ways(path("circle"), path("circle", ease=0.8))), "ease", "circle, one dot a frame; blue: ease 0.8"),
        Tile(_dots(ways(path("circle"), axes)), "amplitude per axis", "circle; blue: amplitude 1.5, 0.5, 1"),
        Tile(_dots(ways(path(KEYS))), "key frames", "four of them, joined by a closed spline"),
    ]
    size = scene.camera.width, scene.camera.height

    def frame(camera: str | CameraKeys, n: int, **options: float) -> np.ndarray:
        animation = render.animate(scene, NUM_FRAMES)
        views = c3drender.camera_path(scene, camera, NUM_FRAMES, **options)
        part = CameraPath(views.world_to_cam[n : n + 1], views.name, None if views.zoom is None else views.zoom[n : n + 1])
        return next(iter(render.render_path(animation, part))).rgb_u8.numpy()

    ends = [frame("swing", n, amplitude=1.5) for n in (15, 45)]
    apart = np.abs(ends[0].astype(int) - ends[1]).clip(0, 255).astype(np.uint8)
    at = tuple(round(f * s / full) for f, s, full in zip(FOCUS, size, (WIDTH, HEIGHT), strict=True))
    cv2.circle(apart, at, 14, (255, 200, 0), 2)
    frames = [
        Tile(apart, "focus", "both ends of swing, difference: the marked point stays"),
        Tile(frame("dolly-zoom", 0), "dolly-zoom, frame 0", "the photo"),
        Tile(frame("dolly-zoom", NUM_FRAMES // 2, amplitude=1.0), "dolly-zoom, frame 30", "stepped back and zoomed in"),
    ]
    write_picture(IMAGES / "motion_cameras.jpg", compose([*plots, *frames], 3))


def _way(path: CameraPath) -> tuple[np.ndarray, np.ndarray]:
    """Camera centres seen from the front: x and -y."""
    poses = path.world_to_cam
    centre = -torch.einsum("fji,fj->fi", poses[:, :, :3], poses[:, :, 3]).numpy()
    return centre[:, 0], -centre[:, 1]


def _dots(ways: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    canvas = np.full((*PLOT_PX, 3), 250, np.uint8)
    largest = max(np.abs(np.concatenate(way)).max() for way in ways)
    scale = 0.42 * min(PLOT_PX) / largest
    for (x, y), ink in zip(ways, INK, strict=False):
        for u, v in zip(PLOT_PX[1] / 2 + scale * x, PLOT_PX[0] / 2 - scale * y, strict=True):
            cv2.circle(canvas, (round(u), round(v)), 3, ink, -1, cv2.LINE_AA)
    return canvas


def _plot(curves: list[tuple[np.ndarray, np.ndarray]], range_y: tuple[float, float], title: str) -> np.ndarray:
    canvas = np.full((*PLOT_PX, 3), 250, np.uint8)
    height, width = PLOT_PX

    def place(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u = 45 + (width - 60) * x
        v = height - 25 - (height - 50) * (y - range_y[0]) / (range_y[1] - range_y[0])
        return np.stack([u, v], axis=1).round().astype(np.int32)

    for level in np.arange(range_y[0], range_y[1] + 1e-6, 0.1):
        left, right = place(np.array([0.0, 1.0]), np.array([level, level]))
        cv2.line(canvas, tuple(left), tuple(right), (215, 215, 215), 1)
        cv2.putText(
            canvas, f"{level:.1f}", (8, int(left[1]) + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (80, 80, 80), 1, cv2.LINE_AA
        )
    for curve, ink in zip(curves, INK, strict=False):
        cv2.polylines(canvas, [place(*curve)], False, ink, 2, cv2.LINE_AA)
    cv2.putText(canvas, title, (45, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (40, 40, 40), 1, cv2.LINE_AA)
    return canvas


def _fit(rgb_u8: np.ndarray, width: int) -> np.ndarray:
    return cv2.resize(rgb_u8, (width, round(width * rgb_u8.shape[0] / rgb_u8.shape[1])), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
