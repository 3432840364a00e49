"""One connected region's flow: a viscous sheet on the surface that the region shows, solved by sparse least squares.

The unknown is the velocity on the surface, two numbers per cell of a coarse grid; pixels move by its projection. The energy
is the sheet's rate of strain (so that rigid turning is free and a pool swirls), its divergence, what crosses the static walls,
and the distance to the arrows and to a guess. Walls are free-slip: they stop the part of the flow that runs into them.
A region that the flow must enter or leave (the head and the foot of a stream) is given openings: the stretches of its outer
wall that the flow meets nearly head-on when walls are soft. What comes out of an opening at full speed would leave a gap at a
border that stands still, so in the end they close, and near them the sheet gives way: it is drawn out or piles up there.
What hides the fluid is no wall: the sheet goes on behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from ..pixels.fits import smooth_step
from .grid import Grid, GridConfig, enlarge_step, lay_grid

Array = NDArray[Any]


@dataclass(frozen=True)
class SolveConfig:
    """Weights are relative to the strain's. Lengths are in cells, or shares of the region's size where the name says so."""

    divergence: float = 10.0
    smooth: float = 0.15  # plain gradient: ties one-cell necks together and removes checkerboards
    arrow: float = 400.0
    arrow_gentle: float = 0.002  # of that, while the region's own flow is sought
    guess: float = 0.02
    wall_soft_share: float = 1.0  # soft walls give way where turning costs more than crossing: length, per sqrt(area)
    wall_closed: float = 50.0  # of a bank
    wall_island: float = 0.5  # of what stands in the fluid: the sheet, stiffer than a fluid, would rest all around it
    wall_open: float = 0.02  # of the soft wall's: what is left at an opening
    closing_frames: float = 30.0  # so many steps from an opening its closing is felt
    open_from: float = 0.45  # sine of the angle between flow and wall: below stays closed ...
    open_to: float = 0.75  # ... above is open
    evenness: float = 0.6  # 0 keeps the sheet's own speeds, 1 makes them all alike
    fold_frames: int = 15  # displacements of this many straight steps may not fold over ...
    fold_frames_contradicting: int = 60  # ... and of this many where arrows contradict each other
    fold_rounds: int = 6
    fold_stiffening: float = 4.0
    fold_margin: float = 0.25  # the least that an area may shrink to
    speed_cap: float = 3.0  # times the fastest arrow, on the surface


@dataclass(frozen=True, eq=False)
class Arrow:
    """Motion asked along a segment: ``start``, ``end`` (x, y) in pixels, ``step_px`` (x, y) pixels per frame.

    An arrow without length is an anchor: that point holds.
    """

    start: Array
    end: Array
    step_px: Array

    @property
    def pulls(self) -> bool:
        return bool(np.any(self.step_px != 0))


def solve_region(
    region: Array,
    box: tuple[slice, slice],
    fluid: Array,
    rgb: Array,
    disp: Array,
    arrows: list[Arrow],
    guess_px: Array,
    guess_weight: Array,
    num_cells: int,
    config: SolveConfig | None = None,
) -> Array:
    """Solve one region, connected or a handful of specks. Returns the flow in its bounding ``box``, float32 ``[h, w, 2]`` px
    per frame, 0 outside.

    ``region`` bool ``[h, w]`` in its box (rows, columns), of which ``fluid`` bool ``[H, W]`` is seen: behind the rest it goes
    on (`flow_behind`); ``rgb`` float32 ``[H, W, 3]``; ``disp`` float32 ``[H, W]`` (1/z, any unit); ``guess_px`` ``[H, W, 2]``
    and ``guess_weight`` ``[H, W]`` (0..1): the step to expect where no arrow says otherwise.
    """
    config = config or SolveConfig()
    grid, sample = lay_grid(region, fluid, rgb, disp, box, num_cells, GridConfig())
    guess = sample(guess_px)
    weight = sample(guess_weight)
    velocity = _relax(grid, arrows, guess, weight, config)
    step_cells = np.einsum("hwij,hwj->hwi", grid.to_px, velocity)
    return enlarge_step(grid, step_cells, region)


@dataclass(frozen=True, eq=False)
class ArrowRows:
    """What the arrows ask of the surface velocity, per row; ``pulls`` is False for an anchor's rows."""

    rows: sparse.csr_matrix
    values: Array
    weight: Array
    pulls: Array


