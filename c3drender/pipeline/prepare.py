"""From a photo to a `Scene`: depth, flow, layers, filled holes, composed from the stages."""

from __future__ import annotations

from math import ceil

import torch
from tqdm import tqdm

from .. import camera as cameras
from .. import defaults
from ..data import (
    Camera,
    CameraKeys,
    CameraPath,
    DepthMap,
    FlowField,
    Fluid,
    Harmonics,
    Image,
    Scene,
    Scenery,
    Sway,
    to_device,
)
from ..depth import depth_from_disparity, depth_from_metric, estimate_depth
from ..files import resize
from ..layers import LayerConfig, build_layers
from ..layers.inpainter import Inpainter
from ..motion import find_flow, ripple_field, sway_field
from ..motion import harmonics as harmonic
from ..ops.device import pick_device
from .inputs import (
    Amplitude,
    Arrows,
    CameraLike,
    Inputs,
    Motion,
    PathLike,
    PictureLike,
    SegmentsLike,
    list_motion,
    read_camera,
    read_inpainter,
    read_inputs,
)
from .see import see_scenery

MARGIN_SPARE_PX = 3  # beyond what the path shows: a splat's reach and the rounding of the border


def prepare(
    photo: PictureLike,
    *,
    mask: PictureLike | None = None,
    hints: Arrows | None = None,
    flow: PictureLike | None = None,
    motion: Motion | None = None,
    depth: PictureLike = "auto",
    segments: SegmentsLike = "auto",
    inpainter: Inpainter | PathLike | None = None,
    size: resize.Size = None,
    amplitude: Amplitude = 1.0,
    camera: CameraLike | None = None,
    focus: tuple[float, float] | None = None,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> Scene:
    """Everything that comes before the first frame: depth, flow, layers, filled holes.

    ``photo``: path, PIL image, array or tensor (`files.read_photo`). ``mask``: picture or array, white moves; None: found.
    ``hints``: arrows ``((x0, y0), (x1, y1))`` in pixels, each as long as 50 frames of motion, or a JSON or labelme file
    (`annotations.read_hints`). ``flow``: dense px per frame, ``[H, W, 2]``, ``.npy`` or ``.flo``. ``motion``: instead of
    these three a list of what moves, `Fluid`, `Sway` and `Ripple`, each with its own mask. ``depth``: ``"auto"``,
    ``"builtin"``, an installed or any other model (`estimate_depth`), or a depth map (`files.read_depth`). ``size``: the
    longer side in pixels. ``segments``: what each pixel shows, which says what may move and what never does: ``"auto"`` (an
    installed model, if there is one), ``"none"``, the name of a model, or a file (`files.read_segments`).
    ``inpainter``: paints what the photo does not show instead of `ops.inpaint_layers`, ``f(rgb, hole) -> rgb``
    (`inpainter.Inpainter`), a TorchScript or ``.onnx`` file of one, such as LaMa's (`inpainter.load`), or the name of an
    installed model.

    The scene can be rendered by any preset up to ``amplitude``; with ``camera`` (as in `render_frames`) it is filled for that
    path only, which is quicker. ``focus``: the point (x, y) of the photo that every camera keeps in place; None: its middle.

    Raises ValueError, TypeError or OSError with one line that names the argument.
    """
    wanted = read_camera(camera, amplitude)
    parts = list_motion(motion, mask=mask, hints=hints, flow=flow)
    target_device = pick_device(device)
    painter = read_inpainter(inpainter, target_device)
    steps = tqdm(total=4, desc="prepare", unit="stage", disable=not progress, leave=False)
    inputs = read_inputs(photo, parts, depth, focus, size, segments)
    steps.set_description("depth")
    shown, stays, seen_notes = see_scenery(inputs, target_device)
    depth_map, depth_note = _find_depth(inputs, shown, target_device)
    steps.update()
    steps.set_description("flow")
    field, motion_note = find_flow(inputs.image, depth_map, shown, inputs.hints, inputs.step_px, stays)
    harmonics, harmonic_notes = _find_harmonics(inputs, depth_map, field)
    flow_notes = (motion_note,) if any(isinstance(part, Fluid) for part in parts) else ()
    steps.update()
    steps.set_description("layers")
    notes = (*seen_notes, depth_note, *flow_notes, *harmonic_notes)
    scene = build_scene(inputs.image, depth_map, field, wanted, amplitude, notes, inputs.focus_px, harmonics, painter)
    steps.update(2)
    steps.close()
    return to_device(scene, target_device)


def build_scene(
    image: Image,
    depth: DepthMap,
    flow: FlowField,
    camera: str | CameraKeys | CameraPath | None,
    amplitude: Amplitude,
    notes: tuple[str, ...],
    focus_px: tuple[float, float] | None = None,
    harmonics: Harmonics | None = None,
    inpainter: Inpainter | None = None,
) -> Scene:
    """The last stage of `prepare`: the layers that ``camera`` (None: any preset) can look at."""
    height, width = image.size
    lens = Camera.for_photo(width, height, depth.focal_px)
    disp = 1.0 / depth.z_cam
    # The nearest and farthest percent may be a speck; the focus lies in the middle of what there is.
    sample = disp[:: max(height // 256, 1), :: max(width // 256, 1)].flatten()
    near, far, focus = (float(sample.quantile(q)) for q in (0.99, 0.01, 0.5))
    if focus_px is not None:
        focus = float(disp[min(int(focus_px[1]), height - 1), min(int(focus_px[0]), width - 1)])
    scale = {"disp_near": near, "disp_far": min(far, 0.98 * near), "disp_focus": focus, "focus_px": focus_px}
    if isinstance(camera, CameraPath):
        views = camera
    elif camera is None:
        views = cameras.envelope_path(lens, **scale, amplitude=amplitude)
    else:
        views = cameras.make_camera_path(lens, camera, 16, **scale, amplitude=amplitude)
    nearest, farthest = float(disp.max()), float(disp.min())
    swing_px = 0.0 if harmonics is None else harmonic.reach_px(harmonics)
    reach = [cameras.max_shift_px(lens, views, d) + swing_px for d in (nearest, farthest)]
    parallax_px = cameras.parallax_px(lens, views, nearest, farthest)
    if bool(flow.moving.any()):
        # However little the camera looks behind things, what drifts comes out from there.
        parallax_px = max(parallax_px, cameras.PARALLAX * max(width, height) / max(nearest - farthest, 0.1 * nearest))
    config = LayerConfig(
        views=views,
        parallax_px=parallax_px,
        margin_px=min(ceil(max(reach)) + MARGIN_SPARE_PX, min(height, width) - 1),
        loop_steps=defaults.FRAMES,
    )
    layered = build_layers(image, depth, flow, lens, config, inpainter)
    on_canvas = None if harmonics is None else harmonic.on_canvas(harmonics, layered.margin_px)
    return Scene(lens, layered, **scale, notes=notes, harmonics=on_canvas)


def _find_harmonics(inputs: Inputs, depth: DepthMap, flow: FlowField) -> tuple[Harmonics | None, tuple[str, ...]]:
    """What sways and ripples beside the flow, and one line for each."""
    fields, notes = [], []
    for part, hints in inputs.harmonic:
        held = hints.mask if hints.freeze is None else hints.mask & ~hints.freeze
        mask, arrows = held.numpy(), hints.arrows.numpy()
        if isinstance(part, Sway):
            field = sway_field(mask, arrows, part.root, part.strength)
        else:
            field = ripple_field(mask, 1.0 / depth.z_cam.cpu().numpy(), arrows, part.strength)
        fields.append(harmonic.held_still(field, flow.moving))
        reach = harmonic.reach_px(fields[-1])
        notes.append(f"{type(part).__name__.lower()}: {mask.mean():.0%} of the picture, by up to {reach:.1f} px")
    return (harmonic.joined(fields) if fields else None), tuple(notes)


def _find_depth(inputs: Inputs, shown: Scenery, device: torch.device) -> tuple[DepthMap, str]:
    given = inputs.depth
    if isinstance(given, str):
        return estimate_depth(inputs.image, shown, method=given, device=device)
    if given.kind == "metric":
        return depth_from_metric(given.values), "depth: yours, along the view axis"
    return depth_from_disparity(given.values), "depth: yours, near is bright"
