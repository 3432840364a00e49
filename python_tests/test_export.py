"""What other programs get of a scene: meshes, points, Gaussians, arrays and the camera's path, as the photo shows it."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from glb_views import covered, holes, meshes_of

import c3drender as c3d
from c3drender import cli
from c3drender.data import Camera, CameraPath, DepthSpan, Harmonics, Layers
from c3drender.files.geometry import UP
from c3drender.files.gltf import _texture
from c3drender.files.points import SH_0
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
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[entry["type"]]
    dtype = {5126: "<f4", 5125: "<u4"}[entry["componentType"]]
    start = tree["bufferViews"][entry["bufferView"]]["byteOffset"]
    return np.frombuffer(binary, dtype, entry["count"] * width, start).reshape(-1, width)


def test_the_mesh_shows_the_photo_and_no_triangle_crosses_a_tear(scene: Scene, tmp_path: Path) -> None:
    tree, binary = glb(c3d.export_scene(scene, tmp_path / "s.glb"))
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
        exists = scene.layers.plane(scene.layers.alpha, layer).numpy() > 0
        np.testing.assert_array_equal(texture[exists], wanted[exists])
    first, second = np.linalg.norm(np.diff(xyz[faces[:, [0, 1, 2]]], axis=1), axis=2).T
    assert first.max() < 2 and second.max() < 2


def test_a_large_mesh_is_thinned(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = glb(c3d.export_scene(scene, tmp_path / "s.glb"))
    monkeypatch.setattr("c3drender.files.surface.MOST_VERTICES", 200)
    thin, _ = glb(c3d.export_scene(scene, tmp_path / "s.glb"))
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
    points = ply(c3d.export_scene(scene, tmp_path / "p.ply"))
    gaussians = ply(c3d.export_scene(scene, tmp_path / "g.ply", splats=True))
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
    with np.load(c3d.export_scene(scene, tmp_path / "s.npz")) as arrays:
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
    assert cli.main([*argv, "--amplitude", "0"]) == 0
    at_rest = json.loads((tmp_path / "t.json").read_text())["world_to_cam"]
    assert all(pose == at_rest[0] for pose in at_rest)
    for bad, words in (
        (["-o", str(tmp_path / "s.obj")], "suffix .glb, .ply, .spz"),
        (["-o", "s.glb", "--splats"], "splats"),
    ):
        assert cli.main(["export", str(tmp_path / "s.c3d"), *bad]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "bad.json").write_text('{"world_to_cam": [[1, 2], [3]]}')
    with pytest.raises(ValueError, match=r"camera: expected world_to_cam \[F, 3, 4\] in"):
        c3d.camera_path(scene, tmp_path / "bad.json", 4)


def test_no_crack_shows_between_the_pixels(scene: Scene, tmp_path: Path) -> None:
    """From where the photo was taken every cell of the grid has a surface, the farther one's where it tears."""
    tree, binary = glb(c3d.export_scene(scene, tmp_path / "s.glb"))
    (part,) = tree["meshes"][1]["primitives"]
    xyz = accessor(tree, binary, part["attributes"]["POSITION"]) * UP
    faces = accessor(tree, binary, part["indices"]).reshape(-1, 3)
    seen = xyz[:, :2] / xyz[:, 2:] * scene.camera.fx
    a, b, c = (seen[faces[:, k]] for k in range(3))
    area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum() / 2
    assert area == pytest.approx((H + 2 * MARGIN - 1) * (W + 2 * MARGIN - 1), rel=1e-3)


