"""The learned path: released frames, decoding at 1280x720, and 60 learned frames of a photo.

python benchmarks/networks_speed.py [fixture] [published] [errors] [decode] [memory] [photo] [whole]
                                    [--photo FILE] [--frames 3] [--repeats 3]

Writes results/networks_speed.json, where what was not measured this time stays. The weights are the fixtures'
(`python_tests/golden_networks.py`), under which errors mean something. ``photo`` says where a photo's frames spend their time,
``whole`` makes the video of 60. The roof of a decode is its operations at the speed of a large float32 matrix product.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from machine import REPO, RESULTS, write_result
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from c3drender import camera, files, pipeline
from c3drender.files import resize, video
from c3drender.networks import Decoder, FeatureExtractor, MotionNetwork, PublishedModels, RenderModel, eight_bit
from c3drender.networks import render as learned
from c3drender.networks.checkpoints import CONSTANT
from c3drender.networks.decoder import in_eight_bits
from c3drender.networks.inpainters import ColourInpainter, DepthInpainter
from c3drender.networks.precision import for_inference
from c3drender.networks.published import frame, layers, points, preset
from c3drender.pipeline.published import SPAN

GOLDEN = REPO / "python_tests" / "golden"
PHOTO = REPO.parent / "shared" / "photos" / "demo0" / "image.png"
EXAMPLE = REPO / "c3drender" / "example"
EXAMPLE_SIZE, EXAMPLE_FRAME = 640, 20
RESULT = RESULTS / "networks_speed.json"
HEIGHT, WIDTH = 720, 1280
NUM_FRAMES = 60
Network = TypeVar("Network", bound=torch.nn.Module)
PEAK = "--peak-of"  # for this script's own child processes: decode once, print the peak memory
PEAKS = ("nothing", "at once", "in strips", "in 8 bits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure (default: all)")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(PEAK, choices=PEAKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        print(_peak_of_a_decode(args.peak_of))
        return
    model = _model()
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result.pop("machine", None)
    for part in args.parts or PARTS:
        result[part] = PARTS[part](model, args)
        print(part, json.dumps(result[part], indent=1), sep=": ")
    write_result(RESULT, torch.device("cpu"), result)


def _model() -> RenderModel:
    return RenderModel(_golden(FeatureExtractor(), "feature_net"), _golden(Decoder(), "img_decoder"))


def _golden(network: Network, name: str) -> Network:
    sys.path.insert(0, str(REPO / "python_tests"))
    from golden_networks import golden_state

    network.load_state_dict({key: value for key, value in golden_state(name).items() if not key.endswith(CONSTANT)})
    return network.eval().requires_grad_(False)


def _timed(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least of the seconds, which others on the machine disturb least, and the last result. The first does not count."""
    run()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begun)
    return round(min(seconds), 4), result


@torch.no_grad()
def _fixture(model: RenderModel, args: argparse.Namespace) -> dict[str, Any]:
    with np.load(GOLDEN / "frame.npz") as archive:
        case = {key: torch.from_numpy(np.asarray(archive[key])) for key in archive.files}
    stack = layers.DepthLayers(case["rgba_layers"][:, 0], case["depth_layers"][:, 0, 0], case["mask_layers"][:, 0, 0])
    sheets = points.make_sheets(case["src_img"][0], stack, case["featmaps"])
    offsets = [case[name][0].permute(2, 0, 1) for name in ("flow_f", "flow_b")]
    view = sheets.camera.with_pose(torch.cat([torch.eye(3), case["t"][:, None]], dim=1))
    loop_t = float(case["time"])
    sharpness = float(model.decoder.alpha)
    seconds, made = _timed(lambda: frame.render_frame(sheets, model.decoder, *offsets, loop_t, view, sharpness), args.repeats)
    sides = [points.displaced(sheets, points.spread_offsets(sheets, offset)) for offset in offsets]
    splats, _ = _timed(lambda: frame.splat_sides(*sides, view), args.repeats)
    error = float((made - case["pred_rgb"][0]).abs().max())
    return {
        "size": "64x48",
        "points": len(case["pts"]),
        "frame_s": seconds,
        "both_splats_s": splats,
        "largest_difference": float(f"{error:.1e}"),
    }


