"""The published system's depth network, DPT-hybrid: transformers' modules under the weights of the original release."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping

from torch import Tensor, nn

SIDE_MULTIPLE = 32
PATCH = 16
TAPPED_BLOCKS = (9, 12)  # whose results the head reads; 0 is the embedding
UNUSED = "pretrained.model.head."  # the image classifier that the backbone was trained as

# From the release's names to transformers'.
_RENAMED = (
    (r"pretrained\.model\.patch_embed\.backbone\.stem\.conv", "dpt.embeddings.backbone.bit.embedder.convolution"),
    (r"pretrained\.model\.patch_embed\.backbone\.stem\.norm", "dpt.embeddings.backbone.bit.embedder.norm"),
    (
        r"pretrained\.model\.patch_embed\.backbone\.stages\.(\d)\.blocks",
        r"dpt.embeddings.backbone.bit.encoder.stages.\1.layers",
    ),
    (r"pretrained\.model\.patch_embed\.proj", "dpt.embeddings.projection"),
    (r"pretrained\.model\.cls_token", "dpt.embeddings.cls_token"),
    (r"pretrained\.model\.pos_embed", "dpt.embeddings.position_embeddings"),
    (r"pretrained\.model\.blocks\.(\d+)\.norm1", r"dpt.encoder.layer.\1.layernorm_before"),
    (r"pretrained\.model\.blocks\.(\d+)\.norm2", r"dpt.encoder.layer.\1.layernorm_after"),
    (r"pretrained\.model\.blocks\.(\d+)\.attn\.proj", r"dpt.encoder.layer.\1.attention.output.dense"),
    (r"pretrained\.model\.blocks\.(\d+)\.mlp\.fc1", r"dpt.encoder.layer.\1.intermediate.dense"),
    (r"pretrained\.model\.blocks\.(\d+)\.mlp\.fc2", r"dpt.encoder.layer.\1.output.dense"),
    (r"pretrained\.model\.norm", "dpt.layernorm"),
    (r"pretrained\.act_postprocess3\.0\.project", "neck.reassemble_stage.readout_projects.2"),
    (r"pretrained\.act_postprocess4\.0\.project", "neck.reassemble_stage.readout_projects.3"),
    (r"pretrained\.act_postprocess3\.3", "neck.reassemble_stage.layers.2.projection"),
    (r"pretrained\.act_postprocess4\.3", "neck.reassemble_stage.layers.3.projection"),
    (r"pretrained\.act_postprocess4\.4", "neck.reassemble_stage.layers.3.resize"),
    (r"scratch\.output_conv", "head.head"),
    (r"\.out_conv", ".projection"),
    (r"\.resConfUnit(\d)\.conv(\d)", r".residual_layer\1.convolution\2"),
)
_QKV = re.compile(r"pretrained\.model\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)")
_LEVEL = re.compile(r"scratch\.(?:layer(\d)_rn|refinenet(\d))")


def _renamed(key: str) -> str:
    for pattern, name in _RENAMED:
        key = re.sub(pattern, name, key)
    # The release counts levels from the finest, transformers' fusion from the coarsest.
    return _LEVEL.sub(lambda m: f"neck.convs.{int(m[1]) - 1}" if m[1] else f"neck.fusion_stage.layers.{4 - int(m[2])}", key)


def from_release(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The release's state dict under transformers' names; keys that neither knows keep theirs."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        qkv = _QKV.fullmatch(key)
        if qkv is not None:
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"dpt.encoder.layer.{qkv[1]}.attention.attention.{name}.{qkv[2]}"] = part
        elif not key.startswith(UNUSED):
            renamed[_renamed(key)] = value
    return renamed


class DepthNetwork(nn.Module):
    """Relative disparity ``[B, H, W]`` >= 0, free scale, of pictures ``[B, 3, H, W]`` in -1..1; sides are multiples of 32.

    Needs ``transformers`` (ValueError without). Weights: see `from_release`.
    """

    def __init__(self) -> None:
        super().__init__()
        if importlib.util.find_spec("transformers") is None:
            raise ValueError("depth: the published depth network needs transformers: pip install c3drender[models]")
        from transformers import DPTConfig, DPTForDepthEstimation

        config = DPTConfig(is_hybrid=True, neck_hidden_sizes=[256, 512, 768, 768], layer_norm_eps=1e-6)
        model = DPTForDepthEstimation(config)
        self.dpt, self.neck, self.head = model.dpt, model.neck, model.head
        # Transformers' own forward takes nothing but squares of 384 pixels; its parts take any size.
        forward = functools.partial(self.dpt.embeddings.forward, interpolate_pos_encoding=True)
        setattr(self.dpt.embeddings, "forward", forward)  # noqa: B010  (type checkers refuse the plain assignment)

    def forward(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[2:]
        if height % SIDE_MULTIPLE or width % SIDE_MULTIPLE:
            raise ValueError(f"DepthNetwork: sides must be multiples of {SIDE_MULTIPLE}, got {height} x {width}")
        out = self.dpt(pixels, output_hidden_states=True)
        taps = [*out.intermediate_activations, *(out.hidden_states[n] for n in TAPPED_BLOCKS)]
        return self.head(self.neck(taps, height // PATCH, width // PATCH))
