"""Masks of every kind mark the same pixels, and one that marks nothing is told."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from c3drender.files import InputWarning, read_mask
from c3drender.files.masks import noted_mask, read_matte

H, W = 48, 64
MARKED = np.zeros((H, W), bool)
MARKED[10:30, 20:44] = True
BITS = MARKED.astype(np.uint8)
LEFT = np.arange(W) < 32
VOC = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]


def palette(index: np.ndarray, colours: list[list[int]]) -> PIL.Image.Image:
    picture = PIL.Image.fromarray(index.astype(np.uint8), "L").copy()
    picture.putpalette([level for colour in colours for level in colour] + [0, 0, 0] * (256 - len(colours)))
    return picture


def painted(colour: tuple[int, int, int]) -> PIL.Image.Image:
    pixels = np.zeros((H, W, 3), np.uint8)
    pixels[MARKED] = colour
    return PIL.Image.fromarray(pixels)


def cut_out(rgb: np.ndarray) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.dstack([rgb, 255 * BITS]))


def void(index: np.ndarray) -> np.ndarray:
    """Pascal VOC's border of 255 around what is marked."""
    rim = cv2.dilate(BITS, np.ones((3, 3), np.uint8)) > BITS
    return np.where(rim, 255, index).astype(np.uint8)


NOISE = np.random.default_rng(0).integers(30, 220, (H, W, 3), dtype=np.uint8)
PICTURES = {
    "black and white": PIL.Image.fromarray(255 * BITS),
    "dim": PIL.Image.fromarray(200 * BITS),
    "one bit": PIL.Image.fromarray(MARKED),
    "palette of VOC": palette(BITS, VOC),
    "palette, two classes": palette(BITS * (1 + LEFT), VOC),
    "palette, void border": palette(void(BITS), VOC[:2] + [[0, 0, 0]] * 253 + [[224, 224, 192]]),
    "palette of DAVIS": palette(BITS, [[0, 0, 0], [224, 0, 0]]),
    "palette, white first": palette(1 - BITS, [[255, 255, 255], [0, 0, 0]]),
    "palette, background in colour": palette(BITS, [[68, 1, 84], [253, 231, 37]]),
    "red": painted((255, 0, 0)),
    "dark red": painted((128, 0, 0)),
    "green": painted((0, 255, 0)),
    "blue": painted((0, 0, 255)),
    "class 3 of 4": PIL.Image.fromarray(3 * BITS),
    "classes of ADE20K": PIL.Image.fromarray((BITS * np.where(LEFT, 21, 150)).astype(np.uint8)),
    "classes, void border": PIL.Image.fromarray(void(BITS * 7)),
    "16-bit instances": PIL.Image.fromarray((BITS * np.where(LEFT, 1, 300)).astype(np.uint16)),
    "16-bit white": PIL.Image.fromarray(BITS.astype(np.uint16) * 65535),
    "white, transparent around": cut_out(np.full((H, W, 3), 255, np.uint8)),
    "black, transparent around": cut_out(np.zeros((H, W, 3), np.uint8)),
    "cut out of the photo": cut_out(NOISE),
    "grey and alpha": PIL.Image.fromarray(np.dstack([0 * BITS, 255 * BITS]), "LA"),
}
ARRAYS = {
    "bool": MARKED,
    "integers": BITS.astype(np.int64) * 5,
    "floats": MARKED * 1.0,
    "stack of SAM": np.stack([MARKED & LEFT, MARKED & ~LEFT]),
    "stack of one": MARKED[None],
    "a channel": MARKED[..., None],
    "logits": np.where(MARKED, 4.0, -6.0),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures(kind: str, tmp_path: Path) -> None:
    PICTURES[kind].save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", H, W).numpy(), MARKED)
    np.testing.assert_array_equal(read_mask((tmp_path / "mask.png").read_bytes(), H, W).numpy(), MARKED)


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(ARRAYS[kind], H, W).numpy(), MARKED)
    np.save(tmp_path / "mask.npy", ARRAYS[kind])
    with (tmp_path / "mask.npy").open("rb") as file:
        np.testing.assert_array_equal(read_mask(file, H, W).numpy(), MARKED)


def test_a_grey_mask_is_cut_at_the_middle() -> None:
    np.testing.assert_array_equal(read_mask(np.where(MARKED, 128, 127).astype(np.uint8), H, W).numpy(), MARKED)
    ramp = np.tile(np.linspace(0, 255, W).round().astype(np.uint8), (H, 1))
    np.testing.assert_array_equal(read_mask(ramp, H, W).numpy(), ramp > 127)


@pytest.mark.parametrize("save", [lambda p, f: p.save(f, "JPEG", quality=85), lambda p, f: p.save(f, "WEBP", quality=60)])
def test_a_lossy_red_mask_marks_what_was_painted(save: Callable[[PIL.Image.Image, io.BytesIO], None]) -> None:
    large = painted((255, 0, 0)).resize((8 * W, 8 * H), 0)
    file = io.BytesIO()
    save(large, file)
    marked, truth = read_mask(file, 8 * H, 8 * W).numpy(), np.kron(MARKED, np.ones((8, 8), bool))
    assert (marked & truth).sum() / (marked | truth).sum() > 0.97


