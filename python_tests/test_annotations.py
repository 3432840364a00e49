"""Annotations of the usual tools mark the same pixels; labels that mean nothing are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from c3drender.data import MotionHints
from c3drender.files import InputWarning, read_hints
from c3drender.files.coco import decode_runs
from c3drender.files.hints import noted_hints

H, W = 48, 64
X0, Y0, X1, Y1 = 8, 6, 40, 30
CORNERS = [[X0, Y0], [X1, Y0], [X1, Y1], [X0, Y1]]
AREA = (X1 - X0) * (Y1 - Y0)
REGION = torch.zeros(H, W, dtype=torch.bool)
REGION[Y0:Y1, X0:X1] = True


def labelme(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"version": "5.5.0", "imageHeight": H, "imageWidth": W, "imageData": None, "shapes": list(shapes)}


def shape(label: str, points: list, kind: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind} | more


def coco(*annotations: dict[str, Any], names: tuple[str, ...] = ("motion",)) -> dict[str, Any]:
    images = [{"id": 7, "file_name": "photo.png", "width": W, "height": H}]
    categories = [{"id": n, "name": name} for n, name in enumerate(names)]
    return {
        "images": images,
        "categories": categories,
        "annotations": [{"image_id": 7, "category_id": 0} | a for a in annotations],
    }


def via(*shapes: dict[str, Any], label: Any = "motion") -> dict[str, Any]:
    regions = [{"shape_attributes": one, "region_attributes": {"label": label}} for one in shapes]
    return {"photo.png123": {"filename": "photo.png", "size": 123, "regions": regions}}


def runs(mask: torch.Tensor) -> list[int]:
    flat = mask.numpy().T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat.astype(int))) + 1
    return [*([0] if flat[0] else []), *np.diff([0, *ends, flat.size]).tolist()]


def compressed(counts: list[int]) -> str:
    """As cocoapi's ``rleToString``."""
    text = ""
    for n, count in enumerate(counts):
        x = count - counts[n - 2] if n > 2 else count
        more = True
        while more:
            bits, x = x & 0x1F, x >> 5
            more = x != -1 if bits & 0x10 else x != 0
            text += chr((bits | (0x20 if more else 0)) + 48)
    return text


FLAT = [value for corner in CORNERS for value in corner]
MARKS = {
    "labelme polygon": labelme(shape("motion", CORNERS, "polygon")),
    "labelme rectangle": labelme(shape("motion", [CORNERS[0], CORNERS[2]], "rectangle")),
    "labelme rectangle, other corners": labelme(shape("motion", [CORNERS[3], CORNERS[1]], "rectangle")),
    "X-AnyLabeling rectangle": labelme(shape("motion", CORNERS, "rectangle")),
    "X-AnyLabeling rotation": labelme(shape("motion", CORNERS, "rotation", direction=0.0)),
    "labelme oriented rectangle": labelme(shape("motion", CORNERS, "oriented_rectangle")),
    "quadrilateral": labelme(shape("motion", CORNERS, "quadrilateral")),
    "capitals and spaces": labelme(shape(" Motion_1", CORNERS, "polygon")),
    "COCO polygon": coco({"segmentation": [FLAT]}),
    "COCO box": coco({"bbox": [X0, Y0, X1 - X0, Y1 - Y0]}),
    "COCO runs": coco({"segmentation": {"size": [H, W], "counts": runs(REGION)}}),
    "COCO compressed runs": coco({"segmentation": {"size": [H, W], "counts": compressed(runs(REGION))}}),
    "SAM, a list": [{"segmentation": {"size": [H, W], "counts": runs(REGION)}, "area": AREA}],
    "SAM, a mask": {"size": [H, W], "counts": compressed(runs(REGION))},
    "SA-1B": {
        "image": {"image_id": 3, "width": W, "height": H, "file_name": "sa_3.jpg"},
        "annotations": [{"id": 9, "segmentation": {"size": [H, W], "counts": compressed(runs(REGION))}}],
    },
    "VIA rectangle": via({"name": "rect", "x": X0, "y": Y0, "width": X1 - X0, "height": Y1 - Y0}),
    "VIA polygon": via({"name": "polygon", "all_points_x": [x for x, _ in CORNERS], "all_points_y": [y for _, y in CORNERS]}),
    "VIA project": {"_via_img_metadata": via({"name": "rect", "x": X0, "y": Y0, "width": X1 - X0, "height": Y1 - Y0})},
}


