"""Rendering by learned features: what the decoder is given, the loop, and the way through the pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import c3drender as c3d
from c3drender import networks, pipeline
from c3drender.data import Camera, CameraPath, DepthSpan, Frame, Harmonics, Layers
from c3drender.files.scene import Scene
from c3drender.networks import RenderModel
from c3drender.networks import render as learned

HEIGHT, WIDTH, MARGIN = 40, 56, 4
NUM_FRAMES = 8
STILL = Camera.for_photo(WIDTH, HEIGHT)


def _scene(step: tuple[float, float] = (1.0, 0.0)) -> Scene:
    """A tilted plane, smooth colours; its lower half flows."""
    camera = Camera.for_photo(WIDTH, HEIGHT)
    canvas = camera.padded(MARGIN)
    ys, xs = torch.meshgrid(torch.linspace(0, 1, canvas.height), torch.linspace(0, 1, canvas.width), indexing="ij")
    rgb = torch.stack([0.2 + 0.6 * xs, 0.2 + 0.6 * ys, 0.5 + 0.3 * torch.sin(6 * xs)], dim=-1)[None]
    moving = (ys > 0.5)[None]
    layers = Layers.from_planes(
        rgb=rgb.contiguous(),
        alpha=torch.ones(1, canvas.height, canvas.width),
        z_cam=(2.0 - ys)[None].contiguous(),
        seen=torch.ones(1, canvas.height, canvas.width, dtype=torch.bool),
        step_px=(moving[..., None] * torch.tensor(step)).contiguous(),
        moving=moving,
        margin_px=MARGIN,
    )
    return Scene(camera, layers, DepthSpan(1.0, 0.5, 0.7))


def _model() -> RenderModel:
    torch.manual_seed(0)
    return RenderModel(networks.FeatureExtractor(width=8), networks.Decoder(width=4))


class _Constant(nn.Module):
    """An extractor whose every feature is the number of its channel."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.arange(32.0))

    def forward(self, rgba: Tensor) -> Tensor:
        return self.values[:, None, None].expand(len(rgba), 32, rgba.shape[2] // 4, rgba.shape[3] // 4)


class _Shown(networks.Decoder):
    """A decoder that keeps what it was given."""

    def forward(self, blended: Tensor) -> Tensor:
        self.given = blended[0].float()
        return blended[:, :3]


def _decoder_input(scene: Scene, frame: int) -> Tensor:
    animation = pipeline.animate_learned(scene, RenderModel(_Constant(), _Shown(width=4)), NUM_FRAMES)
    learned.render_frame(animation, STILL, frame)
    return animation.decoder.given


@pytest.mark.parametrize("frame", [0, 3])
def test_what_the_decoder_reads(frame: int) -> None:
    scene = _scene()
    given = _decoder_input(scene, frame)
    assert given.shape == (37, HEIGHT, WIDTH)
    assert float(given[3].min()) > 0.9
    for channel in (4, 5, 20, 35):
        torch.testing.assert_close(given[channel], (channel - 4) * given[3], atol=2e-2, rtol=1e-2)
    disp = scene.layers.of_photo(1.0 / scene.layers.z_cam)
    unit = float((1.0 / scene.layers.z_cam).max())
    assert float((given[36] - given[3] * disp / unit).abs().max()) < 2e-2


def test_a_scene_at_rest_shows_its_own_colours() -> None:
    scene = _scene(step=(0.0, 0.0))
    photo = scene.layers.of_photo(scene.layers.rgb).permute(2, 0, 1)
    for frame in range(0, NUM_FRAMES, 3):
        assert float((_decoder_input(scene, frame)[:3] - photo).abs().max()) < 4e-2


def test_fluid_drifts_along_its_flow() -> None:
    """A mark on the fluid is found displaced by the steps of the frame, while the other side is still without weight."""
    scene = _scene(step=(2.0, 0.0))
    row, column = MARGIN + 30, MARGIN + 20
    scene.layers.rgb.view(*scene.layers.size, 3)[row - 2 : row + 3, column - 2 : column + 3] = 1.0
    brightness = _decoder_input(scene, 1)[:3].mean(dim=0)[30]
    assert abs(int(brightness.argmax()) - 22) <= 2


def _swaying(scene: Scene) -> Scene:
    """The still upper half swings to the right by up to 4 px, at its top."""
    canvas = scene.camera.padded(MARGIN)
    reach = 4.0 * torch.linspace(2, -2, canvas.height).clamp(0, 1)[:, None] * torch.ones(canvas.width)
    sine = torch.zeros(1, canvas.height, canvas.width, 2)
    sine[0, ..., 0] = reach * ~scene.layers.plane(scene.layers.moving, 0)
    return replace(scene, harmonics=Harmonics(sine, torch.zeros_like(sine)))


def _aside(zoom: float | None) -> CameraPath:
    """One pose to the left, seen by all frames."""
    pose = torch.cat([torch.eye(3), torch.tensor([[0.05], [0.0], [0.0]])], dim=1)
    return CameraPath(
        pose.expand(NUM_FRAMES, 3, 4).contiguous(), zoom=None if zoom is None else torch.full((NUM_FRAMES,), zoom)
    )


@pytest.mark.parametrize("sways", [False, True])
@pytest.mark.parametrize("zoom", [None, 1.5])
def test_frames_are_those_of_the_colour_renderer(sways: bool, zoom: float | None) -> None:
    """A decoder that passes its colours on shows the same scene, camera and moment as the renderer without networks."""
    scene, path = _scene(), _aside(zoom)
    model = RenderModel(_Constant(), _Shown(width=4, compositor="surface"))
    shown = _swaying(scene) if sways else scene
    made = list(pipeline.animate(shown, frames=NUM_FRAMES, model=model).render(path))
    plain = list(c3d.render_frames(shown, camera=path, frames=NUM_FRAMES, blend="linear"))
    at_rest = list(c3d.render_frames(scene, camera=_aside(None), frames=NUM_FRAMES, blend="linear"))

    def difference(a: list[Frame], b: list[Frame], n: int) -> float:
        return float((a[n].rgb_u8.float() - b[n].rgb_u8.float()).abs().mean())

    for n in range(NUM_FRAMES):
        assert difference(made, plain, n) < 1.5
    if sways or zoom is not None:
        assert difference(made, at_rest, 2) > 2.0


def test_the_loop_closes_and_frames_depend_on_nothing_else() -> None:
    animation = pipeline.animate_learned(_scene(), _model(), NUM_FRAMES)
    first, later = (learned.render_frame(animation, STILL, n).rgb_u8 for n in (0, 5))
    assert first.shape == (HEIGHT, WIDTH, 3)
    assert torch.equal(first, learned.render_frame(animation, STILL, NUM_FRAMES).rgb_u8)
    again = pipeline.animate_learned(_scene(), _model(), NUM_FRAMES)
    assert torch.equal(later, learned.render_frame(again, STILL, 5).rgb_u8)
    assert not torch.equal(first, later)


def test_the_model_given_stays_as_it_is() -> None:
    model = _model()
    pipeline.animate_learned(_scene(), model, 2)
    assert model.decoder.training
    assert next(model.decoder.parameters()).requires_grad


def test_photo_to_video_with_a_model(tmp_path: Path) -> None:
    model = _model()
    state = {"feature_net": model.features.state_dict(), "img_decoder": model.decoder.state_dict()}
    torch.save(state, tmp_path / "model_000010.pth")
    scene = _scene()
    photo = (scene.layers.plane(scene.layers.rgb, 0) * 255).to(torch.uint8).numpy()
    quick = {"depth": "builtin", "camera": "still", "frames": 2, "progress": False, "device": "cpu"}
    by_path, by_model, plain = (tmp_path / f"{n}.png" for n in range(3))
    scene = c3d.prepare(photo, depth="builtin", camera="still", device="cpu")
    for out, given in ((by_path, tmp_path), (by_model, networks.load_renderer(tmp_path)), (plain, None)):
        folder = out.with_suffix("")
        c3d.render_cinemagraph(photo, folder, model=given, **quick)
        frames = list(c3d.render_frames(scene, camera="still", frames=2, model=given))
        assert len(frames) == len(list(folder.iterdir())) == 2
    pictures = [sorted(out.with_suffix("").iterdir())[0].read_bytes() for out in (by_path, by_model, plain)]
    assert pictures[0] == pictures[1] != pictures[2]


def test_a_bad_model_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="model: expected a checkpoint"):
        c3d.render_cinemagraph("missing.jpg", tmp_path / "out.mp4", model=5)
    with pytest.raises(OSError, match=r"model: .*none\.pth"):
        c3d.render_cinemagraph("missing.jpg", tmp_path / "out.mp4", model=tmp_path / "none.pth")


def test_a_picture_too_small_to_decode() -> None:
    with pytest.raises(ValueError, match="Decoder: sides must be >= 32, got 31 x 40"):
        networks.Decoder(width=4)(torch.zeros(1, 37, 31, 40))