@dataclass(frozen=True, eq=False)
class System:
    """Rows of the least-squares problem, by kind; the quads' and the walls' weights change between rounds."""

    quads: sparse.csr_matrix  # 4 rows per quad: E11, E22, sqrt(2) E12, divergence
    pairs: sparse.csr_matrix
    walls: sparse.csr_matrix
    arrows: ArrowRows
    quad_weight: Array
    pair_weight: Array
    quad_cells: Array  # [Q, 4]: indices of the quad's cells: upper left, upper right, lower left, lower right


def _assemble(grid: Grid, arrows: list[Arrow], config: SolveConfig) -> System:
    number = np.full(grid.inside.shape, -1)
    number[grid.inside] = np.arange(grid.inside.sum())
    to_px = grid.to_px
    count = 2 * int(grid.inside.sum())

    corners = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]], axis=-1)
    whole = (corners >= 0).all(axis=-1)
    cells = corners[whole]
    jac = (to_px[:-1, :-1] + to_px[:-1, 1:] + to_px[1:, :-1] + to_px[1:, 1:])[whole] / 4
    det = np.maximum(np.abs(np.linalg.det(jac)), 1e-9)
    across = np.array([-0.5, 0.5, -0.5, 0.5])
    along = np.array([-0.5, -0.5, 0.5, 0.5])
    # derivative[k]: along the surface's axis k, coefficients of the four cells
    derivative = [jac[:, 0, k, None] * across + jac[:, 1, k, None] * along for k in (0, 1)]
    zero = np.zeros_like(derivative[0])
    coefficients = np.stack(
        [
            np.concatenate([derivative[0], zero], axis=1),
            np.concatenate([zero, derivative[1]], axis=1),
            np.concatenate([derivative[1], derivative[0]], axis=1) * np.sqrt(0.5),
            np.concatenate([derivative[0], derivative[1]], axis=1),
        ],
        axis=1,
    )
    columns = np.concatenate([2 * cells, 2 * cells + 1], axis=1)
    quads = _rows(coefficients.reshape(-1, 8), np.repeat(columns, 4, axis=0), count)
    tie_x, tie_y = grid.tie_x, grid.tie_y
    tie = np.minimum(np.minimum(tie_x[:-1], tie_x[1:]), np.minimum(tie_y[:, :-1], tie_y[:, 1:]))[whole]
    quad_weight = (tie / det)[:, None] * np.array([1.0, 1.0, 1.0, config.divergence])
    quad_weight[:, 3] /= tie  # an edge lets the flow slip, not vanish

    right = (number[:, :-1] >= 0) & (number[:, 1:] >= 0)
    lower = (number[:-1] >= 0) & (number[1:] >= 0)
    first = np.concatenate([number[:, :-1][right], number[:-1][lower]])
    second = np.concatenate([number[:, 1:][right], number[1:][lower]])
    pair_tie = np.concatenate([tie_x[right], tie_y[lower]])
    pair_columns = np.concatenate([np.stack([2 * first + k, 2 * second + k], axis=1) for k in (0, 1)])
    pairs = _rows(np.tile([1.0, -1.0], (len(pair_columns), 1)), pair_columns, count)
    pair_weight = config.smooth * np.tile(pair_tie, 2)

    wall_cells = number[grid.wall]
    into = np.einsum("wi,wij->wj", grid.normal[grid.wall], to_px[grid.wall])
    into /= np.maximum(np.linalg.norm(to_px[grid.wall], axis=(1, 2)), 1e-9)[:, None] / np.sqrt(2)
    walls = _rows(into, np.stack([2 * wall_cells, 2 * wall_cells + 1], axis=1), count)

    arrow_rows = _arrow_rows(grid, number, arrows, count, config)
    return System(quads, pairs, walls, arrow_rows, quad_weight, pair_weight, cells)


def _rows(coefficients: Array, columns: Array, count: int) -> sparse.csr_matrix:
    num_rows, width = coefficients.shape
    starts = np.arange(0, num_rows * width + 1, width)
    return sparse.csr_matrix((coefficients.ravel(), columns.ravel(), starts), shape=(num_rows, count))