@torch.no_grad()
def _published(model: RenderModel, args: argparse.Namespace) -> dict[str, Any]:
    """The preset at 1280x720, its depth network aside: the lower half moves."""
    inpainters = _golden(DepthInpainter(), "depth_model"), _golden(ColourInpainter(), "color_model")
    models = PublishedModels(model, _golden(MotionNetwork(), "netG"), *inpainters, None)
    photo = resize.resize_photo(files.read_photo(args.photo), HEIGHT, WIDTH)
    rows = torch.linspace(1.0, 0.0, HEIGHT)[:, None].expand(HEIGHT, WIDTH)
    moving, arrows = rows < 0.5, torch.tensor([[[400.0, 600.0], [500.0, 620.0]]])
    begun = time.perf_counter()
    scene = preset.prepare(models, photo.rgb.permute(2, 0, 1).contiguous(), moving, arrows, (5 * (1 - rows)).round())
    prepared = time.perf_counter()
    path = camera.make_camera_path(scene.sheets.camera, "paper-circle", NUM_FRAMES, SPAN, amplitude=1.0)
    frames = preset.render(scene, model.decoder, path, NUM_FRAMES)
    seconds, shown = _timed(lambda: next(frames), args.frames)
    return {
        "size": f"{WIDTH}x{HEIGHT}",
        "layers": len(scene.sheets.feat),
        "prepare_s": round(prepared - begun, 2),
        "frame_s": seconds,
        "cropped_to": f"{shown.shape[1]}x{shown.shape[0]}",
    }


@torch.no_grad()
def _errors(model: RenderModel, args: argparse.Namespace) -> dict[str, Any]:
    """What fewer bits cost, against float32: the extractor's features, and pictures of what a decoder is given."""
    seen = _example_inputs(model)
    extractors = {kind: for_inference(model.features, "cpu", kind) for kind in (torch.float32, torch.bfloat16)}
    exact, half = (extractors[kind](seen["layers"].to(kind)).float() for kind in extractors)
    result: dict[str, Any] = {"features, bfloat16": _difference(half, exact) | {"deviation": float(f"{exact.std():.2g}")}}
    plain = for_inference(model.decoder, "cpu", torch.float32)
    for given, blended in (("fixture", _decoder_input()), ("example", seen["blended"])):
        reference = plain(blended)
        for name, decoder in _ways(plain).items():
            made = decoder(blended.to(decoder.alpha.dtype)).float()
            result[f"{given}, {name}"] = _difference(made, reference) | {"psnr": _psnr(made, reference)}
    return result


def _example_inputs(model: RenderModel) -> dict[str, Tensor]:
    """What the two networks are given for a frame of the bundled example: its ``layers``, and both sides ``blended``."""
    seen: dict[str, Tensor] = {}
    photo, mask, hints = (EXAMPLE / name for name in ("stream_cascade.jpg", "mask.png", "hints.json"))
    given = {"mask": mask, "hints": hints, "depth": "builtin", "camera": "circle", "device": "cpu"}
    scene = pipeline.prepare(photo, size=EXAMPLE_SIZE, **given)
    note = model.features.register_forward_pre_hook(lambda _, inputs: seen.update(layers=inputs[0].float()))
    animation = pipeline.animate_learned(scene, model, NUM_FRAMES)
    note.remove()
    animation.decoder.register_forward_pre_hook(lambda _, inputs: seen.update(blended=inputs[0].float()))
    view = pipeline.camera_path(scene, "circle", NUM_FRAMES, amplitude=1.0).world_to_cam[EXAMPLE_FRAME]
    learned.render_frame(animation, animation.camera.with_pose(view), EXAMPLE_FRAME)
    return seen


def _ways(plain: Decoder) -> dict[str, Decoder]:
    """The number formats beside float32 that this processor multiplies."""
    ways = {"bfloat16": for_inference(plain, "cpu", torch.bfloat16)}
    return ways | {"8 bits": in_eight_bits(plain)} if eight_bit.pays("cpu") else ways


def _difference(made: Tensor, reference: Tensor) -> dict[str, float]:
    error = (made - reference).abs()
    return {"largest_error": float(f"{error.max():.2g}"), "mean_error": float(f"{error.mean():.2g}")}


def _psnr(made: Tensor, reference: Tensor) -> float:
    return round(float(peak_signal_noise_ratio(reference.numpy(), made.numpy(), data_range=1.0)), 1)


@torch.no_grad()
def _decode(model: RenderModel, args: argparse.Namespace) -> dict[str, Any]:
    blended = _decoder_input()
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        _decode_at_once(copy.deepcopy(model.decoder).to("meta"), blended.to("meta"))
    gflop, peak = counter.get_total_flops() / 1e9, _matrix_gflop_per_s(args.repeats)
    plain = for_inference(model.decoder, "cpu", torch.float32)
    seconds = {"float32, at once": _timed(lambda: _decode_at_once(plain, blended), args.repeats)[0]}
    for name, decoder in ({"float32": plain} | _ways(plain)).items():
        given = blended.to(decoder.alpha.dtype)
        seconds[name] = _timed(lambda decoder=decoder, given=given: decoder(given), args.repeats)[0]
    return {
        "size": f"{WIDTH}x{HEIGHT}",
        "gflop": round(gflop),
        "matrix_gflop_per_s": round(peak),
        "roof_s": round(gflop / peak, 3),
        "seconds": seconds,
    }