def test_spz_is_the_gaussians_of_the_ply(scene: Scene, tmp_path: Path) -> None:
    data = gzip.decompress(c3d.export_scene(scene, tmp_path / "s.spz").read_bytes())
    gaussians = ply(c3d.export_scene(scene, tmp_path / "g.ply", splats=True))
    magic, version, count, degree, bits, flags, reserved = struct.unpack_from("<IIIBBBB", data)
    assert (magic, version, count, degree, flags, reserved) == (0x5053474E, 2, len(gaussians), 0, 0, 0)
    parts = np.split(np.frombuffer(data, np.uint8, offset=16), np.cumsum([9 * count, count, 3 * count, 3 * count]))
    low = parts[0].reshape(count, 3, 3).astype(np.int32)
    fixed = ((low[..., 0] | low[..., 1] << 8 | low[..., 2] << 16) << 8) >> 8
    np.testing.assert_allclose(fixed / 2.0**bits * UP, np.stack([gaussians[axis] for axis in "xyz"], axis=1), atol=1e-5)
    np.testing.assert_allclose(parts[1] / 255, 1 / (1 + np.exp(-gaussians["opacity"])), atol=0.003)
    colour = (parts[2].reshape(count, 3) / 255 - 0.5) / 0.15
    np.testing.assert_allclose(colour[:, 1], gaussians["f_dc_1"], atol=0.02)
    np.testing.assert_allclose(parts[3].reshape(count, 3)[:, 0] / 16 - 10, gaussians["scale_0"], atol=0.04)


def test_a_scene_too_large_for_spz_is_told(scene: Scene, tmp_path: Path) -> None:
    far = replace(scene, layers=replace(scene.layers, z_cam=scene.layers.z_cam * 1e7))
    with pytest.raises(ValueError, match=r"out: expected a scene whose depth .spz can hold, got z 1e\+07 to 4e\+07"):
        c3d.export_scene(far, tmp_path / "s.spz")