def _arrow_rows(grid: Grid, number: Array, arrows: list[Arrow], count: int, config: SolveConfig) -> ArrowRows:
    """Rows that ask the bilinear surface velocity along each arrow to project onto the arrow's step."""
    cell = np.array(grid.cell_px)
    coefficients, columns = [np.zeros((0, 8))], [np.zeros((0, 8), dtype=int)]
    values, weights, pulls = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, bool)]
    for arrow in arrows:
        length = float(np.linalg.norm((arrow.end - arrow.start) / cell))
        t = np.linspace(0.0, 1.0, 2 + int(2 * length))
        points = arrow.start + t[:, None] * (arrow.end - arrow.start)
        position = (points - np.array(grid.origin_px)) / cell - 0.5
        corner = np.floor(position).astype(int)
        part = position - corner
        fits = (corner >= 0).all(axis=1) & (corner < np.array(grid.inside.shape[::-1]) - 1).all(axis=1)
        corner, part = corner[fits], part[fits]
        x, y = corner[:, 0], corner[:, 1]
        cells = np.stack([number[y, x], number[y, x + 1], number[y + 1, x], number[y + 1, x + 1]], axis=1)
        jac = np.stack([grid.to_px[y, x], grid.to_px[y, x + 1], grid.to_px[y + 1, x], grid.to_px[y + 1, x + 1]], axis=1)
        fx, fy = part[:, 0], part[:, 1]
        share = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], axis=1) * (cells >= 0)
        used = share.sum(axis=1) > 0.25
        if not used.any():
            continue
        cells, jac, share = np.maximum(cells[used], 0), jac[used], share[used]
        share /= share.sum(axis=1, keepdims=True)
        scale = np.linalg.norm(np.einsum("sc,scij->sij", share, jac), axis=(1, 2)) / np.sqrt(2)
        asked = share[:, :, None, None] * jac / scale[:, None, None, None]
        for i in (0, 1):
            coefficients.append(np.concatenate([asked[:, :, i, 0], asked[:, :, i, 1]], axis=1))
            columns.append(np.concatenate([2 * cells, 2 * cells + 1], axis=1))
            values.append(arrow.step_px[i] / scale)
            weights.append(np.full(len(scale), config.arrow / len(scale)))
            pulls.append(np.full(len(scale), arrow.pulls))
    rows = _rows(np.concatenate(coefficients), np.concatenate(columns), count)
    return ArrowRows(rows, np.concatenate(values), np.concatenate(weights), np.concatenate(pulls))


def _relax(grid: Grid, arrows: list[Arrow], guess_px: Array, guess_weight: Array, config: SolveConfig) -> Array:
    """Velocity on the surface ``[h, w, 2]``.

    First the arrows pull gently, so that the region's own easiest flow shows, and its openings with it. That flow, scaled to
    the arrows, is then what the sheet rests at, and the arrows pull firmly: what one arrow asks reaches the whole region.
    Where the result would fold, the sheet stiffens and the arrows give way. Last, the openings close.
    """
    inside = grid.inside
    system = _assemble(grid, arrows, config)
    to_px = grid.to_px[inside]
    guess = np.linalg.solve(to_px, guess_px[inside][..., None])[..., 0].ravel()
    guess_weight = np.repeat(config.guess * guess_weight[inside] + 1e-7, 2)

    soft = 1 / (config.wall_soft_share * np.sqrt(inside.sum()))
    gentle = system.arrows.weight * config.arrow_gentle
    closed = np.where(grid.outer_wall[grid.wall], config.wall_closed, config.wall_island)
    wall_weight = np.where(grid.outer_wall[grid.wall], soft, closed)
    at_rest = np.zeros_like(guess)
    velocity = _minimise(system, system.quad_weight, wall_weight, gentle, guess_weight, guess, at_rest)
    openness = _openness(grid, velocity.reshape(-1, 2), config)
    wall_weight = (1 - openness) ** 2 * closed + openness * config.wall_open * soft
    velocity = _minimise(system, system.quad_weight, wall_weight, gentle, guess_weight, guess, at_rest)

    pulled = bool(system.arrows.pulls.any())
    firm, quad_weight = system.arrows.weight, system.quad_weight
    if len(system.arrows.values):
        rest = velocity
        if pulled:
            rest = _even_out(grid, velocity, config)
            rest = rest * _best_scale(system.arrows, rest)
        frames = config.fold_frames_contradicting if _contradict(arrows) else config.fold_frames
        for _ in range(config.fold_rounds):
            velocity = _minimise(system, quad_weight, wall_weight, firm, guess_weight, guess, rest)
            folds = _folding_quads(grid, system, velocity.reshape(-1, 2), frames, config)
            if not folds.any():
                break
            quad_weight = quad_weight * np.where(folds, config.fold_stiffening, 1.0)[:, None]
            bent = np.repeat(_cells_of(grid, system, folds), 2)
            firm = np.where(abs(system.arrows.rows) @ bent > 0, firm / config.fold_stiffening, firm)

    if (openness > 0).any():
        held = np.full_like(guess_weight, _hold(grid, velocity.reshape(-1, 2), config))
        velocity = _minimise(system, quad_weight, closed, firm, held, velocity, velocity)

    velocity = velocity.reshape(-1, 2)
    fastest = float(np.abs(system.arrows.values if pulled else guess).max())
    speed = np.linalg.norm(velocity, axis=1, keepdims=True)
    field = np.zeros((*inside.shape, 2))
    field[inside] = velocity * np.minimum(1, config.speed_cap * fastest / np.maximum(speed, 1e-9))
    return field


