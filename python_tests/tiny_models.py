"""The architectures of the registry's models with random weights, small enough for a test, saved as the hub has them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed (pip install c3drender[models])"
)
LABELS = ("wall", "sky", "tree", "person", "water", "river", "waterfall, falls", "earth, ground")


def saved_depth_anything(folder: Path, kind: str) -> Path:
    """A DepthAnything model with random weights, small enough to make in a test, and its image processor."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=28,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    torch.manual_seed(0)
    model = DepthAnythingForDepthEstimation(config)
    torch.nn.init.ones_(model.head.conv3.bias)  # a last ReLU follows: random weights alone may leave nothing of the map
    model.save_pretrained(folder)
    DPTImageProcessor(size={"height": 56, "width": 56}, ensure_multiple_of=14).save_pretrained(folder)
    return folder


def saved_dpt(folder: Path) -> Path:
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    torch.manual_seed(0)
    model = DPTForDepthEstimation(config)
    for layer in (model.head.head[-4], model.head.head[-2]):  # before a ReLU each, as above
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.ones_(layer.bias)
    model.save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def saved_upernet(folder: Path, labels: tuple[str, ...] = LABELS, surely: int | None = None) -> Path:
    """``surely``: the class that it finds in every pixel."""
    from transformers import ConvNextConfig, SegformerImageProcessor, UperNetConfig, UperNetForSemanticSegmentation

    stages = ["stage1", "stage2", "stage3", "stage4"]
    config = UperNetConfig(
        backbone_config=ConvNextConfig(hidden_sizes=[4, 8, 8, 8], depths=[1, 1, 1, 1], out_features=stages),
        hidden_size=8,
        pool_scales=[1, 2],
        use_auxiliary_head=False,
        **_named(labels),
    )
    torch.manual_seed(0)
    model = UperNetForSemanticSegmentation(config).eval()
    if surely is not None:
        torch.nn.init.zeros_(model.decode_head.classifier.weight)
        with torch.no_grad():
            model.decode_head.classifier.bias.copy_(20.0 * torch.eye(len(labels))[surely])
    model.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def saved_eomt(folder: Path) -> Path:
    from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessor

    config = EomtConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=64,
        patch_size=16,
        num_blocks=1,
        num_queries=4,
        num_upscale_blocks=1,
        **_named(LABELS),
    )
    torch.manual_seed(0)
    EomtForUniversalSegmentation(config).save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": None}
    EomtImageProcessor(size=size, do_split_image=True, do_pad=False).save_pretrained(folder)
    return folder


def saved_mask2former(folder: Path) -> Path:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor, SwinConfig

    stages = ["stage1", "stage2", "stage3", "stage4"]
    swin = SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64, out_features=stages
    )
    config = Mask2FormerConfig(
        backbone_config=swin,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=4,
        **_named(LABELS),
    )
    torch.manual_seed(0)
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    Mask2FormerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def _named(labels: tuple[str, ...]) -> dict[str, dict]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: k for k, label in enumerate(labels)}}
