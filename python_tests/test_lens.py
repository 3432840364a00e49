"""The lens: what is in focus stays, blur has the right size and leaks nowhere, the loop closes, light is light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import c3drender as c3d
from c3drender.data import Camera, CameraPath, DepthSpan, Frame, Layers, Lens
from c3drender.files.colour import srgb_decoded
from c3drender.files.scene import Scene
from c3drender.pipeline.shot import shot_of
from c3drender.render.lens import develop, fill_between, samples_of

H, W, MARGIN = 96, 128, 24
WALL, POST = slice(0, 0), slice(56, 72)
NEAR, FAR = 1.0, 4.0


def scene_of(post: float, wall: np.ndarray, post_x: slice = POST, step: tuple[float, float] = (0.0, 0.0)) -> Scene:
    """A wall of these colours ``[H, W, 3]`` at `FAR`, whole, and before it an upright post of one grey at `NEAR`."""
    size = H + 2 * MARGIN, W + 2 * MARGIN
    rgb = torch.zeros(2, *size, 3)
    rgb[1] = torch.from_numpy(np.pad(wall, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")).float()
    rgb[0] = rgb[1]
    columns = slice(post_x.start + MARGIN, post_x.stop + MARGIN)
    rgb[0, :, columns] = post
    z_cam = torch.full((2, *size), FAR)
    z_cam[0, :, columns] = NEAR
    alpha = torch.zeros(2, *size)
    alpha[0] = 1
    alpha[1, :, columns] = 1
    moving = torch.zeros(2, *size, dtype=torch.bool)
    moving[0] = any(step)
    step_px = torch.tensor(step).expand(2, *size, 2) * moving[..., None]
    layers = Layers.from_planes(
        rgb, alpha, z_cam, torch.ones(2, *size, dtype=torch.bool), step_px.contiguous(), moving, MARGIN
    )
    return Scene(Camera.for_photo(W, H), layers, DepthSpan(1 / NEAR, 1 / FAR, 1 / FAR), ())


def frames_of(scene: Scene, lens: Lens | None, camera: str | CameraPath = "still", frames: int = 1) -> list[np.ndarray]:
    return [f.rgb_u8.numpy() for f in c3d.render_frames(scene, camera=camera, frames=frames, lens=lens)]


GREY_WALL = np.full((H, W, 3), 0.25)
RAMP_WALL = np.repeat(np.linspace(0.1, 0.9, W)[None, :, None], 3, axis=2).repeat(H, axis=0)


def test_what_is_in_focus_stays_sharp() -> None:
    rng = np.random.default_rng(0)
    wall = np.repeat(rng.uniform(0.2, 0.8, (H, W, 1)), 3, axis=2)
    scene = scene_of(1.0, wall)
    plain, blurred = frames_of(scene, None)[0], frames_of(scene, Lens(f_number=1.0))[0]
    away = np.r_[0:40, 88:128]  # from the post, which is blurred
    assert np.abs(plain[:, away].astype(int) - blurred[:, away]).mean() < 6
    assert plain[:, away].std() < 1.1 * blurred[:, away].std()


@pytest.mark.parametrize("f_number", [0.6, 1.2])
def test_an_edge_is_as_wide_as_the_circle_of_confusion(f_number: float) -> None:
    """Across the edge of a half plane the light follows the area of a disc: the middle is half, and it ends at its radius."""
    scene = scene_of(1.0, np.zeros((H, W, 3)), post_x=slice(64, W))
    (frame, *_) = frames_of(scene, Lens(f_number=f_number, samples=64))
    light = srgb_decoded(frame[H // 2, :, 0] / 255.0)
    radius = 0.5 * 0.036 / f_number * W * (1 - NEAR / FAR)
    offset = np.arange(W) + 0.5 - 64
    inside = np.clip(offset / radius, -1, 1)
    expected = 0.5 + (inside * np.sqrt(1 - inside**2) + np.arcsin(inside)) / np.pi
    error = np.abs(light - expected)[: W - 8]  # the post ends at the picture's border
    assert radius > 1.3 and error.max() < 0.2 and error[np.abs(offset[: W - 8]) > radius + 2].max() < 0.02


def test_no_halo_around_what_is_sharp() -> None:
    """A sharp post before a blurred wall of one grey: the wall keeps its grey up to the post."""
    for post in (0.0, 1.0):
        scene = scene_of(post, GREY_WALL)
        plain = frames_of(scene, None)[0].astype(int)
        shown = frames_of(scene, Lens(f_number=0.6, focus=NEAR))[0].astype(int)
        assert np.abs(shown - plain).max() <= 3


def test_no_halo_around_what_is_blurred() -> None:
    """A blurred post before a sharp wall: nothing is darker or brighter than both, and the wall is there behind it."""
    for post in (0.0, 1.0):
        shown = frames_of(scene_of(post, GREY_WALL), Lens(f_number=0.6))[0][H // 2, :, 0].astype(int)
        wall = round(0.25 * 255)
        least, most = sorted((round(post * 255), wall))
        assert least - 2 <= shown.min() and shown.max() <= most + 2
        beside = shown[: POST.start + 4].astype(int)
        change = np.diff(beside)
        assert (change >= -2).all() if post else (change <= 2).all()


def test_many_samples_agree_with_few() -> None:
    """What is filled between a few pictures comes near the mean of very many, much nearer than the few alone."""
    rng = np.random.default_rng(1)
    wall = np.repeat((rng.uniform(0, 1, (H, W, 1)) > 0.97).astype(float), 3, axis=2)
    scene = scene_of(0.5, wall)

    def light(samples: int) -> np.ndarray:
        return srgb_decoded(frames_of(scene, Lens(f_number=0.5, focus=NEAR, samples=samples))[0] / 255.0)

    reference = light(400)
    few, more = (np.sqrt(((light(count) - reference) ** 2).mean()) for count in (16, 64))
    assert more < few < 0.02 and more < 0.008


def test_a_point_stays_in_focus_while_the_camera_moves() -> None:
    scene = scene_of(1.0, np.where(np.arange(W)[None, :, None] // 4 % 2, RAMP_WALL, 1 - RAMP_WALL))
    poses = torch.eye(3, 4).repeat(4, 1, 1)
    poses[:, 2, 3] = torch.tensor([0.0, -0.3, -0.5, -0.3])  # the camera goes forward
    shot = shot_of(c3d.animate(scene, frames=4).draw, scene, CameraPath(poses), Lens(f_number=0.8, focus=(10, 10)))
    for n in range(4):
        assert shot.optics.focus_disp(shot.view_at(n)) == pytest.approx(1 / (FAR + float(poses[n, 2, 3])), rel=1e-5)


def test_the_loop_closes_with_the_shutter_open() -> None:
    """Frame N is frame 0, and the blur goes on across the seam: a still camera's frames all show as much of it."""
    rng = np.random.default_rng(2)
    scene = scene_of(0.5, np.repeat(rng.uniform(0, 1, (H, W, 1)), 3, axis=2), step=(2.0, 0.0))
    animation = c3d.animate(scene, frames=6)
    shot = shot_of(animation.draw, scene, c3d.camera_path(scene, "circle", 6), Lens(shutter=360.0, grain=0.2))
    first, again = (shot.taken(n).rgb_u8 for n in (0, 6))
    assert torch.equal(first, again)
    half_before, half_after = (shot.view_at(n).pose for n in (-0.5, 5.5))
    assert torch.equal(half_before, half_after)


