"""The learned path: one released frame of the fixture's size, decoding at 1280x720, and 60 learned frames of a photo.

python benchmarks/networks_speed.py [--photo FILE] [--frames 3] [--repeats 3] [--skip-photo]

The weights are the fixtures' (`python_tests/golden_networks.py`), under which errors mean something. ``--frames``: how many of
the 60 are rendered; the rest is reckoned from their median.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from c3drender import pipeline, video
from c3drender.networks import Decoder, FeatureExtractor, RenderModel
from c3drender.networks import render as learned
from c3drender.networks.precision import for_inference, inference_dtype
from c3drender.networks.published import frame, layers, points

REPO = Path(__file__).resolve().parent.parent
GOLDEN = REPO / "python_tests" / "golden"
PHOTO = REPO.parent / "shared" / "photos" / "demo0" / "image.png"
HEIGHT, WIDTH = 720, 1280
NUM_FRAMES = 60
PEAK = "--peak-of"  # for this script's own child processes: decode once, print the peak memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-photo", action="store_true")
    parser.add_argument(PEAK, choices=("nothing", "strips", "whole"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        _print_peak(args.peak_of)
        return
    fast = str(inference_dtype("cpu")).removeprefix("torch.")
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, networks run in {fast}")
    model = _model()
    _fixture(model, args.repeats)
    _decoding(model.decoder, args.repeats)
    if not args.skip_photo:
        _photo(model, args.photo, args.frames)


def _model() -> RenderModel:
    sys.path.insert(0, str(REPO / "python_tests"))
    from golden_networks import golden_state

    features, decoder = FeatureExtractor().eval(), Decoder().eval()
    features.load_state_dict(golden_state("feature_net"))
    decoder.load_state_dict(golden_state("img_decoder"))
    return RenderModel(features, decoder)


@dataclass(frozen=True)
class _Timing:
    """Seconds by the clock and of all threads together: on a busy machine the second is the steadier."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.3g} s (CPU {self.cpu:.3g} s)"


def _timed(run: Callable[[], Any], repeats: int) -> tuple[_Timing, Any]:
    """Medians after one run that does not count, and the last result."""
    run()
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return _Timing(statistics.median(walls), statistics.median(cpus)), result


@torch.no_grad()
def _fixture(model: RenderModel, repeats: int) -> None:
    with np.load(GOLDEN / "frame.npz") as archive:
        case = {key: torch.from_numpy(np.asarray(archive[key])) for key in archive.files}
    stack = layers.DepthLayers(case["rgba_layers"][:, 0], case["depth_layers"][:, 0, 0], case["mask_layers"][:, 0, 0])
    sheets = points.make_sheets(case["src_img"][0], stack, case["featmaps"])
    offsets = [case[name][0].permute(2, 0, 1) for name in ("flow_f", "flow_b")]
    view = sheets.camera.with_pose(torch.cat([torch.eye(3), case["t"][:, None]], dim=1))
    loop_t = float(case["time"])
    timing, made = _timed(lambda: frame.render_frame(sheets, model.decoder, *offsets, loop_t, view), repeats)
    sides = [points.displaced(sheets, offset) for offset in offsets]
    splat, _ = _timed(lambda: frame.splat_sides(*sides, view), repeats)
    error = float((made.rgb - case["pred_rgb"][0]).abs().max())
    print(f"released frame, 48x64, {len(case['pts'])} points: {timing}, ", end="")
    print(f"of it {splat} for both splats (C = 37); largest difference to the authors' {error:.1e}")


@torch.no_grad()
def _decoding(decoder: Decoder, repeats: int) -> None:
    blended = _decoder_input()
    plain, reference = _timed(lambda: decoder(blended.contiguous()), repeats)
    print(f"decode {WIDTH}x{HEIGHT}, float32: {plain}")
    for dtype in (torch.float32, torch.bfloat16):
        network = for_inference(decoder, "cpu", dtype)
        given = blended.to(dtype, memory_format=torch.channels_last)
        timing, made = _timed(lambda network=network, given=given: network(given), repeats)
        error = (made.float() - reference).abs()
        name = f"{str(dtype).removeprefix('torch.')} channels-last"
        print(f"decode {WIDTH}x{HEIGHT}, {name}: {timing}, largest error {error.max():.1e}, mean {error.mean():.1e}")
    base, strips, whole = (_peak(what) for what in ("nothing", "strips", "whole"))
    print(f"peak memory of a decode beyond its input: {strips - base:.2f} GB in strips, {whole - base:.2f} GB at once")


def _decoder_input() -> Tensor:
    """The fixture's input, enlarged: what a decoder reads varies from pixel to pixel, as splatted points do."""
    with np.load(GOLDEN / "net_img_decoder.npz") as archive:
        small = torch.from_numpy(archive["x0"])
    tiled = small.repeat(1, 1, -(-HEIGHT // small.shape[2]), -(-WIDTH // small.shape[3]))
    return tiled[:, :, :HEIGHT, :WIDTH].contiguous(memory_format=torch.channels_last)


def _peak(what: str) -> float:
    command = [sys.executable, __file__, PEAK, what]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_peak(what: str) -> None:
    decoder, blended = for_inference(Decoder(), "cpu", torch.float32), _decoder_input()
    if what != "nothing":
        with torch.set_grad_enabled(what == "whole"):  # strips are for inference; no parameter requires a gradient
            decoder(blended)
    # Not getrusage: a child's figure starts at its parent's.
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**20)


def _photo(model: RenderModel, photo: Path, num_rendered: int) -> None:
    started = time.perf_counter()
    scene = pipeline.prepare(photo, size=WIDTH, depth="builtin", camera="circle", device="cpu")
    prepared = time.perf_counter()
    animation = learned.animate(scene, model, NUM_FRAMES)
    encoded = time.perf_counter()
    path = pipeline.camera_path(scene, "circle", NUM_FRAMES)
    frames: list[Tensor] = []

    def render_next() -> None:
        n = len(frames)
        frames.append(learned.render_frame(animation, animation.camera.with_pose(path.world_to_cam[n]), n).rgb_u8)

    rendering, _ = _timed(render_next, num_rendered)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        video.write_video(Path(folder) / "out.mp4", frames)
    writing = (time.perf_counter() - begun) / len(frames)
    total = encoded - started + NUM_FRAMES * (rendering.wall + writing)
    height, width = frames[0].shape[:2]
    print(f"photo {width}x{height}: prepare {prepared - started:.1f} s, encode {encoded - prepared:.1f} s, ", end="")
    print(f"{len(animation.feat)} points, {rendering} a frame (median of {num_rendered}), mp4 {writing:.2f} s a frame")
    print(f"photo to mp4, {NUM_FRAMES} learned frames: {total:.0f} s, reckoned")


if __name__ == "__main__":
    main()
