"""docs/migrating.md: our half of each pair runs as it is printed, and gives what theirs would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from c3drender import Camera, ops

PAGE = Path(__file__).resolve().parent.parent / "docs" / "migrating.md"
GIVEN = re.compile(r"^# given: (.+)$", re.MULTILINE)
OURS = {
    tuple(found[1].split(", ")): block
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    if (found := GIVEN.search(block))
}


def run(**given: Any) -> dict[str, Any]:
    """The block that is given these."""
    names = {"torch": torch} | given
    exec(OURS[tuple(given)], names)
    return names


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def pytorch3d_alpha(
    xyz: Tensor, rgb: Tensor, R: Tensor, T: Tensor, focal: Tensor, size: tuple[int, int], radius: float
) -> Tensor:
    """Its rasterizer and AlphaCompositor, pixel by pixel in float64, as it documents them; a centred principal point."""
    height, width = size
    half = min(size) / 2
    x, y, z = (xyz.double() @ R.double() + T.double()).unbind(1)
    out = torch.zeros(height, width, 3, dtype=torch.float64)
    ndc_x, ndc_y = focal[0].double() * x / z, focal[1].double() * y / z
    for row in range(height):
        for column in range(width):
            px, py = (width / 2 - column - 0.5) / half, (height / 2 - row - 0.5) / half
            dist2 = (ndc_x - px) ** 2 + (ndc_y - py) ** 2
            hits = torch.nonzero((dist2 < radius**2) & (z > 0))[:, 0]
            through = 1.0
            for k in hits[z[hits].argsort(stable=True)][:8]:
                share = float(1 - dist2[k] / radius**2)
                out[row, column] += through * share * rgb[k].double()
                through *= 1 - share
    return out


def smooth(height: int, width: int) -> Tensor:
    """``[H, W, 3]``"""
    v, u = torch.meshgrid(torch.arange(height) / 7, torch.arange(width) / 9, indexing="ij")
    return 0.5 + 0.4 * torch.stack([u.sin(), v.cos(), (u + v).sin()], dim=-1)


def test_pytorch3d() -> None:
    R = torch.linalg.qr(torch.randn(3, 3, 3))[0]
    R[:, 0] *= torch.linalg.det(R)[:, None]
    T = torch.tensor([[0.0, 0, 4], [0.2, 0, 4], [0, -0.1, 5]])
    focal_length, principal_point = torch.full((3, 2), 1.8), torch.zeros(3, 2)
    clouds = [torch.rand(n, 3) - 0.5 for n in (300, 40, 500)]
    colours = [torch.rand(len(cloud), 3) for cloud in clouds]
    made = run(R=R, T=T, focal_length=focal_length, principal_point=principal_point, clouds=clouds, colours=colours)
    assert made["images"].shape == (3, 96, 128, 3)
    want = pytorch3d_alpha(clouds[1], colours[1], R[1], T[1], focal_length[1], (96, 128), 0.02)
    assert want.any()
    # a point on a disc's rim may fall on its other side in float32
    off = (made["images"][1] - want).abs().amax(-1)
    assert (off > 1e-4).float().mean() < 1e-3


def test_softmax_splatting() -> None:
    frame, flow, error = smooth(20, 30).permute(2, 0, 1)[None], torch.zeros(1, 2, 20, 30), torch.zeros(1, 1, 20, 30)
    flow[:, 0] = 4.0
    made = run(frame=frame, flow=flow, error=error)
    assert made["warped"].shape == (20, 30, 3)
    assert torch.allclose(made["warped"][:, 5:-1], smooth(20, 30)[:, 1:-5], atol=0.02)
    assert not made["alpha"][:, :3].any() and (made["alpha"][:, 5:] > 0.99).all()


def test_weights_as_channels() -> None:
    camera = Camera.for_photo(9, 9)
    xyz = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 2.01]])
    feat, weight = torch.tensor([[1.0], [4.0]]), torch.tensor([3.0, 1.0])
    made = run(xyz=xyz, feat=feat, weight=weight, camera=camera)
    assert float(made["averaged"][4, 4, 0]) == pytest.approx(1.75, rel=1e-4)


def test_gsplat() -> None:
    viewmats = torch.eye(4).repeat(2, 1, 1)
    viewmats[1, 0, 3] = 0.1
    Ks = torch.tensor([[120.0, 0, 64], [0, 120, 48], [0, 0, 1]]).repeat(2, 1, 1)
    means = torch.rand(4000, 3) * torch.tensor([2.0, 2.0, 0.0]) + torch.tensor([-1.0, -1.0, 3.0])
    scales, opacities, colours = torch.full((4000, 3), 0.02), torch.full((4000,), 0.9), torch.rand(4000, 3)
    made = run(means=means, scales=scales, opacities=opacities, colours=colours, viewmats=viewmats, Ks=Ks)
    assert made["rgb"].shape == (2, 96, 128, 3) and made["depth"].shape == (2, 96, 128)
    seen = made["alphas"] > 0
    assert torch.allclose(made["depth"][seen], torch.tensor(3.0)) and not made["depth"][~seen].any()


def test_conditions_of_video_models() -> None:
    rgb, depth = smooth(24, 32), torch.full((24, 32), 2.0)
    K = torch.tensor([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
    world_to_cam = torch.eye(4).repeat(3, 1, 1)
    world_to_cam[:, 0, 3] = torch.tensor([0.0, 0.2, 0.4])  # 3 px each
    made = run(rgb=rgb, depth=depth, K=K, world_to_cam=world_to_cam)
    condition, mask = made["condition"], made["mask"]
    assert condition.shape == (3, 3, 24, 32) and mask.shape == (3, 1, 24, 32)
    assert mask[0].all() and torch.allclose(condition[0], rgb.permute(2, 0, 1), atol=0.02)
    assert torch.allclose(condition[2, :, :, 7:], condition[0, :, :, 1:-6], atol=1e-4) and not mask[2, 0, :, :5].any()


def test_every_block_of_ours_is_run() -> None:
    assert len(OURS) == 5
    assert all(name in PAGE.read_text() for name in ops.__all__ if name.startswith("splat_"))