def test_motion_is_blurred_along_its_way() -> None:
    scene = scene_of(1.0, np.zeros((H, W, 3)), post_x=slice(60, 68))
    poses = torch.eye(3, 4).repeat(8, 1, 1)
    poses[:, 0, 3] = 0.06 * torch.cos(2 * torch.pi * torch.arange(8) / 8)
    lit = []
    for shutter in (0.0, 180.0, 360.0):
        frame = frames_of(scene, Lens(shutter=shutter, samples=16 if shutter else None), CameraPath(poses), 8)[2]
        light = srgb_decoded(frame[H // 2, :, 0] / 255.0)
        lit.append(((light > 0.02).sum(), light.sum()))
    step_px = 0.06 * 2 * np.pi / 8 * W / NEAR  # of the post in a frame, where it is fastest
    assert lit[1][0] - lit[0][0] == pytest.approx(0.5 * step_px, abs=2)
    assert lit[2][0] - lit[0][0] == pytest.approx(step_px, abs=2)
    assert lit[2][1] == pytest.approx(lit[0][1], rel=0.08), "light is neither lost nor made"


def test_a_path_that_does_not_close_is_not_blurred_across_its_jump() -> None:
    poses = torch.eye(3, 4).repeat(10, 1, 1)
    poses[:, 0, 3] = torch.arange(10) * 0.05
    path = CameraPath(poses)
    assert not path.closes and torch.equal(path.at(-0.4)[0], poses[0]) and torch.equal(path.at(9.4)[0], poses[9])
    assert float(path.at(3.5)[0][0, 3]) == pytest.approx(0.175)


def test_poses_between_two_are_rotations() -> None:
    path = c3d.camera_path(scene_of(1.0, GREY_WALL), "circle", 12, amplitude=2.0)
    zoomed = replace(path, zoom=torch.linspace(1, 2, 12))
    for n in (0.25, 5.5, 11.75, -0.25):
        pose, _ = path.at(n)
        torch.testing.assert_close(pose[:, :3] @ pose[:, :3].T, torch.eye(3), atol=1e-6, rtol=0)
    assert path.closes and torch.equal(path.at(-0.25)[0], path.at(11.75)[0])
    assert zoomed.at(0.5)[1] == pytest.approx(np.sqrt(1 * (1 + 1 / 11)))


def test_a_frame_between_two_lies_between_them() -> None:
    rng = np.random.default_rng(3)
    scene = scene_of(0.5, np.repeat(rng.uniform(0, 1, (H, W, 1)), 3, axis=2), step=(2.0, 0.0))
    animation = c3d.animate(scene, frames=12)
    view = scene.camera.with_pose(torch.eye(3, 4))
    three, between, four = (animation.draw(view, n).rgb_u8.int() for n in (3, 3.5, 4))
    assert (between - three).abs().float().mean() < (four - three).abs().float().mean()
    assert torch.equal(animation.draw(view, -1e-17).rgb_u8, animation.draw(view, 0).rgb_u8)


def test_the_mean_is_of_light_not_of_numbers() -> None:
    """Half black and half white is 50 % of the light: sRGB 188, not 128."""
    scene = scene_of(0.5, np.zeros((H, W, 3)))
    levels = iter([0, 255] * 8)

    def draw(view: Camera, n: float, depth: bool = False) -> Frame:
        grey = torch.full((H, W, 3), next(levels), dtype=torch.uint8)
        return Frame(grey, torch.zeros(H, W, dtype=torch.bool), torch.full((H, W), 1 / FAR) if depth else None)

    shot = shot_of(draw, scene, c3d.camera_path(scene, "still", 1), Lens(shutter=90.0, samples=16))
    assert np.abs(shot.taken(0).rgb_u8.numpy().mean() - 187.5) < 1


def test_samples_are_spread_and_centred() -> None:
    samples = samples_of(Lens(f_number=2.0, shutter=180.0, ssaa=2, samples=30), 10.0)
    assert len(samples) == 32  # whole cells of each pixel
    for values in ([s.aperture[0] for s in samples], [s.aperture[1] for s in samples], [s.moment for s in samples]):
        assert sum(values) == pytest.approx(0, abs=1e-9)
    cells = {cell: sum(s.within == cell for s in samples) for cell in {s.within for s in samples}}
    assert set(cells) == {(x, y) for x in (-0.25, 0.25) for y in (-0.25, 0.25)} and set(cells.values()) == {8}
    moments = np.array([s.moment for s in samples])
    for values in ([s.aperture[0] for s in samples], [np.hypot(*s.aperture) for s in samples], [s.within[0] for s in samples]):
        assert abs(np.corrcoef(moments, values)[0, 1]) < 0.35
    few, many = (len(samples_of(Lens(f_number=2.0), radius)) for radius in (3.0, 12.0))
    assert few == 16 < many < 64 == len(samples_of(Lens(f_number=2.0), 40.0))
    assert len(samples_of(Lens(), 0.0)) == 1 and len(samples_of(Lens(ssaa=3), 0.0)) == 9


def test_ssaa_smooths_a_slanted_edge() -> None:
    rows, columns = np.mgrid[0:H, 0:W]
    wall = np.repeat((columns > 40 + 0.3 * rows).astype(float)[..., None], 3, axis=2)
    path = CameraPath(torch.eye(3, 4)[None].clone(), zoom=torch.tensor([0.6]))  # smaller, so that it is undersampled
    plain, smooth = (frames_of(scene_of(0.0, wall, slice(1, 3)), lens, path, 1)[0] for lens in (Lens(), Lens(ssaa=4)))
    between = [((shown > 20) & (shown < 235)).mean() for shown in (plain[30:60, 40:120], smooth[30:60, 40:120])]
    assert between[1] >= between[0] and np.abs(plain.astype(int) - smooth).mean() < 3


def test_filling_between_keeps_light_and_edges() -> None:
    light = torch.zeros(41, 41, 3)
    light[20, 20] = 1.0
    filled = fill_between(light, torch.full((41, 41), 3.0))
    assert float(filled.sum()) == pytest.approx(3.0, rel=1e-5) and float(filled.max()) < 0.05
    sharp = torch.zeros(41, 41)
    sharp[:, 20:] = 3.0  # the point lies in the blurred half, and the sharp one next to it gets nothing
    assert float(fill_between(light, sharp)[:, :20].max()) == 0.0
    grey = torch.full((41, 41, 3), 0.3)
    torch.testing.assert_close(fill_between(grey, torch.rand(41, 41, generator=torch.Generator().manual_seed(0)) * 5), grey)


@pytest.mark.parametrize("focal_px", [160.0, 1000.0])
def test_vignette_follows_the_cosine_and_has_no_bands(focal_px: float) -> None:
    shown = develop(torch.full((120, 160, 3), 0.2), Lens(vignette=1.0), focal_px, 0)[..., 0].double()
    away = np.hypot(*np.meshgrid(np.arange(160) + 0.5 - 80, np.arange(120) + 0.5 - 60))
    expected = 0.2 * np.cos(np.arctan(away / focal_px)) ** 4
    assert np.abs(srgb_decoded(shown.numpy() / 255.0) - expected).mean() < 0.002
    # The mean around each pixel follows a slow ramp to a fraction of a level: bands are off by half of one.
    exact = torch.from_numpy(255 * (1.055 * expected ** (1 / 2.4) - 0.055))
    smooth, banded = (
        float(torch.nn.functional.avg_pool2d((levels - exact)[None], 9, 1).abs().max()) for levels in (shown, exact.round())
    )
    assert smooth < 0.3 and (focal_px < 1000 or banded > 0.4)


def test_grain_is_of_the_frame_and_of_the_light() -> None:
    grey = [torch.full((200, 200, 3), level) for level in (0.02, 0.3)]
    lens = Lens(grain=0.5)
    first, again, other = (develop(grey[1], lens, 200.0, n) for n in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    deviation = [np.std(srgb_decoded(develop(light, lens, 200.0, 0).numpy()[..., 0] / 255.0)) for light in grey]
    assert deviation[1] == pytest.approx(0.04 * np.sqrt(0.3), rel=0.1)
    assert deviation[0] == pytest.approx(0.04 * np.sqrt(0.02), rel=0.15)
    assert develop(grey[1], Lens(), 200.0, 0).unique().numel() <= 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"f_number": 0.1}, r"f_number: expected a number in 0\.5\.\.64, got 0\.1"),
        ({"shutter": 400}, r"shutter: expected a number in 0\.\.360, got 400"),
        ({"vignette": -1}, r"vignette: expected a number in 0\.\.4, got -1"),
        ({"grain": True}, r"grain: expected a number in 0\.\.1, got True"),
        ({"ssaa": 0}, r"ssaa: expected a whole number in 1\.\.8, got 0"),
        ({"samples": 4}, "samples: expected an f_number, a shutter or ssaa with it, got none"),
        ({"focus": (3, 4)}, "lens_focus: expected an f_number with it, got none"),
        ({"f_number": 2.8, "focus": 0}, "lens_focus: expected a depth > 0, got 0"),
        ({"f_number": 2.8, "focus": (1, 2, 3)}, r"lens_focus: expected \(x, y\) in pixels, or a depth > 0"),
    ],
)
def test_a_lens_that_cannot_be(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Lens(**options)


def test_a_lens_that_is_none(tmp_path) -> None:
    scene = scene_of(1.0, GREY_WALL)
    with pytest.raises(TypeError, match="lens: expected a Lens, got float"):
        c3d.render_frames(scene, lens=2.8)
    with pytest.raises(ValueError, match=r"lens_focus: expected \(x, y\) inside 128 x 96 px, got \(500, 3\)"):
        next(c3d.render_frames(scene, camera="still", frames=2, lens=Lens(f_number=2.0, focus=(500, 3))))
    for plain, with_lens in zip(frames_of(scene, None, "swing", 2), frames_of(scene, Lens(), "swing", 2), strict=True):
        np.testing.assert_array_equal(plain, with_lens)