def read(tmp_path: Path, content: Any, **options: Any) -> MotionHints:
    (tmp_path / "hints.json").write_text(json.dumps(content))
    return read_hints(tmp_path / "hints.json", H, W, **options)


@pytest.mark.parametrize("kind", MARKS)
def test_the_same_region(kind: str, tmp_path: Path) -> None:
    hints = read(tmp_path, MARKS[kind])
    assert torch.equal(hints.mask, REGION) and hints.freeze is None and len(hints.arrows) == 0


@pytest.mark.parametrize("kind", MARKS)
def test_at_another_size(kind: str, tmp_path: Path) -> None:
    (tmp_path / "hints.json").write_text(json.dumps(MARKS[kind]))
    half = noted_hints(tmp_path / "hints.json", (H, W), (H // 2, W // 2)).value
    assert torch.equal(half.mask, REGION[1::2, 1::2])


def test_circles_and_ellipses(tmp_path: Path) -> None:
    y, x = np.mgrid[0:H, 0:W] + 0.5
    round_ = np.hypot(x - 30, y - 20) < 9
    for content in (
        labelme(shape("motion", [[30, 20], [39, 20]], "circle")),
        via({"name": "circle", "cx": 30, "cy": 20, "r": 9}),
    ):
        assert (read(tmp_path, content).mask.numpy() ^ round_).sum() <= 4
    turned = {"name": "ellipse", "cx": 30, "cy": 20, "rx": 16, "ry": 6, "theta": 0.5}
    u, v = (x - 30) * np.cos(0.5) + (y - 20) * np.sin(0.5), (y - 20) * np.cos(0.5) - (x - 30) * np.sin(0.5)
    assert (read(tmp_path, via(turned)).mask.numpy() ^ (np.hypot(u / 16, v / 6) < 1)).sum() <= 6


def test_a_rectangle_of_four_corners_freezes(tmp_path: Path) -> None:
    whole = [[0, 0], [W, 0], [W, H], [0, H]]
    hints = read(tmp_path, labelme(shape("motion", whole, "polygon"), shape("FREEZE", CORNERS, "rectangle")))
    assert hints.mask.all() and torch.equal(hints.freeze, REGION)


def test_lines_are_arrows_and_never_regions(tmp_path: Path) -> None:
    line = [[10, 10], [20, 14]]
    assert read(tmp_path, labelme(shape("Hint", line, "line"))).arrows.tolist() == [line]
    drawn = via({"name": "polyline", "all_points_x": [10, 20], "all_points_y": [10, 14]}, label="hint")
    assert read(tmp_path, drawn).arrows.tolist() == [line]
    with pytest.raises(ValueError, match=r"hints: expected shape 0 \(motion\) to be polygon, .*, got line"):
        read(tmp_path, labelme(shape("motion", line, "line")))


def test_labels_that_mean_nothing(tmp_path: Path) -> None:
    water = shape("water", CORNERS, "polygon")
    with pytest.raises(ValueError, match=r"hints: expected shapes labelled motion\*, .*, got water \(2\); label= says which"):
        read(tmp_path, labelme(water, water))
    with pytest.warns(InputWarning, match=r"hints: left out, .*: tree \(1\); label= makes them move"):
        read(
            tmp_path,
            labelme(
                shape("motion", CORNERS, "polygon"), shape("tree", CORNERS, "polygon"), shape("__ignore__", CORNERS, "polygon")
            ),
        )
    assert torch.equal(read(tmp_path, labelme(water), label="Water").mask, REGION)
    assert torch.equal(read(tmp_path, coco({"segmentation": [FLAT]}, names=("river",)), label=["sea", "river"]).mask, REGION)
    two = labelme(shape("motion", [[0, 0], [3, 0], [3, 3]], "polygon"), water)
    with pytest.warns(InputWarning, match="motion"):
        assert torch.equal(read(tmp_path, two, label="water").mask, REGION)


def test_an_annotation_as_a_mask(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(
        json.dumps(labelme(shape("river", CORNERS, "polygon"), shape("freeze", [[0, 0], [9, 0], [9, 9]], "polygon")))
    )
    assert torch.equal(read_hints(None, H, W, mask=tmp_path / "m.json").mask, REGION)
    (tmp_path / "m.json").write_text(json.dumps({"size": [H, W], "counts": runs(REGION)}))
    assert torch.equal(read_hints(None, H, W, mask=tmp_path / "m.json").mask, REGION)


def test_a_region_beside_the_picture_is_told(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match=r"hints: shape 0 \(motion\) marks nothing of the picture"):
        read(tmp_path, labelme(shape("motion", [[500, 500], [600, 500], [600, 600]], "polygon")))


def test_shares_of_the_sides_are_told(tmp_path: Path) -> None:
    shares = [[x / W, y / H] for x, y in CORNERS]
    with pytest.warns(InputWarning, match=f"hints: the points lie in 0..1 and are taken as shares of {W} x {H} px"):
        assert read(tmp_path, labelme(shape("motion", shares, "polygon"))).mask.sum() == AREA
    with pytest.raises(ValueError, match="hints: expected arrows in pixels of"):
        read(tmp_path, [[[0.25, 0.5], [0.75, 0.5]]])


@pytest.mark.parametrize("content", [[], labelme(shape("_background_", CORNERS, "polygon")), coco()])
def test_a_file_that_says_nothing_is_told(content: Any, tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match="hints: nothing in .*hints.json says what moves"):
        read(tmp_path, content)


def test_of_several_pictures_the_photos_own(tmp_path: Path) -> None:
    content = coco({"segmentation": [FLAT]})
    content["images"].append({"id": 8, "file_name": "other.png", "width": W, "height": H})
    (tmp_path / "all.json").write_text(json.dumps(content))
    named = noted_hints(tmp_path / "all.json", (H, W), (H, W), photo="/photos/photo.png").value
    assert torch.equal(named.mask, REGION)
    with pytest.raises(ValueError, match=r"hints: expected annotations of one picture, or of x\.png by"):
        noted_hints(tmp_path / "all.json", (H, W), (H, W), photo="x.png")


@pytest.mark.parametrize(
    "content",
    [
        coco({"segmentation": {"size": [H, W], "counts": [5]}}),
        coco({"segmentation": {"size": [0, W], "counts": []}}),
        coco({"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}}),
        coco({"segmentation": {"size": [H, W], "counts": "\x7f" * 60}}),
        coco({"segmentation": [[1, 2, 3]]}),
        coco({"bbox": [1, 2, 3]}),
        coco({}),
        coco({"segmentation": [[1e400, 2, 3, 4, 5, 6]]}),
        {"annotations": [3]},
        via({"name": "rect", "x": 1}),
        via({"name": "polygon", "all_points_x": [1], "all_points_y": [1, 2]}),
        via({"name": "star"}),
        labelme(shape("motion", [[1, 2]] * 100_001, "polygon")),
    ],
    ids=range(13),
)
def test_damaged_annotations_are_one_line(content: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^hints: [^\n]+$"):
        read(tmp_path, content)


def test_runs_both_ways() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).random((H, W)) < 0.4)
    for counts in (runs(noise), compressed(runs(noise))):
        np.testing.assert_array_equal(decode_runs("hints", {"size": [H, W], "counts": counts}, "it"), noise.numpy())


FLAT = [value for corner in CORNERS for value in corner]
REGIONS = {
    "ids as texts": coco({"segmentation": [FLAT], "image_id": "7", "category_id": "0"}),
    "a class of its own": {"annotations": [{"class_name": "motion", "segmentation": [FLAT]}]},
    "sides as floats": labelme(shape("motion", CORNERS, "polygon")) | {"imageHeight": float(H), "imageWidth": float(W)},
    "what is ticked": via({"name": "rect", "x": X0, "y": Y0, "width": X1 - X0, "height": Y1 - Y0}, label={"motion": True}),
}


@pytest.mark.parametrize("kind", REGIONS)
def test_spellings_of_the_same_region(kind: str, tmp_path: Path) -> None:
    assert torch.equal(read(tmp_path, REGIONS[kind]).mask, REGION)


def test_a_class_of_its_own_can_be_chosen(tmp_path: Path) -> None:
    content = {"annotations": [{"class_name": "water", "segmentation": [FLAT]}]}
    assert torch.equal(read(tmp_path, content, label="water").mask, REGION)
    with pytest.raises(ValueError, match=r"got water \(1\)"):
        read(tmp_path, content)


def test_a_list_of_something_else_is_no_list_of_arrows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="hints: expected a list of arrows or a labelme, COCO or VIA annotation"):
        read(tmp_path, [{"data": {}, "annotations": []}])
