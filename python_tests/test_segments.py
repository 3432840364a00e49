"""Segments: the models' own path on tiny networks, files of others, and what they change in scenery and motion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from test_scenery import picture, seaside
from tiny_models import LABELS, needs_transformers, saved_eomt, saved_mask2former, saved_upernet

from c3drender.data import DepthMap, Image, MotionHints
from c3drender.files import read_segments
from c3drender.models import store
from c3drender.models.segmentation import load_transformers
from c3drender.motion import find_flow
from c3drender.pipeline import prepare
from c3drender.pixels.segments import SEGMENT_CLASSES, Segments, class_of
from c3drender.scenery import apply_segments, find_scenery

H, W = 120, 160


def beach() -> Image:
    return picture(seaside(H, W, 50))


def block(top: int, bottom: int, left: int = 0, right: int = W) -> np.ndarray:
    mask = np.zeros((H, W), bool)
    mask[top:bottom, left:right] = True
    return mask


def segments_of(**maps: np.ndarray) -> Segments:
    share = torch.from_numpy(np.stack([values.astype(np.float32) for values in maps.values()]))
    return Segments(tuple(maps), share, measured=True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sky", "sky"),
        ("waterfall, falls", "white_water"),
        ("earth, ground", "ground"),
        ("swimming_pool", "still_water"),
        ("Person", "person"),
        ("skyscraper", "object"),
        ("wall", "object"),
    ],
)
def test_names_of_other_data_sets_are_understood(name: str, kind: str) -> None:
    assert class_of(name) == kind


def test_segments_check_their_shape_and_names() -> None:
    with pytest.raises(ValueError, match=r"Segments: share must be \[2, h, w\], got \[1, 4, 4\]"):
        Segments(("sky", "person"), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match=r"expected classes of sky, cloud, .* got \('wall',\)"):
        Segments(("wall",), torch.zeros(1, 4, 4))
    both = segments_of(sky=block(0, 50), person=block(60, 90))
    assert torch.equal(both.of("person", "animal") > 0.5, torch.from_numpy(block(60, 90)))
    assert float(both.of("fire").sum()) == 0
    assert both.knows("sky", "fire")
    assert not both.knows("fire")


@needs_transformers
@pytest.mark.parametrize("save", [saved_upernet, saved_eomt, saved_mask2former])
def test_tiny_models_through_the_real_path(save: Callable[[Path], Path], tmp_path: Path) -> None:
    found = load_transformers(str(save(tmp_path / "model")), "cpu")(beach())
    assert set(found.classes) == {class_of(label) for label in LABELS}
    assert tuple(found.share.shape[1:]) == (H, W)
    total = found.share.sum(dim=0)
    assert bool((found.share >= 0).all())
    assert float(total.max()) < 1 + 1e-5
    assert float(total.min()) > 0.05


@needs_transformers
def test_a_large_photo_is_reduced_for_the_model(tmp_path: Path) -> None:
    model = load_transformers(str(saved_upernet(tmp_path / "model")), "cpu")
    found = model(Image(torch.rand(300, 2048, 3)))
    assert tuple(found.share.shape[1:]) == (150, 1024)


@needs_transformers
def test_each_class_comes_from_its_labels(tmp_path: Path) -> None:
    found = load_transformers(str(saved_upernet(tmp_path / "model", surely=LABELS.index("waterfall, falls"))), "cpu")(beach())
    assert float(found.of("white_water").min()) > 0.99


@needs_transformers
def test_labels_without_any_meaning_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected names of classes such as sky, .* got LABEL_0, LABEL_1"):
        load_transformers(str(saved_upernet(tmp_path / "model", ("LABEL_0", "LABEL_1"))), "cpu")


@needs_transformers
def test_damaged_weights_are_one_line(tmp_path: Path) -> None:
    folder = saved_upernet(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="segments: cannot load model") as error:
        load_transformers(str(folder), "cpu")
    assert "\n" not in str(error.value)


# Files


def test_a_palette_picture_with_its_legend(tmp_path: Path) -> None:
    index = np.full((H, W), 9, np.uint8)
    index[:50] = 2
    index[80:100, 30:60] = 12
    PIL.Image.fromarray(index).save(tmp_path / "s.png")
    (tmp_path / "s.json").write_text(json.dumps({"2": "sky", "12": "person", "13": "tree", "9": "sea"}))
    found = read_segments(tmp_path / "s.png", H, W)
    assert found.classes == ("sky", "still_water", "foliage", "person")
    assert torch.equal(found.of("person") > 0.5, torch.from_numpy(block(80, 100, 30, 60)))
    assert torch.equal(found.of("sky") > 0.5, torch.from_numpy(block(0, 50)))
    assert found.measured


def test_arrays_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", person=block(80, 100), sky=block(0, 50).astype(np.float32) * 0.75)
    found = read_segments(tmp_path / "s.npz", H, W)
    assert found.classes == ("sky", "person")
    assert float(found.of("sky").max()) == 0.75


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    png, npz = tmp_path / "s.png", tmp_path / "s.npz"
    PIL.Image.fromarray(np.zeros((H, W), np.uint8)).save(png)

    def refusal(kind: type[Exception], given: object) -> str:
        with pytest.raises(kind) as error:
            read_segments(given, H, W)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "segments: cannot read" in refusal(FileNotFoundError, png)  # its legend is missing
    legend = tmp_path / "s.json"
    legend.write_text("[1]")
    assert 'expected {"0": "sky", ...}' in refusal(ValueError, png)
    legend.write_text('{"0": "wall", "1": "sofa"}')
    assert "expected names of classes such as sky" in refusal(ValueError, png)
    legend.write_text('{"0": "sky"}')
    PIL.Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(png)
    assert "expected one number per pixel" in refusal(ValueError, png)
    png.write_bytes(b"no picture")
    assert "expected a picture" in refusal(ValueError, png)
    PIL.Image.fromarray(np.zeros((H, 2 * W), np.uint8)).save(png)
    assert f"expected {W} x {H} px, the photo's size, or its proportions, got {2 * W}x{H}" in refusal(ValueError, png)
    np.savez(npz, sky=np.full((H, W), 2.0))
    assert "expected 0..1 for sky" in refusal(ValueError, npz)
    np.savez(npz, sky=np.full((H, W), 1))
    assert "expected bool or floats for sky, got int64" in refusal(TypeError, npz)
    npz.write_bytes(npz.read_bytes()[:100])
    assert "expected NumPy arrays" in refusal(ValueError, npz)
    assert "expected a .png with its .json, or a .npz" in refusal(ValueError, tmp_path / "s.tif")
    assert "expected a path, the name of a model, or Segments, got int" in refusal(TypeError, 3)


# Scenery and motion


def test_what_segments_know_replaces_the_cues() -> None:
    image = beach()
    cues = find_scenery(image)
    told, stays = apply_segments(image, cues, segments_of(sky=block(0, 30), object=block(30, H)))
    assert torch.equal(told.sky > 0.5, torch.from_numpy(block(0, 30)))
    assert torch.equal(stays, torch.from_numpy(block(30, H)))
    assert float(told.water[30:].max()) == 0
    assert 30 <= told.horizon_y <= 36


def test_what_segments_do_not_know_stays_as_the_cues_have_it() -> None:
    image = beach()
    cues = find_scenery(image)
    told, stays = apply_segments(image, cues, segments_of(person=block(70, 110, 40, 60)))
    away = ~stays
    for name in ("sky", "water", "rapids", "smoke"):
        assert torch.equal(getattr(told, name)[away], getattr(cues, name)[away])
        assert float(getattr(told, name)[stays].sum()) == 0
    assert told.horizon_y == cues.horizon_y


def test_smoke_that_a_segmenter_has_no_word_for_may_move() -> None:
    image = beach()
    cues = find_scenery(image)
    smoky = type(cues)(cues.sky, cues.water, cues.rapids, torch.from_numpy(block(0, 40).astype(np.float32)), cues.horizon_y)
    told, stays = apply_segments(image, smoky, segments_of(object=block(0, H)))
    assert not bool(stays[:40].any())
    assert bool(stays[40:].all())
    assert float(told.smoke[:40].min()) == 1
    _, with_people = apply_segments(image, smoky, segments_of(object=block(20, H), person=block(0, 20)))
    assert bool(with_people[:20].all())


def test_white_water_runs_and_level_water_foams_as_the_cues_say() -> None:
    image = beach()
    cues = find_scenery(image)
    half = torch.full((H, W), 0.5)
    foaming = type(cues)(cues.sky, half, half, torch.zeros(H, W), cues.horizon_y)
    maps = segments_of(still_water=block(50, 80), moving_water=block(80, 100), white_water=block(100, H))
    told, _ = apply_segments(image, foaming, maps)
    assert float((told.rapids[50:100] - 0.5).abs().max()) < 1e-6
    assert float((told.water[50:100] - 0.5).abs().max()) < 1e-6
    assert float(told.rapids[100:].min()) == 1
    assert float(told.water[100:].max()) == 0
    assert float(told.water[:50].max()) == 0
    calm = torch.zeros(H, W)
    calm[50:70] = 1.0
    told, _ = apply_segments(image, foaming, maps, calm)
    assert float(told.rapids[50:70].max()) == 0  # a mirrored cloud is no foam
    assert float((told.rapids[70:100] - 0.5).abs().max()) < 1e-6


def test_a_crest_between_level_and_white_water_is_water_whatever_its_colour() -> None:
    """Neither map is sure of it, and it has the colour of the land beside it: both gave it away."""
    rgb = np.full((H, W, 3), (0.1, 0.3, 0.6), np.float32)
    rgb[64:] = (0.9, 0.95, 1.0)
    rgb[56:64] = rgb[:, :40] = (0.3, 0.2, 0.1)
    coarse = torch.zeros(2, H, W)
    coarse[0, :56], coarse[1, 64:], coarse[:, 56:64] = 1, 1, 0.48
    coarse[:, :, :40] = 0
    image = Image(torch.from_numpy(rgb))
    told, _ = apply_segments(image, find_scenery(image), Segments(("moving_water", "white_water"), coarse))
    water = told.water + told.rapids
    assert float(water[57:63, 75:].min()) > 0.9
    assert float(water[:, :36].max()) < 0.5
    assert float(told.rapids[75:, 60:].min()) > 0.9


def test_soft_maps_are_put_on_the_pictures_edges() -> None:
    """A model's map at a quarter of the size, whose border is 6 px off, ends where the picture's colour does."""
    rgb = np.full((H, W, 3), 0.25, np.float32)
    rgb[:60] = (0.5, 0.7, 0.95)
    coarse = torch.zeros(2, H // 4, W // 4)
    coarse[0, :14], coarse[1, 14:] = 1, 1
    told, stays = apply_segments(
        Image(torch.from_numpy(rgb)), find_scenery(Image(torch.from_numpy(rgb))), Segments(("sky", "ground"), coarse)
    )
    ends = (told.sky > 0.5).sum(dim=0)
    assert bool((ends == 60).all())
    assert bool(stays[61:].all())


def test_what_stays_never_moves_whatever_the_mask_says() -> None:
    image, depth = beach(), DepthMap(torch.ones(H, W))
    scenery = find_scenery(image)
    sea, person = torch.from_numpy(block(55, H)), torch.from_numpy(block(70, 110, 40, 60))
    arrows = torch.tensor([[[20.0, 80.0], [60.0, 80.0]]])
    hints = MotionHints(sea, arrows)
    free, _ = find_flow(image, depth, scenery, hints)
    held, note = find_flow(image, depth, scenery, hints, stays=person)
    assert bool(free.moving[person].any())
    assert not bool(held.moving[person].any())
    assert bool(held.moving[sea & ~person].float().mean() > 0.9)
    assert "(4 % more in it shows what stays)" in note
    own = torch.ones(H, W, 2)
    dense, _ = find_flow(image, depth, scenery, hints, own, person)
    assert not bool(dense.moving[person].any())
    with pytest.raises(ValueError, match=r"stays must be \[120, 160\] like the image, got \[4, 4\]"):
        find_flow(image, depth, scenery, hints, stays=torch.zeros(4, 4, dtype=torch.bool))


def test_prepare_with_a_file_and_another_size(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", person=block(60, 110, 40, 90))
    rgb = beach().rgb
    given = {"depth": "builtin", "mask": block(55, H), "camera": "still", "size": 80}
    scene = prepare(rgb, segments=tmp_path / "s.npz", **given)
    moving = scene.layers.of_photo(scene.layers.moving)
    assert not bool(moving[31:54, 21:44].any())
    assert bool(moving[30:, :15].any())
    assert any(note.startswith("segments: yours; ") for note in scene.notes)
    without = prepare(rgb, segments="none", **given)
    assert bool(without.layers.of_photo(without.layers.moving)[31:54, 21:44].all())
    assert not any("segments" in note for note in without.notes)


@needs_transformers
def test_auto_takes_an_installed_model_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DRENDER_MODELS", str(tmp_path))
    folder = saved_upernet(tmp_path / "upernet-convnext-tiny", surely=LABELS.index("earth, ground"))
    names = ("config.json", "preprocessor_config.json", "model.safetensors")
    hashes = {name: store._sha256(folder / name) for name in names}
    (folder / store.LOCK_FILE).write_text(json.dumps({"sha256": hashes}))
    given = {"depth": "builtin", "mask": block(55, H), "camera": "still"}
    scene = prepare(beach().rgb, **given)
    assert "segments: model upernet-convnext-tiny; 100% of the picture stays" in scene.notes
    assert not bool(scene.layers.moving.any())
    (folder / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"model.safetensors of upernet-convnext-tiny has changed"):
        prepare(beach().rgb, **given)
    assert prepare(beach().rgb, segments="none", **given).layers.moving.any()


def test_every_class_is_spelled_once() -> None:
    assert len(set(SEGMENT_CLASSES)) == len(SEGMENT_CLASSES)
    assert all(class_of(name) == name for name in SEGMENT_CLASSES)
