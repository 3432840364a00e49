"""From a photo to a `Scene`: depth, flow, layers, filled holes, composed from the stages."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import torch
from torch import Tensor

from .. import camera as cameras
from .. import defaults
from ..data import (
    LEAST_RANGE,
    Camera,
    CameraKeys,
    CameraPath,
    DepthMap,
    DepthSpan,
    Flame,
    FlowField,
    Fluid,
    Harmonics,
    Image,
    MaskLike,
    PathLike,
    PictureLike,
    Ripple,
    Scenery,
    Sway,
)
from ..depth import depth_from_disparity, depth_from_metric, estimate_depth
from ..files import resize
from ..files.colour import Color
from ..files.depth_kind import AskedKind, AskedNear
from ..files.hints import Labels
from ..files.scene import Scene
from ..files.tell import warn
from ..layers import LayerConfig, build_layers
from ..layers.inpainter import Inpainter
from ..motion import find_flames, find_flow, find_still, flame_field, ripple_field, sway_field
from ..motion import harmonics as harmonic
from ..motion.words import percent
from ..networks import MotionNetwork
from ..networks.flow import learned_flow
from ..pixels.crossing import HOST
from ..progress import Progress, bar
from .amplitude import borne_by
from .inputs import (
    LEAST_MATTE,
    Amplitude,
    CameraLike,
    FlowLike,
    HarmonicGiven,
    HintsLike,
    Inputs,
    Motion,
    Reading,
    SegmentsLike,
    list_motion,
    read_camera,
    read_device,
    read_inpainter,
    read_inputs,
    read_motion_model,
)
from .plain import plainly
from .see import Shown, look

FAR_SHARE = 0.1  # of the range of disparities: what is farther is sky or as good as that
MARGIN_SPARE_PX = 3  # beyond what the path shows: a splat's reach and the rounding of the border


@plainly
def prepare(
    photo: PictureLike,
    *,
    mask: MaskLike | None = None,
    hints: HintsLike | None = None,
    flow: FlowLike | None = None,
    motion: Motion | None = None,
    motion_model: MotionNetwork | PathLike | None = None,
    matte: PictureLike | None = None,
    label: Labels = None,
    depth: PictureLike = "auto",
    depth_kind: AskedKind = "auto",
    depth_near: AskedNear = "auto",
    color: Color = "srgb",
    segments: SegmentsLike = "auto",
    inpainter: Inpainter | PathLike | None = None,
    trust: bool = False,
    size: resize.Size = None,
    amplitude: Amplitude = 1.0,
    camera: CameraLike | None = None,
    focus: tuple[float, float] | None = None,
    device: str | torch.device | None = "auto",
    progress: Progress = False,
) -> Scene:
    """Everything that comes before the first frame: depth, flow, layers, filled holes.

    Parameters
    ----------
    photo : path, PIL image, array or Tensor
        See `c3drender.files.read_photo`.
    mask : MaskLike, optional
        Picture or array, white moves; None: found (`c3drender.files.read_mask`).
    hints : Arrows or MotionHints, optional
        Arrows ``((x0, y0), (x1, y1))`` in pixels, each as long as 50 frames of motion, or a JSON or labelme file
        (`c3drender.files.read_hints`); None: guessed.
    flow : path, array or Tensor, optional
        Dense px per frame, ``[H, W, 2]``, ``.npy`` or ``.flo`` (`c3drender.files.read_flow`).
    motion : sequence of Fluid, Sway, Flame and Ripple, optional
        Instead of these three a list of what moves, each with its own mask; at most one Fluid.
    motion_model : MotionNetwork or path, optional
        Where something moves is as without it; which way and how fast, this network says: what `networks.load_motion` loaded,
        a file ``sceneflow_model.pth``, or the folder of a training run or of the authors' checkpoints.
    matte : PictureLike, optional
        How freely each pixel moves, 0..1: soft edges of the mask; without a mask also what moves.
    label : str or sequence of str, optional
        Which labels of an annotation move, instead of ``motion*``.
    depth : str, path, array or Tensor
        ``"auto"`` (the photo's own, an installed model, or the built-in estimate), ``"photo"``, ``"builtin"``, a model
        (`c3drender.depth.estimate_depth`), or a depth map (`c3drender.files.read_depth`).
    depth_kind : {"auto", "disparity", "metric"}
        What the numbers of a depth map mean; ``"auto"``: what the file, their range and their layout say.
    depth_near : {"auto", "bright", "dark"}
        Whether near is large in a depth map.
    color : {"srgb", "p3"}
        The space of colours, from the photo to the video: sRGB or Display P3.
    segments : str, path or Segments
        What each pixel shows, which says what may move and what never does: ``"auto"`` (an installed model, if there is one),
        ``"none"``, the name of a model, or a file (`c3drender.files.read_segments`).
    inpainter : callable or path, optional
        Paints what the photo does not show instead of `c3drender.ops.inpaint_layers`: ``f(rgb, hole) -> rgb`` with float32
        ``[H, W, 3]`` in 0..1, black in the hole, and bool ``[H, W]``, True is to be filled; or a TorchScript or ``.onnx`` file
        of one, such as LaMa's; or the name of an installed model.
    trust : bool
        Such a file is a program, which may do anything: it is refused unless you say that you trust it.
    size : int, (int, int), "photo" or None
        The longer side in pixels, or (width, height) of the photo's proportions; ``"photo"`` keeps the photo's, None does up
        to 1920 px (`defaults.LONGER_SIDE_PX`).
    amplitude : float or sequence of three
        The scene can be rendered by any preset up to it; of all axes, or of x, y and z.
    camera : CameraLike, optional
        As in `render_frames`: the scene is filled for that path only, which is quicker.
    focus : (float, float), optional
        The point (x, y) of the photo that every camera keeps in place; None: its middle.
    device : str or torch.device
        ``"auto"`` (or None), ``"cpu"``, ``"cuda"`` or ``"cuda:N"``: where the scene lies, and a learned model runs. For
        ``"mps"`` and ``"xpu"`` there are no kernels: the CPU does, and one line says so.
    progress : bool or Watcher
        Show a bar, or tell a `c3drender.progress.Watcher`.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError, TypeError, OSError
        With one line that names the argument, what was expected, and what came.

    Notes
    -----
    Layers are filled for a motion loop of 60 frames (`defaults.FRAMES`) at speed 1; faster or longer loops are caught by the
    fluid's own surface behind it.

    Examples
    --------
    >>> import c3drender as c3d
    >>> scene = c3d.prepare("photo.jpg", mask="mask.png", hints=[((20, 40), (30, 44))], depth="builtin")
    >>> scene.camera.width, scene.camera.height
    (64, 48)
    >>> scene.layers.num_layers >= 1
    True
    """
    return prepare_sharp(
        photo,
        mask=mask,
        hints=hints,
        flow=flow,
        motion=motion,
        motion_model=motion_model,
        matte=matte,
        label=label,
        depth=depth,
        depth_kind=depth_kind,
        depth_near=depth_near,
        color=color,
        segments=segments,
        inpainter=inpainter,
        trust=trust,
        size=size,
        amplitude=amplitude,
        camera=camera,
        focus=focus,
        device=device,
        progress=progress,
    )[0]


def prepare_sharp(
    photo: PictureLike,
    *,
    mask: MaskLike | None,
    hints: HintsLike | None,
    flow: FlowLike | None,
    motion: Motion | None,
    motion_model: MotionNetwork | PathLike | None,
    matte: PictureLike | None,
    label: Labels,
    depth: PictureLike,
    depth_kind: AskedKind,
    depth_near: AskedNear,
    color: Color,
    segments: SegmentsLike,
    inpainter: Inpainter | PathLike | None,
    trust: bool,
    size: resize.Size,
    amplitude: Amplitude,
    camera: CameraLike | None,
    focus: tuple[float, float] | None,
    device: str | torch.device | None,
    progress: Progress,
    sharp: tuple[float, float] | None = None,
) -> tuple[Scene, tuple[float, float] | None]:
    """`prepare`, and where on the scene's picture the point ``sharp`` (x, y) of the photo lies."""
    wanted = read_camera(camera, amplitude)
    parts = list_motion(motion, mask=mask, hints=hints, flow=flow, matte=matte)
    target_device, device_notes = read_device(device)
    painter = read_inpainter(inpainter, target_device, trust)
    network = read_motion_model(motion_model, parts, target_device)
    with bar(shown=progress, total=4, desc="prepare", unit="stage", leave=False) as steps:
        inputs = read_inputs(photo, parts, depth, focus, size, segments, Reading(depth_kind, depth_near, label, color), sharp)
        steps.set_description("depth")
        shown = look(inputs.image, inputs.segments, target_device, inputs.eyes)
        depth_map, depth_note = find_depth(inputs, shown, target_device)
        steps.update()
        steps.set_description("flow")
        held = shown.held(inputs.hints)
        flows = any(isinstance(part, Fluid) for part in parts)
        beside, scenery = found_beside(inputs, shown) if flows else ((), shown.scenery)
        others = [part.named for part in beside]
        field, motion_note = find_flow(inputs.image, depth_map, scenery, inputs.hints, inputs.step_px, held, others)
        if inputs.hints.mask is not None and bool(inputs.hints.mask.any()) and not bool(field.moving.any()):
            warn("mask: nothing in it moves: it is frozen, or segments say that it stays (segments='none' lets it move)")
        if network is not None:
            field = learned_flow(network, inputs.image, field, inputs.hints.arrows)
            motion_note = f"motion: your motion model moves {percent(float(field.moving.float().mean()))} of the picture"
        if inputs.matte is not None:
            field = scaled(field, inputs.matte)
        harmonics, harmonic_notes = find_harmonics((*inputs.harmonic, *beside), depth_map, field)
        flow_notes = (motion_note,) if flows else ()
        steps.update()
        steps.set_description("layers")
        notes = (*device_notes, *inputs.notes, *shown.notes, depth_note, *flow_notes, *harmonic_notes)
        scene = build_scene(
            inputs.image, depth_map, field, wanted, amplitude, notes, inputs.focus_px, harmonics, painter, target_device
        )
        steps.update(2)
    return scene.to(target_device), inputs.sharp_px


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
    device: torch.device = HOST,
) -> Scene:
    """The last stage of `prepare`: the layers that ``camera`` (None: any preset) can look at.

    Parameters
    ----------
    image : Image
    depth : DepthMap
    flow : FlowField
    camera : str, CameraKeys, CameraPath or None
    amplitude : float or sequence of three
    notes : tuple of str
        For `Scene.notes`.
    focus_px : (float, float), optional
        (x, y), px of ``image``.
    harmonics : Harmonics, optional
        Of the photo, ``[K, H, W, 2]``.
    inpainter : callable, optional
    device : torch.device
        Where the ops look for holes and fill them. The scene lies on the CPU.

    Returns
    -------
    Scene
    """
    height, width = image.size
    lens = Camera.for_photo(width, height, depth.focal_px)
    span = depth_span(depth, focus_px)
    notes = (*notes, *_camera_notes(span))
    depth = within(depth, span)
    if isinstance(camera, CameraPath):
        views = camera
    elif camera is None:
        views = cameras.envelope_path(lens, span, amplitude=amplitude)
    else:
        views = cameras.make_camera_path(lens, camera, 16, span, amplitude=amplitude)
    nearest, farthest = 1.0 / float(depth.z_cam.min()), 1.0 / float(depth.z_cam.max())
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
        device=device,
    )
    layered = build_layers(image, depth, flow, lens, config, inpainter)
    on_canvas = None if harmonics is None else harmonic.on_canvas(harmonics, layered.margin_px)
    scene = Scene(lens, layered, span, notes, on_canvas)
    return replace(scene, notes=(*notes, *_amplitude_notes(scene)))


