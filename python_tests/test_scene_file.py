"""The scene file: what is saved comes back, and whatever a file holds is a scene that can be rendered or one clear line."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from c3drender import load_scene, render_frames, save_scene
from c3drender.data import Camera, DepthSpan, Harmonics, Layers
from c3drender.files.scene import Scene

H, W, MARGIN = 14, 18, 2
CANVAS = (H + 2 * MARGIN, W + 2 * MARGIN)
NUM_MUTATIONS = 400


def small_scene() -> Scene:
    gen = torch.Generator().manual_seed(0)
    lhw = (2, *CANVAS)
    alpha = 0.1 + 0.9 * torch.rand(lhw, generator=gen)
    alpha[1, :, 9:] = 0
    layers = Layers.from_planes(
        rgb=torch.rand(*lhw, 3, generator=gen),
        alpha=alpha,
        z_cam=1 + torch.rand(lhw, generator=gen),
        seen=torch.rand(lhw, generator=gen) > 0.5,
        step_px=torch.rand(*lhw, 2, generator=gen),
        moving=torch.rand(lhw, generator=gen) > 0.5,
        margin_px=MARGIN,
    )
    waves = torch.rand(3, *CANVAS, 2, generator=gen) * 0.1
    notes = ("guessed depth", "guessed motion: ünï")
    return Scene(Camera.for_photo(W, H), layers, DepthSpan(1.0, 0.5, 0.7, (3.5, 4.0)), notes, Harmonics(waves, waves.flip(0)))


SCENE = small_scene()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_scene(SCENE, tmp_path / "scene.c3d")


def assert_same(loaded: Any, expected: Any) -> None:
    for name, value in vars(expected).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(loaded, name), value), name
        elif hasattr(value, "__dataclass_fields__"):
            assert_same(getattr(loaded, name), value)
        else:
            assert getattr(loaded, name) == value, name


def test_a_scene_comes_back(saved: Path) -> None:
    assert_same(load_scene(saved), SCENE)
    assert [path.name for path in saved.parent.iterdir()] == ["scene.c3d"]


def test_it_comes_back_without_what_it_may_lack(tmp_path: Path) -> None:
    bare = replace(SCENE, notes=(), span=replace(SCENE.span, focus_px=None), harmonics=None)
    assert_same(load_scene(save_scene(bare, tmp_path / "bare.c3d")), bare)


def parts(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, str]]:
    """The JSON tree, the tensors and the metadata of a scene file."""
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    return json.loads(header["__metadata__"]["scene"]), safetensors.numpy.load(data), header["__metadata__"]


def raw(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]


def put(name: str, value: Any, at: Any = 5) -> Change:
    def change(tree: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name][at] = value

    return change


def tell(*keys: str | int, value: Any) -> Change:
    def change(tree: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        node: Any = tree
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value

    return change


def swap_pixels(tree: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    tensors["scene.layers.pixel"] = tensors["scene.layers.pixel"].copy()
    tensors["scene.layers.pixel"][[7, 8]] = tensors["scene.layers.pixel"][[8, 7]]


def huge_canvas(tree: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    tree["camera"]["height"] = tree["camera"]["width"] = 40_000
    tree["layers"]["size"] = [40_000 + 2 * MARGIN] * 2


NAN, INF = float("nan"), float("inf")
P = len(SCENE.layers.pixel)
FAULTS: dict[str, tuple[Change, str]] = {
    "pixel below": (put("scene.layers.pixel", -1), "expected layers.pixel to be in 0..395, got 1 others"),
    "pixel beyond": (put("scene.layers.pixel", 10**8), "expected layers.pixel to be in 0..395"),
    "pixel order": (swap_pixels, "expected layers.pixel to be ascending in every layer"),
    "pixel twice": (put("scene.layers.pixel", 4), "expected layers.pixel to be ascending in every layer"),
    "z NaN": (put("scene.layers.z_cam", NAN), "expected layers.z_cam to be finite, > 0, got 1 others of"),
    "z zero": (put("scene.layers.z_cam", 0), "expected layers.z_cam to be finite, > 0"),
    "rgb infinite": (put("scene.layers.rgb", INF), "expected layers.rgb to be in"),
    "alpha": (put("scene.layers.alpha", 1.5), "expected layers.alpha to be > 0 and <= 1"),
    "alpha zero": (put("scene.layers.alpha", 0), "expected layers.alpha to be > 0 and <= 1"),
    "step": (put("scene.layers.step_px", NAN), "expected layers.step_px to be finite"),
    "harmonics": (put("scene.harmonics.sine_px", INF, at=1), "expected harmonics.sine_px to be finite"),
    "size": (tell("layers", "size", value=[9, 9]), r"expected layers.size to be \(18, 22\), the camera's and margin_px"),
    "size of one": (tell("layers", "size", value=[18]), "expected scene.layers.size to be a list of 2"),
    "margin": (tell("layers", "margin_px", value=-2), "expected layers.margin_px to be >= 0"),
    "margin other": (tell("layers", "margin_px", value=3), "expected layers.size to be"),
    "first": (tell("layers", "first", value=[0, P - 1]), "Layers: first must rise from 0 to P"),
    "first text": (tell("layers", "first", value=[0, "a", P]), r"expected scene.layers.first\[1\] to be int, got 'a'"),
    "first alone": (tell("layers", "first", value=[0, 5, P]), "expected layers.first to be layer 0 to fill half of 396 px"),
    "huge canvas": (huge_canvas, "expected layers.first to be layer 0 to fill half of"),
    "disparity text": (tell("span", "near", value="abc"), "expected scene.span.near to be float, got 'abc'"),
    "disparity True": (tell("span", "near", value=True), "expected scene.span.near to be float, got True"),
    "disparity NaN": (tell("span", "far", value=NAN), "DepthSpan: expected 0 <= far <= near"),
    "disparity order": (tell("span", "far", value=2.0), "DepthSpan: expected .* got near 1.0, far 2.0"),
    "disparity infinite": (tell("span", "near", value=INF), "DepthSpan: expected .* all finite"),
    "disparity digits": (tell("span", "near", value=10**400), "a number of 401 digits"),
    "focus": (tell("span", "focus", value=0.0), "DepthSpan: expected .* 0 < focus"),
    "focus_px": (tell("span", "focus_px", value=[3.0, 99.0]), "expected span.focus_px to be inside the photo"),
    "focus_px NaN": (tell("span", "focus_px", value=[NAN, 1.0]), "expected span.focus_px to be inside the photo"),
    "camera": (tell("camera", "fx", value=-1.0), "Camera: fx and fy must be > 0"),
    "camera infinite": (tell("camera", "cx", value=INF), "Camera: cx and cy must be finite"),
    "camera size": (tell("camera", "width", value=18.5), "expected scene.camera.width to be int, got 18.5"),
    "camera lacks": (tell("camera", value={"fx": 1.0}), "expected scene.camera to have fx, fy, .* got fx"),
    "notes": (tell("notes", value=[1]), r"expected scene.notes\[0\] to be str, got 1"),
    "no tensor": (tell("layers", "rgb", value="rgb"), "expected the tensor scene.layers.rgb, got none"),
    "no layers": (tell("layers", value=None), "expected scene.layers to have pixel"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named(saved: Path, fault: str) -> None:
    change, words = FAULTS[fault]
    tree, tensors, metadata = parts(saved)
    change(tree, tensors)
    saved.write_bytes(safetensors.numpy.save(tensors, metadata | {"scene": json.dumps(tree)}))
    with pytest.raises(ValueError, match=rf"^scene: .*{words}") as raised:
        load_scene(saved)
    assert len(str(raised.value).splitlines()) == 1


def test_tensors_of_another_shape_or_kind_are_named(saved: Path) -> None:
    _, tensors, metadata = parts(saved)
    canvas = tensors["scene.harmonics.sine_px"][:, 1:]
    shifted = {"scene.harmonics.sine_px": canvas, "scene.harmonics.cosine_px": canvas}
    for changed, words in (
        ({"scene.layers.alpha": tensors["scene.layers.alpha"].astype(np.float64)}, "Layers: alpha must be torch.float32"),
        ({"scene.layers.rgb": tensors["scene.layers.rgb"][1:]}, "Layers: rgb must be"),
        ({name: np.ascontiguousarray(value) for name, value in shifted.items()}, r"expected harmonics to be \[K, H, W, 2\]"),
        ({"more": canvas.copy()}, "expected no tensors but the scene's, got more"),
    ):
        saved.write_bytes(safetensors.numpy.save(tensors | changed, metadata))
        with pytest.raises(ValueError, match=f"^scene: {words}"):
            load_scene(saved)


def test_a_flag_is_true_or_false_whatever_its_byte(saved: Path) -> None:
    data = saved.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    start = 8 + length + json.loads(data[8 : 8 + length])["scene.layers.seen"]["data_offsets"][0]
    saved.write_bytes(data[:start] + b"\x07" + data[start + 1 :])
    seen = load_scene(saved).layers.seen
    assert bool(seen[0]) and seen.view(torch.uint8).max() == 1


def test_other_files_are_no_scenes(saved: Path) -> None:
    _, tensors, metadata = parts(saved)
    rows = {"dtype": "F32", "shape": [10**13, 3], "data_offsets": [0, 12 * 10**13]}
    with zipfile.ZipFile(saved.with_name("old.zip"), "w") as archive:
        archive.writestr("header.json", json.dumps({"format": "c3drender scene", "version": 2}))
    files = {
        saved.with_name("old.zip").read_bytes(): "expected format version 3, got an older one: prepare the scene anew",
        safetensors.numpy.save(tensors, metadata | {"version": "4"}): "expected format version 3, got 4: another program",
        safetensors.numpy.save(tensors): "expected a c3drender scene, got 'another file'",
        safetensors.numpy.save(tensors, {"format": "pt"}): "expected a c3drender scene, got 'pt'",
        safetensors.numpy.save(tensors, metadata | {"scene": "[" * 200_000}): "brackets nested too deep",
        safetensors.numpy.save(tensors, metadata | {"scene": "{"}): "Expecting property name",
        raw({"__metadata__": metadata, "scene.layers.rgb": rows}): ".*header",
        struct.pack("<Q", 10**13) + b"{}": ".*header",
        struct.pack("<Q", 200_000) + b"[" * 200_000: ".*header",
        saved.read_bytes()[:-1]: ".*header",
        b"": ".*header",
        b"\x89PNG": ".*header",
    }
    for content, words in files.items():
        saved.write_bytes(content)
        with pytest.raises(ValueError, match=f"^scene: {words}") as raised:
            load_scene(saved)
        assert len(str(raised.value).splitlines()) == 1


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^scene: expected layers.z_cam to be finite"):
        save_scene(replace(SCENE, layers=replace(SCENE.layers, z_cam=SCENE.layers.z_cam * NAN)), tmp_path / "scene.c3d")
    assert not list(tmp_path.iterdir())


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four bytes of ``data`` changed, as often in the header as in the values; or a piece cut out or doubled."""
    header = 8 + struct.unpack("<Q", data[:8])[0]
    changed = bytearray(data)
    kind = rng.integers(8)
    start = int(rng.integers(header if kind % 2 else len(data)))
    if kind == 0:
        return bytes(changed[:start])
    if kind in (1, 2):
        del changed[start : start + int(rng.integers(1, 40))]
        return bytes(changed)
    if kind == 3:
        return bytes(changed[:start] + changed[start : start + int(rng.integers(1, 40))] + changed[start:])
    digits = np.flatnonzero(np.isin(np.frombuffer(data[:header], np.uint8), np.frombuffer(b"0123456789.", np.uint8)))
    for _ in range(int(rng.integers(1, 5))):
        if kind == 5:  # other numbers in a header that stays JSON
            changed[int(rng.choice(digits[digits >= 8]))] = int(rng.choice(list(b"0123456789.e-")))
        else:
            changed[int(rng.integers(header if kind == 7 else len(data)))] = int(rng.integers(256))
    return bytes(changed)


def test_any_file_is_a_scene_that_renders_or_one_line(saved: Path) -> None:
    data = saved.read_bytes()
    rng = np.random.default_rng(0)
    rendered = 0
    for n in range(NUM_MUTATIONS):
        saved.write_bytes(mutated(data, rng))
        try:
            scene = load_scene(saved)
        except (ValueError, OSError) as error:
            assert len(str(error).splitlines()) == 1, n
            continue
        frames = list(render_frames(scene, camera="swing", frames=2))
        assert [frame.rgb_u8.shape for frame in frames] == [(H, W, 3)] * 2, n
        rendered += 1
    assert NUM_MUTATIONS // 20 < rendered < NUM_MUTATIONS * 3 // 4  # it tries both
