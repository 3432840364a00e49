"""Sets of marks: a photo cut into numbered regions, and sheets that show them to whoever labels.

``python benchmarks/perception/marks.py cut`` writes the region maps of the listed photos that have none yet, ``... sheets``
draws four photos a sheet. The maps are committed, because another release of scikit-image may cut elsewhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from photos import Photo, Split, listed, read_rgb
from PIL import Image
from skimage.color import rgb2lab
from skimage.segmentation import slic

MAPS = Path(__file__).parent / "labels" / "maps"
NUM_SUPERPIXELS = 700
NUM_REGIONS = 32
SIZE_EXPONENT = 0.6  # of a merged pair's harmonic size: 1 (Ward) would swallow small things of a colour of their own
TEXTURE_WEIGHT = 1.5
HEIGHT_WEIGHT = 40.0  # Lab units for the picture's height: a plane that recedes is cut into bands
WIDTH_WEIGHT = 15.0


def cut(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a photo into regions of like colour and texture.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (H, W, 3)

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Regions 1..n, n <= `NUM_REGIONS`, each of them connected, numbered from the top down.

    References
    ----------
    Achanta et al., "SLIC Superpixels Compared to State-of-the-art Superpixel Methods", PAMI 2012.
    """
    superpixels = slic(rgb, n_segments=NUM_SUPERPIXELS, compactness=8.0, sigma=1.0, start_label=0)
    return _numbered(_merged(_features(rgb, superpixels), superpixels)[superpixels])


def _features(rgb: NDArray[np.uint8], superpixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean colour, texture and place of each superpixel, in Lab units: ``[n, 6]``."""
    lab = rgb2lab(rgb)
    height, width = superpixels.shape
    texture = cv2.GaussianBlur(np.abs(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), 3.0)), (0, 0), 3.0)
    y, x = np.mgrid[:height, :width]
    channels = [*np.moveaxis(lab, 2, 0), TEXTURE_WEIGHT * texture, HEIGHT_WEIGHT * y / height, WIDTH_WEIGHT * x / width]
    size = np.bincount(superpixels.ravel())
    return np.stack([np.bincount(superpixels.ravel(), channel.ravel()) / size for channel in channels], axis=1)


def _merged(features: NDArray[np.float64], superpixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The region of each superpixel: the neighbours that differ least are merged, again and again."""
    size = np.bincount(superpixels.ravel()).astype(float)
    parent = np.arange(len(size))
    across = superpixels[:, :-1].ravel(), superpixels[:, 1:].ravel()
    down = superpixels[:-1].ravel(), superpixels[1:].ravel()
    a, b = _distinct(np.concatenate([across[0], down[0]]), np.concatenate([across[1], down[1]]), len(size))
    for _ in range(len(size) - NUM_REGIONS):
        harmonic = (size[a] * size[b] / (size[a] + size[b])) ** SIZE_EXPONENT
        best = np.argmin(harmonic * np.sum((features[a] - features[b]) ** 2, axis=1))
        kept, gone = a[best], b[best]
        features[kept] = (size[kept] * features[kept] + size[gone] * features[gone]) / (size[kept] + size[gone])
        size[kept] += size[gone]
        parent[parent == gone] = kept
        a, b = _distinct(np.where(a == gone, kept, a), np.where(b == gone, kept, b), len(size))
    return parent


def _distinct(a: NDArray[np.int64], b: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of different neighbours, each once and in order."""
    pairs = np.unique(np.minimum(a, b) * count + np.maximum(a, b))
    a, b = np.divmod(pairs, count)
    return a[a != b], b[a != b]


def _numbered(regions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Regions as 1..n, by the height of their middle."""
    names, flat = np.unique(regions, return_inverse=True)
    flat = flat.reshape(regions.shape)
    rows = np.arange(regions.shape[0])[:, None] * np.ones(regions.shape[1])
    middle = np.bincount(flat.ravel(), rows.ravel()) / np.bincount(flat.ravel())
    number = np.empty(len(names), np.uint8)
    number[np.argsort(middle, kind="stable")] = np.arange(1, len(names) + 1)
    return number[flat]


def write_map(path: Path, regions: NDArray[np.uint8]) -> None:
    """Write a region map as an indexed PNG, its palette a grey ramp so that a viewer shows the regions."""
    image = Image.fromarray(regions, mode="P")
    image.putpalette([(37 * i) % 256 for i in range(256) for _ in range(3)])
    image.save(path, optimize=True)


def read_map(path: Path) -> NDArray[np.uint8]:
    """The region map, uint8 ``[H, W]``."""
    return np.asarray(Image.open(path))


def drawn(rgb: NDArray[np.uint8], regions: NDArray[np.uint8], size: tuple[int, int], title: str) -> NDArray[np.uint8]:
    """The photo with its regions' outlines and numbers, fitted into ``size`` (width, height)."""
    scale = min(size[0] / rgb.shape[1], size[1] / rgb.shape[0])
    shape = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    picture = cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    big = cv2.resize(regions, shape, interpolation=cv2.INTER_NEAREST)
    edge = np.zeros(big.shape, bool)
    edge[:, 1:] |= big[:, 1:] != big[:, :-1]
    edge[1:] |= big[1:] != big[:-1]
    picture[edge] = (0.45 * picture[edge] + 0.55 * np.array([255, 255, 0])).astype(np.uint8)
    for region in range(1, int(regions.max()) + 1):
        x, y = middle(regions == region)
        _write(picture, str(region), (round((x + 0.5) * scale), round((y + 0.5) * scale)), 0.45)
    cell = np.full((size[1], size[0], 3), 40, np.uint8)
    cell[: shape[1], : shape[0]] = picture
    _write(cell, title, (26, 9), 0.5)
    return cell


def middle(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """The place farthest from the mask's outline, x and y."""
    distance = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return int(x), int(y)


def _write(picture: NDArray[np.uint8], text: str, place: tuple[int, int], scale: float) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = int(np.clip(place[0] - width // 2, 1, picture.shape[1] - width - 1))
    y = int(np.clip(place[1] + height // 2, height + 1, picture.shape[0] - 2))
    for colour, weight in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, weight, cv2.LINE_AA)


def sheet(photos: list[Photo], cell: tuple[int, int] = (760, 560)) -> NDArray[np.uint8]:
    """Up to four photos with their marks, two by two."""
    cells = [drawn(read_rgb(photo), read_map(MAPS / f"{photo.id}.png"), cell, photo.id) for photo in photos]
    cells += [np.full_like(cells[0], 40)] * (-len(cells) % 2)
    return np.concatenate([np.concatenate(cells[i : i + 2], axis=1) for i in range(0, len(cells), 2)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["cut", "sheets"])
    parser.add_argument("--split", choices=get_args(Split), help="default: heldout, fluids and train")
    parser.add_argument("--out", type=Path, default=Path("build/photos/sheets"), help="where sheets go (default %(default)s)")
    args = parser.parse_args()
    for split in [args.split] if args.split else ["heldout", "fluids", "train"]:
        photos = listed(split)
        if args.what == "cut":
            MAPS.mkdir(parents=True, exist_ok=True)
            for photo in photos:
                if not (MAPS / f"{photo.id}.png").exists():
                    write_map(MAPS / f"{photo.id}.png", cut(read_rgb(photo)))
        else:
            args.out.mkdir(parents=True, exist_ok=True)
            for start in range(0, len(photos), 4):
                Image.fromarray(sheet(photos[start : start + 4])).save(args.out / f"{photos[start].id}.png")


if __name__ == "__main__":
    main()
