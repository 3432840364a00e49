"""How far other passes over a tenth of the photos agree with the labels: ``python benchmarks/perception/agreement.py``.

Shares are of the pixels that both passes answered. Needs the committed labels alone, not the photos.
"""

from __future__ import annotations

import numpy as np
from labels import IGNORED, LAYOUTS, NAMES, PAIR_RANKS, Labelled, read

CONFUSIONS = 5  # pairs of classes that are printed
PASSES = {
    "second": "the same viewer later, on mirrored pictures with shuffled numbers",
    "independent": "another viewer, who has seen no other label",
}


def main() -> None:
    first = {labelled.photo.id: labelled for split in ("heldout", "train") for labelled in read(split)}
    for name, what in PASSES.items():
        again = [labelled for split in ("heldout", "train") for labelled in read(split, name)]
        print(f"{name}.txt, {what}: {len(again)} photos")
        _print_agreement([(first[labelled.photo.id], labelled) for labelled in again])


def _print_agreement(both: list[tuple[Labelled, Labelled]]) -> None:
    classes = _confusion([(a.class_map, b.class_map) for a, b in both], len(NAMES))
    print(f"class: {np.trace(classes) / classes.sum():.1%} of the pixels the same, Cohen's kappa {_kappa(classes):.2f}")
    for number, name in enumerate(NAMES):
        union = classes[number].sum() + classes[:, number].sum() - classes[number, number]
        if union:
            overlap = classes[number, number] / union
            print(f"  {name}: {overlap:.0%} intersection over union, {union / classes.sum():.1%} of the pixels")
    print(f"  most confused: {', '.join(_most_confused(classes))} of the pixels")

    layouts = _confusion([(a.layout_map, b.layout_map) for a, b in both], len(LAYOUTS))
    print(f"layout: {np.trace(layouts) / layouts.sum():.1%} of the pixels the same, Cohen's kappa {_kappa(layouts):.2f}")
    print(f"must move: {_overlap([(a.must_move, b.must_move) for a, b in both]):.0%} intersection over union")
    print(f"must stay: {_overlap([(a.must_stay, b.must_stay) for a, b in both]):.0%} intersection over union")

    orders = np.array([_orders(a, b) for a, b in both]).sum(axis=0)
    same, level, reversed_ = orders / orders.sum()
    print(f"order: of {orders.sum()} pairs of regions that are {PAIR_RANKS} or more ranks apart in the labels,")
    print(f"  {same:.1%} have the same order in the other pass, {level:.1%} are level, {reversed_:.1%} reversed")

    angles = np.concatenate([_angles(a, b) for a, b in both])
    print(f"direction: {np.mean(angles <= 45.5):.0%} of {len(angles)} regions with one in both within 45 degrees")


def _confusion(maps: list[tuple[np.ndarray, np.ndarray]], count: int) -> np.ndarray:
    table = np.zeros((count, count), np.int64)
    for a, b in maps:
        known = (a != IGNORED) & (b != IGNORED)
        table += np.bincount(a[known].astype(int) * count + b[known], minlength=count * count).reshape(count, count)
    return table


def _kappa(table: np.ndarray) -> float:
    total = table.sum()
    chance = table.sum(axis=0) @ table.sum(axis=1) / total**2
    return float((np.trace(table) / total - chance) / (1 - chance))


def _most_confused(table: np.ndarray) -> list[str]:
    shares = np.triu(table + table.T, 1) / table.sum()
    worst = [divmod(int(place), len(table)) for place in np.argsort(-shares, axis=None, kind="stable")[:CONFUSIONS]]
    return [f"{NAMES[a]} and {NAMES[b]} {shares[a, b]:.1%}" for a, b in worst]


def _overlap(masks: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return sum(np.sum(a & b) for a, b in masks) / sum(np.sum(a | b) for a, b in masks)


def _orders(a: Labelled, b: Labelled) -> tuple[int, int, int]:
    """How many pairs that ``a`` orders are ordered the same, level and reversed in ``b``."""
    ranks = [(x.rank, y.rank) for number, x in a.regions.items() if x and (y := b.regions[number])]
    signs = [np.sign(y - v) for x, y in ranks for u, v in ranks if x - u >= PAIR_RANKS]
    return signs.count(1), signs.count(0), signs.count(-1)


def _angles(a: Labelled, b: Labelled) -> np.ndarray:
    """Degrees between the directions of the regions that have one in both."""
    found = [(x.direction, y.direction) for number, x in a.regions.items() if x and (y := b.regions[number])]
    dots = [np.dot(x, y) for x, y in found if x and y]
    return np.degrees(np.arccos(np.clip(dots, -1, 1)))


if __name__ == "__main__":
    main()
