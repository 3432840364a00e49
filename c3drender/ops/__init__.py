"""The ops: thin, documented functions over the compiled extension. The only importer of ``c3drender._C``.

Every op runs on the device of its tensors, is deterministic (same inputs, same bits, whatever the thread count) and accepts
empty input; so do the gradients. The ops trace under ``torch.compile``. Under autocast, arguments that must be float32 are
converted and features stay as they are; results are float32 always. Tensors may have any strides: what is not contiguous is
copied. Keep cameras in host memory: they are read there.

Errors of every op: TypeError for a wrong type or dtype, ValueError for a wrong shape, device, range or layout, RuntimeError
for what CUDA reports.
"""

from .blend import BlendedRaster, blend_bidirectional
from .drift import ContrastDetail, LoopWaves, drift_points
from .frame import compose_frame
from .hits import DepthKind, SplatHits, splat_depth, splat_hits
from .holes import find_holes
from .inpaint import inpaint_layers
from .softmax import splat_softmax
from .splat import COMPOSITORS, DEFAULT_MAX_POINTS, Compositor, RadiusUnit, splat_points
from .splat_frame import splat_frame
from .trace import SAMPLINGS, FlowTrace, Sampling, integrate_flow
from .uncovered import fill_uncovered
from .yuv import convert_to_yuv

__all__ = [
    "COMPOSITORS",
    "DEFAULT_MAX_POINTS",
    "SAMPLINGS",
    "BlendedRaster",
    "Compositor",
    "ContrastDetail",
    "DepthKind",
    "FlowTrace",
    "LoopWaves",
    "RadiusUnit",
    "Sampling",
    "SplatHits",
    "blend_bidirectional",
    "compose_frame",
    "convert_to_yuv",
    "drift_points",
    "fill_uncovered",
    "find_holes",
    "inpaint_layers",
    "integrate_flow",
    "splat_depth",
    "splat_frame",
    "splat_hits",
    "splat_points",
    "splat_softmax",
]