def depth_span(depth: DepthMap, focus_px: tuple[float, float] | None = None) -> DepthSpan:
    """What scales the camera paths of a scene of this depth. The nearest and the farthest percent may be specks. The camera
    keeps in place what is at ``focus_px``, or the middle of what is near: never the sky, or the subject would swing."""
    height, width = depth.z_cam.shape
    disp = 1.0 / depth.z_cam
    sample = disp[:: max(height // 256, 1), :: max(width // 256, 1)].flatten()
    near, far = (float(sample.quantile(q)) for q in (0.99, 0.01))
    if focus_px is not None:
        x, y = focus_px
        focus = float(disp[min(int(y), height - 1), min(int(x), width - 1)])
    else:
        content = sample[sample >= far + FAR_SHARE * (near - far)]
        focus = float(content.median())
    return DepthSpan(near, far, min(max(focus, far), near), focus_px)


def _camera_notes(span: DepthSpan) -> tuple[str, ...]:
    depth_range = 1.0 - span.far / span.near
    if depth_range >= LEAST_RANGE:
        return ()
    share = "no range" if depth_range < 0.005 else f"a range of {depth_range:.0%} only"
    return (f"camera: the depth has {share}, so that it moves gently (amplitude moves it more)",)


def _amplitude_notes(scene: Scene) -> tuple[str, ...]:
    own = defaults.AMPLITUDE * borne_by(scene)
    if own > 0.9 * defaults.AMPLITUDE:
        return ()
    return (f"camera: the depth has many outlines: by itself a preset goes {own:.2f} far (amplitude moves it more)",)


def within(depth: DepthMap, span: DepthSpan) -> DepthMap:
    """``depth`` with what lies beyond the span's limits pulled in."""
    farthest, nearest = span.limits
    z_cam = depth.z_cam
    outside = (z_cam > 1.0 / farthest) | (z_cam < 1.0 / nearest)
    return replace(depth, z_cam=torch.where(outside, z_cam.clamp(1.0 / nearest, 1.0 / farthest), z_cam))


def found_beside(inputs: Inputs, shown: Shown) -> tuple[tuple[HarmonicGiven, ...], Scenery]:
    """What surely burns and what water lies still, in a picture of which nothing is said, and the scenery without them: they
    do not drift."""
    hints, scenery = inputs.hints, shown.scenery
    said = inputs.step_px is not None or hints.mask is not None or len(hints.arrows) > 0
    if said or shown.fire is None or shown.still is None:
        return (), scenery
    level, foam, still, fire = (x.cpu().numpy() for x in (scenery.water, scenery.rapids, shown.still, shown.fire))
    unsaid = torch.ones(inputs.image.size, dtype=torch.bool)
    for given in inputs.harmonic:
        unsaid &= ~given.mask
    free = None if scenery.free is None else scenery.free.cpu().numpy()
    flames, water = (torch.from_numpy(mask) & unsaid for mask in (find_flames(fire), find_still(level, foam, still, free)))
    parts: tuple[tuple[Flame | Ripple, Tensor], ...] = ((Flame(None), flames), (Ripple(None), water))
    found = tuple(HarmonicGiven(part, mask, hints.arrows.cpu()) for part, mask in parts if bool(mask.any()))
    burns, lies = (~mask.to(scenery.water.device) for _, mask in parts)
    return found, replace(scenery, smoke=scenery.smoke * burns, water=scenery.water * lies, rapids=scenery.rapids * lies)


def find_harmonics(
    parts: tuple[HarmonicGiven, ...], depth: DepthMap, flow: FlowField
) -> tuple[Harmonics | None, tuple[str, ...]]:
    """What sways, flickers and ripples beside the flow, and one line for each."""
    fields, notes = [], []
    for given in parts:
        part, mask, arrows = given.part, given.mask.numpy(), given.arrows.numpy()
        if isinstance(part, Sway):
            field = sway_field(mask, arrows, part.root, float(part.strength))
        elif isinstance(part, Flame):
            field = flame_field(mask, arrows, float(part.strength))
        else:
            field = ripple_field(mask, 1.0 / depth.z_cam.cpu().numpy(), arrows, float(part.strength))
        fields.append(harmonic.held_still(field, flow.moving))
        reach = harmonic.reach_px(fields[-1])
        notes.append(f"{type(part).__name__.lower()}: {mask.mean():.0%} of the picture, by up to {reach:.1f} px")
    return (harmonic.joined(fields) if fields else None), tuple(notes)


def find_depth(inputs: Inputs, shown: Shown, device: torch.device) -> tuple[DepthMap, str]:
    """The depth given, or estimated, and one line that says which."""
    given = inputs.depth
    if isinstance(given, str):
        return estimate_depth(inputs.image, shown.scenery, shown.nearness, method=given, device=device)
    depth = depth_from_metric(given.values) if given.kind == "metric" else depth_from_disparity(given.values)
    return depth, given.notes[0]


def scaled(flow: FlowField, factor: Tensor) -> FlowField:
    """``flow`` at ``factor`` ``[H, W]`` of its speed, such as a matte; where that is next to nothing, still."""
    step_px = flow.step_px * factor[..., None].to(flow.step_px)
    return FlowField(step_px, flow.moving & (factor > LEAST_MATTE).to(flow.moving.device))