def _memory(model: RenderModel, args: argparse.Namespace) -> dict[str, float]:
    """The peak of a decode beyond its weights and input, in GB."""
    base, *peaks = (_peak_in_child(what) for what in PEAKS)
    return {what: round(peak - base, 2) for what, peak in zip(PEAKS[1:], peaks, strict=True)}


def _decode_at_once(decoder: Decoder, blended: Tensor) -> Tensor:
    """Strips and work in place are for inference: with gradients there are none. No parameter requires one."""
    with torch.enable_grad():
        return decoder(blended)


def _matrix_gflop_per_s(repeats: int, side: int = 2048) -> float:
    a, b = torch.randn(side, side), torch.randn(side, side)
    seconds, _ = _timed(lambda: a @ b, 3 * repeats)
    return 2e-9 * side**3 / seconds


def _decoder_input() -> Tensor:
    """The fixture's input, repeated: what a decoder reads varies from pixel to pixel, as splatted points do."""
    with np.load(GOLDEN / "net_img_decoder.npz") as archive:
        small = torch.from_numpy(archive["x0"])
    tiled = small.repeat(1, 1, -(-HEIGHT // small.shape[2]), -(-WIDTH // small.shape[3]))
    return tiled[:, :, :HEIGHT, :WIDTH].contiguous(memory_format=torch.channels_last)


def _peak_in_child(what: str) -> float:
    command = [sys.executable, __file__, PEAK, what]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.no_grad()
def _peak_of_a_decode(what: str) -> float:
    decoder, blended = for_inference(Decoder(), "cpu", torch.float32), _decoder_input()
    if what == "at once":
        _decode_at_once(decoder, blended)
    elif what != "nothing":
        decoder = in_eight_bits(decoder) if what == "in 8 bits" else decoder
        decoder(blended)
    # Not getrusage: a child's figure starts at its parent's.
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**20


def _photo(model: RenderModel, args: argparse.Namespace) -> dict[str, Any]:
    begun = time.perf_counter()
    scene = pipeline.prepare(args.photo, size=WIDTH, depth="builtin", camera="circle", device="cpu")
    prepared = time.perf_counter()
    animation = pipeline.animate_learned(scene, model, NUM_FRAMES)
    animated = time.perf_counter()
    path = pipeline.camera_path(scene, "circle", NUM_FRAMES, amplitude=1.0)
    decoding, frames = [], []
    animation.decoder.register_forward_pre_hook(lambda *_: decoding.append(-time.perf_counter()))
    animation.decoder.register_forward_hook(lambda *_: decoding.append(decoding.pop() + time.perf_counter()))

    def render_next() -> None:
        n = NUM_FRAMES // 2 + len(frames)
        frames.append(learned.render_frame(animation, animation.camera.with_pose(path.world_to_cam[n]), n).rgb_u8)

    rendering, _ = _timed(render_next, args.frames)
    with tempfile.TemporaryDirectory() as folder:
        begun_video = time.perf_counter()
        video.write_video(Path(folder) / "out.mp4", frames)
        writing = (time.perf_counter() - begun_video) / len(frames)
    height, width = frames[0].shape[:2]
    decode = min(decoding[1:])
    return {
        "size": f"{width}x{height}",
        "points": len(animation.feat),
        "prepare_s": round(prepared - begun, 2),
        "encode_and_lift_s": round(animated - prepared, 2),
        "frame_s": rendering,
        "of_it_decode_s": round(decode, 4),
        "of_it_points_splats_blend_s": round(rendering - decode, 4),
        "mp4_s_a_frame": round(writing, 4),
        "rendered": args.frames,
    }


def _whole(model: RenderModel, args: argparse.Namespace) -> dict[str, Any]:
    """What a user waits for. Where ``cpu_s`` is far below the wall's time by the number of cores, others used the machine."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        given = {"size": WIDTH, "depth": "builtin", "camera": "circle", "device": "cpu", "progress": False}
        begun, cpu_begun = time.perf_counter(), time.process_time()
        pipeline.render_cinemagraph(args.photo, out, model=model, frames=NUM_FRAMES, **given)
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
    measured = {"photo_to_mp4_s": round(seconds, 1), "cpu_s": round(cpu_seconds, 1)}
    return {"frames": NUM_FRAMES, "longer_side": WIDTH} | measured


PARTS = {
    "fixture": _fixture,
    "published": _published,
    "errors": _errors,
    "decode": _decode,
    "memory": _memory,
    "photo": _photo,
    "whole": _whole,
}

if __name__ == "__main__":
    main()
