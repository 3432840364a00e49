"""The public models that this package knows: source, revision, licence, files. Facts only; `store` acts on them.

A revision or a hash that could not be learned for certain is None: `store.get` then takes the source's newest revision and
what the source itself says of its files, and writes both down beside the model, so that it stays the same from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["depth", "segmentation", "inpainting"]
Runner = Literal["transformers", "moge", "torchscript", "onnx"]

# What each runner needs beyond the package's own dependencies: any one of these modules, and how to get it.
NEEDS: dict[Runner, tuple[tuple[str, ...], str]] = {
    "transformers": (("transformers",), "pip install c3drender[models]"),
    "moge": (("moge",), "pip install git+https://github.com/microsoft/MoGe.git"),
    "torchscript": ((), ""),
    "onnx": (("onnxruntime", "cv2"), "pip install onnxruntime"),
}


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: its name at the source, and what it must hash to (hexadecimal sha256; None: not known)."""

    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """A public model.

    Parameters
    ----------
    name
        What it is called here.
    task
        What it is for.
    source
        The id of a repository on the Hugging Face hub, or the ``https`` address of its one file.
    revision
        The commit of the hub's repository, 40 digits; None: not pinned.
    files
        Everything that is fetched.
    licence
        As its source states it.
    any_use
        Whether that licence allows commercial use. ``auto`` never chooses a model that it does not.
    size_mb
        Of all files together, in 10^6 bytes, as the source states it; None: not known.
    runner
        What runs it (`NEEDS`).
    """

    name: str
    task: Task
    source: str
    revision: str | None
    files: tuple[ModelFile, ...]
    licence: str
    any_use: bool
    size_mb: int | None
    runner: Runner

    @property
    def is_on_hub(self) -> bool:
        return not self.source.startswith(("https://", "http://"))

    @property
    def pinned_by(self) -> str:
        """What says which weights (the last file) these are: their ``sha256``, the ``revision`` alone, or ``nothing``."""
        return "sha256" if self.files[-1].sha256 else "revision" if self.revision else "nothing"


def _transformers_files(sha256: str | None = None) -> tuple[ModelFile, ...]:
    return (ModelFile("config.json"), ModelFile("preprocessor_config.json"), ModelFile("model.safetensors", sha256))


# Of each task the best first: `store.best` takes the first that is there and may be used.
ENTRIES = (
    Entry(
        "moge-2-large",
        "depth",
        "Ruicheng/moge-2-vitl-normal",
        "b135031bae30b5ac2ae141a0e68717795ce38340",
        (ModelFile("model.pt", "280741fd09bc3f403ccff9967784c2a391b52d2c0742ae3efdb21d9f90cc1a01"),),
        "MIT",
        True,
        1324,
        "moge",
    ),
    Entry(
        "moge-2-small",
        "depth",
        "Ruicheng/moge-2-vits-normal",
        "679230677b4d282c6f304189a93e98e14f085902",
        (ModelFile("model.pt", "79a16621928c2bf0ed04659218c55c01075e950507f40bb3332fb4c873d3e1dc"),),
        "MIT",
        True,
        141,
        "moge",
    ),
    Entry(
        "depth-anything-v2-base",
        "depth",
        "depth-anything/Depth-Anything-V2-Base-hf",
        "b1958afc87fb45a9e3746cb387596094de553ed8",
        _transformers_files(),
        "CC-BY-NC-4.0",
        False,
        390,
        "transformers",
    ),
    Entry(
        "depth-anything-v2-small",
        "depth",
        "depth-anything/Depth-Anything-V2-Small-hf",
        "5426e4f0f36572d16453bbda7a8389317b1bef99",
        _transformers_files("3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70"),
        "Apache-2.0",
        True,
        99,
        "transformers",
    ),
    Entry(
        "dpt-large",
        "depth",
        "Intel/dpt-large",
        "bc15f29aa3a80d532f2ed650b5e16ac48d8958f9",
        _transformers_files(),
        "Apache-2.0",
        True,
        1370,
        "transformers",
    ),
    Entry(
        "eomt-large-ade20k",
        "segmentation",
        "tue-mps/ade20k_semantic_eomt_large_512",
        None,
        _transformers_files(),
        "MIT",
        True,
        None,
        "transformers",
    ),
    Entry(
        "upernet-convnext-base",
        "segmentation",
        "openmmlab/upernet-convnext-base",
        "13a9c410ff779f25236a8d24802d2742e4694e9c",
        _transformers_files(),
        "MIT",
        True,
        489,
        "transformers",
    ),
    Entry(
        "upernet-convnext-tiny",
        "segmentation",
        "openmmlab/upernet-convnext-tiny",
        "876ffc56b819a829448f7e81e9f8606deef6fb65",
        _transformers_files(),
        "MIT",
        True,
        241,
        "transformers",
    ),
    Entry(
        "big-lama",
        "inpainting",
        "https://github.com/Sanster/models/releases/download/add_big_lama/big-lama.pt",
        None,
        (ModelFile("big-lama.pt", "344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9"),),
        "Apache-2.0",
        True,
        206,
        "torchscript",
    ),
    Entry(
        "lama-onnx",
        "inpainting",
        "Carve/LaMa-ONNX",
        "c3c0c9e468934d62e79c329e35d82dd09ff8c444",
        (ModelFile("lama_fp32.onnx", "1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6"),),
        "Apache-2.0",
        True,
        208,
        "onnx",
    ),
    Entry(
        "migan-onnx",
        "inpainting",
        "andraniksargsyan/migan",
        "406830d0fa60666da0071c342ad2fbc8f30c5c64",
        (ModelFile("migan_pipeline_v2.onnx", "6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b"),),
        "MIT",
        True,
        28,
        "onnx",
    ),
)


def find(name: str, task: Task | None = None) -> Entry | None:
    """The entry of that name or source, of ``task`` where one is given; None where there is none."""
    known = (entry for entry in ENTRIES if task in (None, entry.task))
    return next((entry for entry in known if name in (entry.name, entry.source)), None)