def _minimise(
    system: System,
    quad_weight: Array,
    wall_weight: Array,
    arrow_weight: Array,
    guess_weight: Array,
    guess: Array,
    rest: Array,
) -> Array:
    """The velocities ``[2 * cells]`` of least energy, for a sheet that is without strain at ``rest``."""

    def squared(rows: sparse.csr_matrix, weight: Array) -> sparse.csr_matrix:
        return rows.T @ sparse.diags(weight.ravel()) @ rows

    pairs = squared(system.pairs, system.pair_weight)
    matrix = squared(system.quads, quad_weight) + pairs + squared(system.walls, wall_weight)
    matrix = matrix + squared(system.arrows.rows, arrow_weight) + sparse.diags(guess_weight)
    target = guess_weight * guess + system.arrows.rows.T @ (arrow_weight * system.arrows.values)
    shear_weight = system.quad_weight * np.array([1.0, 1.0, 1.0, 0.0])
    target += pairs @ rest + system.quads.T @ (shear_weight.ravel() * (system.quads @ rest))
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return factors.solve(target)


def _even_out(grid: Grid, velocity: Array, config: SolveConfig) -> Array:
    """The same flow with less difference between its fast and its slow parts: in a plane, a pull fades with distance."""
    field = np.zeros((*grid.inside.shape, 2))
    field[grid.inside] = velocity.reshape(-1, 2)
    sigma = 3.0
    weight = ndimage.gaussian_filter(grid.inside.astype(float), sigma)
    speed = ndimage.gaussian_filter(np.linalg.norm(field, axis=-1), sigma) / np.maximum(weight, 1e-9)
    typical = np.sqrt(np.mean(speed[grid.inside] ** 2))
    gain = np.clip(typical / np.maximum(speed, 1e-12), 0.1, 10.0) ** config.evenness
    return (field * gain[..., None])[grid.inside].ravel()


def _best_scale(arrows: ArrowRows, velocity: Array) -> float:
    """The factor that brings a flow closest to the arrows."""
    met = arrows.rows @ velocity
    weight = arrows.weight * arrows.pulls
    return float(np.sum(weight * met * arrows.values) / max(np.sum(weight * met * met), 1e-12))


