"""What other programs get of a scene: meshes, points, Gaussians, arrays and the camera's path, as the photo shows it."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import c3drender as c3d
from c3drender import cli
from c3drender.data import Camera, CameraPath, DepthSpan, Layers
from c3drender.files.export import SH_0, UP, export_scene
from c3drender.files.scene import Scene
from c3drender.files.track import write_track

H, W, MARGIN = 24, 32, 2
BOX = (slice(6, 16), slice(8, 20))


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A box before a wall, which layer 1 shows behind it."""
    canvas = (H + 2 * MARGIN, W + 2 * MARGIN)
    z_cam, alpha = torch.full((2, *canvas), 4.0), torch.zeros(2, *canvas)
    alpha[0] = 1
    z_cam[0][BOX] = 1.0
    alpha[1][BOX] = 1
    rgb = torch.rand(2, *canvas, 3, generator=torch.Generator().manual_seed(0))
    still = torch.zeros(2, *canvas, dtype=torch.bool)
    layers = Layers.from_planes(rgb, alpha, z_cam, alpha > 0, torch.zeros(2, *canvas, 2), still, MARGIN)
    return Scene(Camera.for_photo(W, H), layers, DepthSpan(1.0, 0.25, 0.5))


def glb(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def accessor(tree: dict, binary: bytes, n: int) -> np.ndarray:
    entry = tree["accessors"][n]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[entry["type"]]
    dtype = {5126: "<f4", 5125: "<u4"}[entry["componentType"]]
    start = tree["bufferViews"][entry["bufferView"]]["byteOffset"]
    return np.frombuffer(binary, dtype, entry["count"] * width, start).reshape(-1, width)


def test_the_mesh_shows_the_photo_and_no_triangle_crosses_a_tear(scene: Scene, tmp_path: Path) -> None:
    tree, binary = glb(export_scene(scene, tmp_path / "s.glb"))
    assert [mesh["name"] for mesh in tree["meshes"]] == ["layer 1", "layer 0"]
    for mesh, layer in zip(tree["meshes"], (1, 0), strict=True):
        (part,) = mesh["primitives"]
        xyz = accessor(tree, binary, part["attributes"]["POSITION"]) * UP
        uv = accessor(tree, binary, part["attributes"]["TEXCOORD_0"])
        faces = accessor(tree, binary, part["indices"]).reshape(-1, 3)
        seen = xyz[:, :2] / xyz[:, 2:] * scene.camera.fx + (scene.camera.cx, scene.camera.cy)
        np.testing.assert_allclose(seen, uv * (W + 2 * MARGIN, H + 2 * MARGIN) - MARGIN, atol=1e-3)
        assert (np.ptp(xyz[faces][..., 2], axis=1) < 0.01).all()
        view = tree["bufferViews"][tree["images"][tree["textures"][part["material"]]["source"]]["bufferView"]]
        start, length = view["byteOffset"], view["byteLength"]
        texture = np.asarray(PIL.Image.open(io.BytesIO(binary[start : start + length])))
        wanted = (scene.layers.plane(scene.layers.rgb, layer).numpy() * 255).round()
        np.testing.assert_array_equal(texture[..., :3], wanted)
    first, second = np.linalg.norm(np.diff(xyz[faces[:, [0, 1, 2]]], axis=1), axis=2).T
    assert first.max() < 2 and second.max() < 2


def test_a_large_mesh_is_thinned(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = glb(export_scene(scene, tmp_path / "s.glb"))
    monkeypatch.setattr("c3drender.files.export.MOST_VERTICES", 200)
    thin, _ = glb(export_scene(scene, tmp_path / "s.glb"))
    counts = [
        tree["accessors"][tree["meshes"][-1]["primitives"][0]["attributes"]["POSITION"]]["count"] for tree in (whole, thin)
    ]
    assert counts[1] < counts[0] / 3


def ply(path: Path) -> np.ndarray:
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode().splitlines()
    kinds = [
        (line.split()[2], {"float": "<f4", "uchar": "u1"}[line.split()[1]]) for line in lines if line.startswith("property")
    ]
    (count,) = (int(line.split()[2]) for line in lines if line.startswith("element"))
    rows = np.frombuffer(body, np.dtype(kinds))
    assert len(rows) == count
    return rows


def test_points_and_gaussians(scene: Scene, tmp_path: Path) -> None:
    points = ply(export_scene(scene, tmp_path / "p.ply"))
    gaussians = ply(export_scene(scene, tmp_path / "g.ply", splats=True))
    layers = scene.layers
    assert len(points) == len(gaussians) == len(layers.pixel)
    np.testing.assert_allclose(-points["z"], layers.z_cam.numpy())
    np.testing.assert_allclose(gaussians["z"], layers.z_cam.numpy())
    np.testing.assert_allclose(points["y"], -gaussians["y"])
    np.testing.assert_array_equal(points["red"], (layers.rgb[:, 0].numpy() * 255).round())
    np.testing.assert_allclose(gaussians["f_dc_1"] * SH_0 + 0.5, layers.rgb[:, 1].numpy(), atol=1e-6)
    width_px = np.exp(gaussians["scale_0"]) * scene.camera.fx / gaussians["z"]
    np.testing.assert_allclose(width_px, 0.6, rtol=1e-4)


def test_arrays(scene: Scene, tmp_path: Path) -> None:
    with np.load(export_scene(scene, tmp_path / "s.npz")) as arrays:
        np.testing.assert_array_equal(arrays["z_cam"], scene.layers.z_cam.numpy())
        assert tuple(arrays["size"]) == scene.layers.size and arrays["first"].tolist() == list(scene.layers.first)


def test_the_cameras_path_goes_out_and_comes_back(scene: Scene, tmp_path: Path) -> None:
    path = c3d.camera_path(scene, "zoom", 8)
    write_track(path, scene.camera, tmp_path / "t.json", 25)
    again = c3d.camera_path(scene, tmp_path / "t.json", 8)
    assert torch.equal(again.world_to_cam, path.world_to_cam)
    write_track(path, scene.camera, tmp_path / "t.chan", 25)
    table = np.loadtxt(tmp_path / "t.chan")
    assert table.shape == (8, 8) and table[:, 0].tolist() == list(range(1, 9))


def test_a_chan_line_is_the_pose(tmp_path: Path) -> None:
    """Rebuilt from its angles as Nuke composes them, Z X Y."""
    turn = torch.linalg.qr(torch.rand(3, 3, generator=torch.Generator().manual_seed(3)))[0]
    turn = turn * torch.linalg.det(turn).sign()
    pose = torch.cat([turn, torch.tensor([[0.3], [-0.2], [0.5]])], dim=1)[None].contiguous()
    write_track(CameraPath(pose), Camera.for_photo(W, H), tmp_path / "t.chan", 25)
    _, *numbers = np.loadtxt(tmp_path / "t.chan")
    position, (x, y, z) = np.array(numbers[:3]), np.radians(numbers[3:6])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    flip = np.diag([1.0, -1.0, -1.0])
    to_world = flip @ about_z @ about_x @ about_y @ flip
    np.testing.assert_allclose(to_world, pose[0, :, :3].T.numpy(), atol=1e-5)
    np.testing.assert_allclose(flip @ position, -to_world @ pose[0, :, 3].numpy(), atol=1e-5)


def test_from_the_command_line(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene.save(tmp_path / "s.c3d")
    argv = [
        "export",
        str(tmp_path / "s.c3d"),
        "-o",
        str(tmp_path / "s.glb"),
        "--camera-path",
        str(tmp_path / "t.json"),
        "--frames",
        "4",
    ]
    assert cli.main(argv) == 0
    assert len(json.loads((tmp_path / "t.json").read_text())["world_to_cam"]) == 4
    for bad, words in (
        (["-o", str(tmp_path / "s.obj")], "suffix .glb, .ply, .npz"),
        (["-o", "s.glb", "--splats"], "splats"),
    ):
        assert cli.main(["export", str(tmp_path / "s.c3d"), *bad]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "bad.json").write_text('{"world_to_cam": [[1, 2], [3]]}')
    with pytest.raises(ValueError, match=r"camera: expected world_to_cam \[F, 3, 4\] in"):
        c3d.camera_path(scene, tmp_path / "bad.json", 4)