def test_openraster(scene: Scene, tmp_path: Path) -> None:
    with zipfile.ZipFile(c3d.export_scene(scene, tmp_path / "s.ora")) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        stack = ElementTree.fromstring(archive.read("stack.xml"))
        assert (stack.get("w"), stack.get("h")) == (str(W), str(H))
        listed = list(stack.iter("layer"))
        assert [layer.get("name") for layer in listed] == [
            "depth (white is 1) 0",
            "depth (white is 1) 1",
            "layer 0",
            "layer 1",
        ]
        assert {(layer.get("x"), layer.get("y")) for layer in listed} == {(str(-MARGIN), str(-MARGIN))}
        top = np.asarray(PIL.Image.open(io.BytesIO(archive.read("data/layer0.png"))))
        np.testing.assert_array_equal(top[..., :3], (scene.layers.plane(scene.layers.rgb, 0).numpy() * 255).round())
        depth = cv2.imdecode(np.frombuffer(archive.read("data/depth0.png"), np.uint8), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16 and depth[BOX][0, 0, 0] == 65535 and depth[-1, -1, 0] == round(65535 / 4)
        merged = np.asarray(PIL.Image.open(io.BytesIO(archive.read("mergedimage.png"))))
        np.testing.assert_array_equal(merged[..., :3], top[MARGIN:-MARGIN, MARGIN:-MARGIN, :3])


def test_psd(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = pytest.importorskip("psd_tools")
    document = tools.PSDImage.open(c3d.export_scene(scene, tmp_path / "s.psd"))
    assert document.size == (W, H)
    assert [(layer.name, layer.visible) for layer in document] == [
        ("layer 1", True),
        ("layer 0", True),
        ("depth (white is 1) 1", False),
        ("depth (white is 1) 0", False),
    ]
    top = np.asarray(document[1].topil())
    np.testing.assert_array_equal(top[..., :3], (scene.layers.plane(scene.layers.rgb, 0).numpy() * 255).round())
    monkeypatch.setattr("c3drender.files.layered.optional_module", lambda module: None)
    with pytest.raises(ValueError, match=r"out: writing .psd needs the package psd-tools: .*; .ora needs none"):
        c3d.export_scene(scene, tmp_path / "s.psd")


@pytest.fixture(scope="module")
def flowing() -> Scene:
    """A wall whose middle flows to the right and whose top sways."""
    canvas = (H + 2 * MARGIN, W + 2 * MARGIN)
    step, moving = torch.zeros(1, *canvas, 2), torch.zeros(1, *canvas, dtype=torch.bool)
    step[..., 0], moving[0, 12:24] = 0.25, True
    ones = torch.ones(1, *canvas)
    rgb = torch.rand(1, *canvas, 3, generator=torch.Generator().manual_seed(0))
    layers = Layers.from_planes(rgb, ones, 2 * ones, ones > 0, step * moving[..., None], moving, MARGIN)
    sine = torch.zeros(1, *canvas, 2)
    sine[0, :6, :, 0] = 0.3
    return Scene(Camera.for_photo(W, H), layers, DepthSpan(0.5, 0.25, 0.5), (), Harmonics(sine, torch.zeros_like(sine)))


def test_an_animated_mesh_moves_as_the_loop_does(flowing: Scene, tmp_path: Path) -> None:
    out = c3d.export_scene(flowing, tmp_path / "a.glb", animated=True, frames=12, fps=6, camera="swing")
    tree, binary = glb(out)
    names = [node["name"] for node in tree["nodes"]]
    assert names == ["layer 0", "layer 0, back", "layer 0, forward", "photo"]
    (animation,) = tree["animations"]
    tracks = {
        (names[c["target"]["node"]], c["target"]["path"]): animation["samplers"][c["sampler"]] for c in animation["channels"]
    }
    assert set(tracks) == {(name, "weights") for name in names[:3]} | {("photo", "translation"), ("photo", "rotation")}
    keys = {name: accessor(tree, binary, track["input"])[:, 0] for (name, _), track in tracks.items()}
    assert all(times[0] == 0 and times[-1] == pytest.approx(2.0) for times in keys.values())
    for name, sign in (("layer 0, forward", 1), ("layer 0, back", -1)):
        (part,) = tree["meshes"][tree["nodes"][names.index(name)]["mesh"]]["primitives"]
        last = accessor(tree, binary, part["targets"][-1]["POSITION"])
        shift_px = last[:, 0] / 2 * flowing.camera.fx * sign
        assert shift_px.max() == pytest.approx(12 * 0.25, rel=0.01) and shift_px.min() > -0.01
        weights = accessor(tree, binary, tracks[name, "weights"]["output"]).reshape(-1, len(part["targets"]))
        assert weights[::sign].sum(axis=1).tolist() == [0.0] + [1.0] * 6
    (front,) = tree["meshes"][tree["nodes"][2]["mesh"]]["primitives"]
    colours = accessor(tree, binary, front["targets"][-1]["COLOR_0"])
    assert np.allclose(colours, [0, 0, 0, -1]) and "COLOR_0" not in part["targets"][-1]
    (rest,) = tree["meshes"][tree["nodes"][0]["mesh"]]["primitives"]
    sway = accessor(tree, binary, rest["targets"][0]["POSITION"])
    assert sway[:, 0].max() / 2 * flowing.camera.fx == pytest.approx(0.3, rel=0.01)
    poses = c3d.camera_path(flowing, "swing", 12).world_to_cam.numpy()
    places = accessor(tree, binary, tracks["photo", "translation"]["output"])
    np.testing.assert_allclose(places[:-1], [UP * -(pose[:, :3].T @ pose[:, 3]) for pose in poses], atol=1e-5)
    np.testing.assert_allclose(places[-1], places[0], atol=1e-6)


def test_a_sequence_is_the_loop_frame_by_frame(flowing: Scene, tmp_path: Path) -> None:
    folder = c3d.export_scene(flowing, tmp_path / "s", sequence="ply", frames=4)
    clouds = [ply(path) for path in sorted(folder.iterdir())]
    count = len(flowing.layers.pixel)
    assert len(clouds) == 4 and len(clouds[0]) == count < len(clouds[1])
    covers = [cloud["alpha"].astype(float) for cloud in clouds]
    assert set(covers[1]) == {255.0, round(0.75 * 255), round(0.25 * 255)}
    again = c3d.export_scene(flowing, tmp_path / "s", sequence="glb", frames=2)
    assert [path.name for path in sorted(again.iterdir())] == ["frame_0000.glb", "frame_0001.glb"]
    tree, binary = glb(again / "frame_0001.glb")
    (part,) = tree["meshes"][-1]["primitives"]
    assert accessor(tree, binary, part["attributes"]["COLOR_0"])[0].tolist() == [1, 1, 1, 0.5]
    (tmp_path / "s" / "mine.txt").write_text("x")
    with pytest.raises(OSError, match=r"out: cannot write .*: the folder holds other files, such as mine.txt"):
        c3d.export_scene(flowing, tmp_path / "s", sequence="ply", frames=2)


def test_a_camera_goes_out_as_gltf(flowing: Scene, tmp_path: Path) -> None:
    path = c3d.camera_path(flowing, "circle", 8)
    tree, binary = glb(write_track(path, flowing.camera, tmp_path / "c.glb", 4))
    assert tree["cameras"][0]["perspective"]["yfov"] == pytest.approx(2 * np.arctan(H / 2 / flowing.camera.fy))
    turns = accessor(tree, binary, tree["animations"][0]["samplers"][1]["output"])
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1, atol=1e-6)
    zooming = c3d.camera_path(flowing, "dolly-zoom", 8)
    with pytest.raises(ValueError, match="camera: expected a path that does not zoom"):
        write_track(zooming, flowing.camera, tmp_path / "z.glb", 4)


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        ("s.obj", {}, "out: expected the suffix .glb"),
        ("s.glb", {"splats": True}, "splats: expected a .ply or .spz"),
        ("s.ply", {"animated": True}, "animated: expected a .glb"),
        ("s.ply", {"sequence": "ply"}, "out: expected a folder for a sequence"),
        ("s", {"sequence": "obj"}, "sequence: expected one of glb, ply, spz"),
        ("s", {"sequence": "glb", "splats": True}, "splats: expected a sequence of ply or spz"),
        ("s.glb", {"animated": True, "frames": 0}, "frames: expected 1 to"),
        ("s.glb", {"animated": True, "fps": 0}, "fps: expected"),
    ],
)
def test_what_cannot_be_exported_is_one_line(out: str, options: dict, words: str, flowing: Scene, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        c3d.export_scene(flowing, tmp_path / out, **options)
    assert not any(tmp_path.iterdir())


def test_no_crack_shows_off_the_photos_view(tmp_path: Path) -> None:
    """Of a surface that bends, behind one that bends, from where the camera goes and a little beyond."""
    y, x = np.mgrid[0:90, 0:120]
    wall = 0.3 + 0.06 * np.sin(x / 9) + 0.05 * np.cos(y / 7) + 0.001 * y
    blob = np.hypot(x - 62 + 5 * np.sin(y / 6), y - 40) < 22
    disp = np.where(blob, 0.62 + 0.1 * np.sin(x / 8 + y / 11), wall).astype(np.float32)
    photo = np.random.default_rng(0).random((90, 120, 3), np.float32)
    still = np.zeros((90, 120), bool)
    scene = c3d.prepare(photo, depth=disp, depth_kind="disparity", depth_near="bright", mask=still, camera="circle")
    meshes, tangent = meshes_of(c3d.export_scene(scene, tmp_path / "s.glb").read_bytes())
    assert len(meshes) > 1
    poses = c3d.camera_path(scene, "circle", 8).world_to_cam.double().numpy()
    eyes = [-pose[:, :3].T @ pose[:, 3] * UP for pose in poses]
    views = [covered(meshes, tangent, 360, 270, tuple(1.2 * eye)) for eye in eyes]
    assert sum(holes(seen) for seen in views) <= 20  # of 777,600; thousands without shared vertices
    assert all(seen.mean() > 0.98 for seen in views)
    assert holes(covered(meshes[1:], tangent, 360, 270, tuple(eyes[4]))) > 100  # without the layer behind there would be


def test_what_covers_a_part_of_its_pixel_shows_as_in_the_photo(scene: Scene) -> None:
    """A soft edge's own colour may be any, as little of it is seen; the mesh is opaque."""
    planes = [scene.layers.plane(values, 0).numpy() for values in (scene.layers.rgb, scene.layers.alpha)]
    assert planes[1][7, 9] == 1
    number = int(np.flatnonzero(scene.layers.pixel[scene.layers.part(0)].numpy() == 7 * scene.layers.size[1] + 9)[0])
    rgb, alpha = scene.layers.rgb.clone(), scene.layers.alpha.clone()
    rgb[number], alpha[number] = torch.tensor([1.0, 0.0, 0.0]), 0.25
    soft = replace(scene, layers=replace(scene.layers, rgb=rgb, alpha=alpha))
    below = scene.layers.plane(scene.layers.rgb, 1).numpy()[7, 9]
    np.testing.assert_allclose(_texture(soft, 0)[7, 9], 0.25 * np.array([1, 0, 0]) + 0.75 * below, atol=1e-6)
    np.testing.assert_array_equal(_texture(scene, 0)[7, 9], planes[0][7, 9])
