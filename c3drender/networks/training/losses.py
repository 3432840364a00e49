"""Losses of both stages. Pictures are ``[B, 3, H, W]`` in 0..1; every loss is a mean, so its weight is free of sizes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .discriminator import Verdict

SSIM_WINDOW = 7
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
NUM_SCALES = 3

VGG19_WIDTHS = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512)
VGG19_TAPS = (1, 6, 11, 20, 29)  # relu1_1 .. relu5_1
VGG19_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def end_point_error(step_px: Tensor, true_px: Tensor, mask: Tensor) -> Tensor:
    """Mean distance (px) of two flows ``[B, 2, H, W]`` over ``mask [B, 1, H, W]``; 0 where nothing moves."""
    # A tiny number under the root keeps the gradient finite where both agree.
    distance = ((step_px - true_px).square().sum(dim=1, keepdim=True) + 1e-12).sqrt()
    return (distance * mask).sum() / mask.sum().clamp_min(1.0)


def hinge_discriminator(fake: list[Verdict], real: list[Verdict]) -> Tensor:
    """``mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake))``, averaged over the scales."""
    terms = [functional.relu(1 - r[-1]).mean() + functional.relu(1 + f[-1]).mean() for f, r in zip(fake, real, strict=True)]
    return torch.stack(terms).mean()


def hinge_generator(fake: list[Verdict]) -> Tensor:
    """``-mean D(fake)``, averaged over the scales."""
    return torch.stack([-verdict[-1].mean() for verdict in fake]).mean()


def feature_matching(fake: list[Verdict], real: list[Verdict]) -> Tensor:
    """Mean absolute difference of the discriminator's inner maps (Wang et al. 2018)."""
    pairs = [pair for f, r in zip(fake, real, strict=True) for pair in zip(f[:-1], r[:-1], strict=True)]
    return torch.stack([functional.l1_loss(f, r.detach()) for f, r in pairs]).mean()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al. 2004) with a square window of 7 px, inside the border."""
    a, b = a.float(), b.float()

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, SSIM_WINDOW, 1)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + SSIM_C1) * (2 * covariance + SSIM_C2)
    return (similarity / ((mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2))).mean()


class StructuralLoss(nn.Module):
    """Stands in for a perceptual loss where no weights are at hand: ``1 - SSIM`` plus the L1 distance of the gradients, at
    three scales."""

    note = "perceptual loss: SSIM and gradients at three scales, as vgg_weights names no VGG-19"

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        terms = []
        for scale in range(NUM_SCALES):
            if scale:
                fake, real = functional.avg_pool2d(fake, 2), functional.avg_pool2d(real, 2)
            if min(fake.shape[2:]) < SSIM_WINDOW:
                break
            error = fake.float() - real.float()
            terms.append(1 - ssim(fake, real) + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean())
        return torch.stack(terms).mean()


class VggLoss(nn.Module):
    """L1 distance of VGG-19 feature maps, relu1_1 .. relu5_1 (Johnson et al. 2016). ``weights``: a state dict in torchvision's
    layout (``features.0.weight`` ...); what the maps do not need is ignored."""

    note = "perceptual loss: VGG-19"
    mean: Tensor
    std: Tensor

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        in_channels = 3
        for width in VGG19_WIDTHS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()]
                in_channels = width
        self.features = nn.Sequential(*layers)
        needed = self.state_dict()
        missing = needed.keys() - weights.keys()
        if missing:
            raise ValueError(f"vgg_weights: expected torchvision's VGG-19, got a file without {min(missing)}")
        self.load_state_dict({key: weights[key] for key in needed})
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        self.requires_grad_(False)

    def _maps(self, rgb: Tensor) -> list[Tensor]:
        x = (rgb - self.mean) / self.std
        maps = []
        for n, layer in enumerate(self.features):
            x = layer(x)
            if n in VGG19_TAPS:
                maps.append(x)
        return maps

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._maps(real)
        terms = [w * functional.l1_loss(f, r) for w, f, r in zip(VGG19_WEIGHTS, self._maps(fake), wanted, strict=True)]
        return torch.stack(terms).sum()
