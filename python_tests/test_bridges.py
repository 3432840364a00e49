"""Small steps of a depth map become slopes, edges stay."""

import numpy as np
import pytest

from c3drender.layers.bridges import STEP_RATE, bridge_small_steps

TEAR, EDGE = 0.01, 0.06
STILL = np.zeros((40, 60), bool)


def test_a_small_step_becomes_a_slope_without_a_tear() -> None:
    disp = np.full((40, 60), 0.5, np.float32)
    disp[:, 30:] = 0.54
    bridged = bridge_small_steps(disp, STILL, TEAR, EDGE)
    assert np.abs(np.diff(bridged, axis=1)).max() < TEAR
    assert (np.diff(bridged, axis=1) >= -1e-6).all()
    np.testing.assert_array_equal(bridged[:, :16], disp[:, :16])
    np.testing.assert_array_equal(bridged[:, 44:], disp[:, 44:])


def test_edges_and_slopes_stay_as_they_are() -> None:
    disp = np.full((40, 60), 0.2, np.float32)
    disp[:, 30:] = 0.9
    np.testing.assert_array_equal(bridge_small_steps(disp, STILL, TEAR, EDGE), disp)
    slope = (0.9 * TEAR * np.arange(60, dtype=np.float32))[None].repeat(40, 0)
    np.testing.assert_array_equal(bridge_small_steps(slope, STILL, TEAR, EDGE), slope)


def test_nothing_is_joined_across_an_edge_beside_a_small_step() -> None:
    disp = np.full((40, 60), 0.2, np.float32)
    disp[:, 30:] = 0.9
    disp[20:, 30:] = 0.94
    bridged = bridge_small_steps(disp, STILL, TEAR, EDGE)
    np.testing.assert_allclose(bridged[:, :30], 0.2, atol=1e-6)
    assert bridged[:, 30:].min() >= 0.9 - 1e-6
    assert np.abs(np.diff(bridged[:, 30:], axis=0)).max() < TEAR


def test_a_fluid_keeps_its_step_to_what_hides_it() -> None:
    disp = np.full((40, 60), 0.5, np.float32)
    disp[:, 30:] = 0.54
    np.testing.assert_array_equal(bridge_small_steps(disp, disp > 0.52, TEAR, EDGE), disp)


def test_diffusion_damps_and_never_oscillates() -> None:
    """Each sweep moves a pixel by STEP_RATE times the difference to four neighbours. The finest pattern, a chequerboard, is
    multiplied by 1 - 8 STEP_RATE a sweep: beyond 1/4 it grows and changes its sign."""
    y, x = np.indices((40, 60))
    fine = np.where((y + x) % 2, 0.002, -0.002).astype(np.float32)
    disp = np.where(x < 30, 0.5, 0.54).astype(np.float32) + fine
    bridged = bridge_small_steps(disp, STILL, TEAR, EDGE)
    inner = bridged[3:-3, 22:38]
    left = inner - (np.roll(bridged, 1, 0) + np.roll(bridged, -1, 0))[3:-3, 22:38] / 2
    assert np.abs(left).max() < 0.001, "the pattern is damped, not kept"
    assert STEP_RATE < 0.25 and bridged.min() >= disp.min() - 1e-6 and bridged.max() <= disp.max() + 1e-6


def test_how_far_forty_sweeps_carry_a_step() -> None:
    """Diffusion after time t = SWEEPS STEP_RATE spreads a step to an error function: its slope in the middle is
    height / sqrt(4 pi t)."""
    disp = np.full((40, 60), 0.5, np.float32)
    disp[:, 30:] = 0.54
    slope = np.diff(bridge_small_steps(disp, STILL, TEAR, EDGE), axis=1)[20]
    assert slope[29] == pytest.approx(0.04 / np.sqrt(4 * np.pi * 40 * 0.24), rel=0.02)
    assert int(slope.argmax()) == 29