def test_another_size_is_scaled_and_said() -> None:
    for scale in (2, 0.5):
        other = PIL.Image.fromarray(255 * BITS).resize((int(W * scale), int(H * scale)), 0)
        mask, notes = (noted := noted_mask("mask", other, H, W)).value, noted.notes
        np.testing.assert_array_equal(mask.numpy(), MARKED)
        assert notes == (f"mask: {int(W * scale)} x {int(H * scale)} px, scaled to the photo's {W} x {H}",)


@pytest.mark.parametrize("empty", [np.zeros((H, W), np.uint8), np.zeros((H, W), bool), PIL.Image.new("RGB", (W, H))])
def test_a_mask_that_marks_nothing_is_told(empty: object) -> None:
    with pytest.warns(InputWarning, match="mask: marks nothing"):
        assert not read_mask(empty, H, W).any()


def test_reading_a_mask_warns_of_nothing_else() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for picture in PICTURES.values():
            read_mask(picture, H, W)


def test_a_matte_keeps_its_shades() -> None:
    ramp = np.tile(np.linspace(0, 255, W).round().astype(np.uint8), (H, 1))
    np.testing.assert_allclose(read_matte(ramp, H, W).numpy(), ramp / 255, atol=1e-6)
    clear = PIL.Image.fromarray(np.dstack([np.zeros((H, W, 3), np.uint8), ramp]))
    np.testing.assert_allclose(read_matte(clear, H, W).numpy(), ramp / 255, atol=1e-6)
    with pytest.raises(ValueError, match="matte: expected the proportions of 64 x 48 px, got 48 x 64"):
        read_matte(ramp.T, H, W)


BATCHES = {
    "[1, 1, H, W]": MARKED[None, None],
    "[1, H, W, 1]": MARKED[None, :, :, None].astype(np.uint8),
    "[2, 1, H, W]": np.stack([MARKED & (np.arange(W) % 2 == 0), MARKED & (np.arange(W) % 2 == 1)])[:, None],
    "[2, H, W] of numbers": np.stack([MARKED & (np.arange(W) % 2 == 0), MARKED & (np.arange(W) % 2 == 1)]).astype(np.uint8),
    "[3, H, W] of floats": np.stack([MARKED, MARKED, MARKED]).astype(np.float32),
    "SAM's dictionaries": [{"segmentation": MARKED, "area": 1}, {"segmentation": np.zeros_like(MARKED)}],
    "one of SAM's dictionaries": {"segmentation": MARKED, "area": 1},
    "a list": [MARKED, np.zeros_like(MARKED)],
    "a list of pictures": [PIL.Image.fromarray(MARKED), PIL.Image.new("RGB", (W, H))],
    "transformers' segments": [{"score": 0.9, "label": "water", "mask": PIL.Image.fromarray(255 * MARKED.astype(np.uint8))}],
    "transformers' masks": {"masks": [MARKED, np.zeros_like(MARKED)], "scores": [1, 1]},
    "a predictor's": {"masks": np.stack([MARKED, np.zeros_like(MARKED)]), "scores": [1, 1]},
    "floats of 0 and 255": 255.0 * MARKED,
}


@pytest.mark.parametrize("kind", BATCHES)
def test_what_networks_hand_out(kind: str) -> None:
    assert np.array_equal(read_mask(BATCHES[kind], H, W).numpy(), MARKED)


@pytest.mark.parametrize("colour", [(3, 0, 0), (0, 1, 0), (20, 0, 20)])
def test_numbers_in_colours(colour: tuple[int, int, int]) -> None:
    """Of instances, as COCO's panoptic files have them."""
    assert np.array_equal(read_mask(np.where(MARKED[..., None], colour, 0).astype(np.uint8), H, W).numpy(), MARKED)


def test_an_overlay_that_shows_little() -> None:
    overlay = np.dstack([np.where(MARKED[..., None], (255, 0, 0), 0), 64 * MARKED]).astype(np.uint8)
    assert np.array_equal(read_mask(PIL.Image.fromarray(overlay), H, W).numpy(), MARKED)


def test_the_photo_is_no_mask() -> None:
    photo = np.random.default_rng(0).integers(20, 255, (H, W, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"mask: expected colours on black, .* \(the photo itself\?\)"):
        read_mask(photo, H, W)


@pytest.mark.parametrize("given", [[], [MARKED, MARKED[:4]], [5], [{"area": 1}], [{"segmentation": [[1, 2, 3, 4]]}]])
def test_a_list_of_no_masks(given: list) -> None:
    with pytest.raises((TypeError, ValueError), match="mask: expected"):
        read_mask(given, H, W)