def _openness(grid: Grid, velocity: Array, config: SolveConfig) -> Array:
    """How open each wall cell is, 0..1: the outer wall opens where the flow meets it nearly head-on.

    Angles are those on the surface: seen at a slant, whatever comes from the horizon seems to run along it.
    """
    flow = np.zeros((*grid.inside.shape, 2))
    flow[grid.inside] = velocity
    # a wall's direction is carried to the surface by the inverse, its normal by the transpose
    normal = np.einsum("hwij,hwi->hwj", grid.to_px, grid.normal)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    crossing = np.where(grid.wall, np.abs((flow * normal).sum(-1)), 0)
    speed = np.where(grid.wall, np.linalg.norm(flow, axis=-1), 0)
    typical = np.sqrt(np.mean(velocity**2) * 2)
    sigma = 1.5
    sine = ndimage.gaussian_filter(crossing, sigma) / np.maximum(ndimage.gaussian_filter(speed, sigma), 1e-9)
    brisk = ndimage.gaussian_filter(speed, sigma) / np.maximum(ndimage.gaussian_filter(grid.wall.astype(float), sigma), 1e-9)
    t = np.clip((sine - config.open_from) / (config.open_to - config.open_from), 0, 1)
    t = t * np.clip(4 * brisk / max(typical, 1e-9) - 0.5, 0, 1) * grid.outer_wall
    # an opening takes in the corners beside it, where the wall's normal turns
    t = ndimage.maximum_filter(t, 5) * grid.outer_wall
    return smooth_step(t)[grid.wall]


def _hold(grid: Grid, velocity: Array, config: SolveConfig) -> float:
    """The weight that holds every cell at its velocity, such that what happens at a wall is felt `closing_frames` away."""
    step_px = np.einsum("cij,cj->ci", grid.to_px[grid.inside], velocity)
    reach_cells = config.closing_frames * float(np.sqrt(np.mean(step_px**2) * 2)) / np.sqrt(np.prod(grid.cell_px))
    return (1 + config.divergence) / max(reach_cells, 1.0) ** 2


def _folding_quads(grid: Grid, system: System, velocity: Array, frames: int, config: SolveConfig) -> Array:
    """Quads that ``frames`` straight steps forward or backward would turn over; at the walls, where motion ends, none."""
    step = np.einsum("cij,cj->ci", grid.to_px[grid.inside], velocity)[system.quad_cells]
    grad_x = (step[:, 1] + step[:, 3] - step[:, 0] - step[:, 2]) / (2 * grid.cell_px[0])
    grad_y = (step[:, 2] + step[:, 3] - step[:, 0] - step[:, 1]) / (2 * grid.cell_px[1])
    trace = grad_x[:, 0] + grad_y[:, 1]
    det = grad_x[:, 0] * grad_y[:, 1] - grad_x[:, 1] * grad_y[:, 0]
    at_wall = ndimage.binary_dilation(grid.wall)[grid.inside][system.quad_cells].any(axis=1)
    folds = (1 - frames * np.abs(trace) + frames**2 * det < config.fold_margin) & ~at_wall
    # a fold that only its own quad may yield to moves on to the next
    around = np.zeros(grid.inside.shape, bool)
    around[grid.inside] = _cells_of(grid, system, folds)
    return ndimage.binary_dilation(around)[grid.inside][system.quad_cells].any(axis=1) if folds.any() else folds


def _contradict(arrows: list[Arrow]) -> bool:
    """Whether two arrows point against each other, nearer to each other than they are long on average."""
    pulling = [arrow for arrow in arrows if arrow.pulls]
    if not pulling:
        return False
    start, end, step = (np.stack([getattr(arrow, name) for arrow in pulling]) for name in ("start", "end", "step_px"))
    middle, length = (start + end) / 2, np.linalg.norm(end - start, axis=1)
    along = start[:, None] + np.linspace(0, 1, 9)[:, None] * (end - start)[:, None]  # [A, 9, 2]
    for n in range(1, len(pulling)):
        # Two that are near each other have their middles nearer than both their lengths: few of thousands are looked at.
        near = np.linalg.norm(middle[:n] - middle[n], axis=1) <= 1.001 * (length[:n] + length[n])
        others = np.flatnonzero(near & (step[:n] @ step[n] < 0))
        for part in np.array_split(others, len(others) // 1000 + 1):
            gaps = np.linalg.norm(along[n][:, None] - along[part][:, None], axis=-1).min(axis=(1, 2))
            if (gaps < (length[part] + length[n]) / 2).any():
                return True
    return False


def _cells_of(grid: Grid, system: System, quads: Array) -> Array:
    """bool per cell: whether it is a corner of any of these quads."""
    cells = np.zeros(int(grid.inside.sum()), bool)
    cells[system.quad_cells[quads].ravel()] = True
    return cells
