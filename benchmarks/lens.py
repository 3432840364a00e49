"""How near depth of field by a few pictures comes to the mean of very many, and what a picture takes.

    python benchmarks/lens.py [PHOTO] [--size 640] [--f-number 1.0] [--reference 512]

For each number of samples the PSNR of a frame against the reference of ``--reference`` samples, once as
`c3drender.render.lens` makes it and once as the plain mean of as many pictures, without what fills the gaps between them; and
the CPU seconds that the frame took.
"""

from __future__ import annotations

import argparse
import time
from importlib.resources import files

import torch

import c3drender
from c3drender.data import Lens
from c3drender.pipeline.shot import Shot, shot_of
from c3drender.render import lens as lenses

COUNTS = (1, 4, 8, 16, 32, 64)
EXAMPLE = files("c3drender") / "example"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?", default=str(EXAMPLE / "stream_cascade.jpg"))
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--f-number", type=float, default=1.0)
    parser.add_argument("--reference", type=int, default=512)
    asked = parser.parse_args()
    scene = c3drender.prepare(asked.photo, depth="builtin", size=asked.size, amplitude=1.0 + 0.72 / asked.f_number)
    animation = c3drender.animate(scene, frames=4)
    path = c3drender.camera_path(scene, "still", 4)

    def shot(samples: int) -> Shot:
        return shot_of(animation.draw, scene, path, Lens(f_number=asked.f_number, samples=samples))

    def exposed(samples: int) -> torch.Tensor:
        taken = shot(samples)
        return lenses.expose(taken.draw, taken.view_at, 1, taken.optics)[0]

    reference = exposed(asked.reference)
    camera, span = scene.camera, scene.span
    radius_px = lenses.aperture_radius(Lens(f_number=asked.f_number), camera, span) * camera.fx
    largest = radius_px * max(span.near - span.focus, span.focus - span.far)
    print(f"{camera.width} x {camera.height}, f/{asked.f_number:g}, the largest circle has a radius of {largest:.1f} px")
    print("| samples | PSNR, dB | without filling, dB | CPU seconds |\n|---:|---:|---:|---:|")
    fill = lenses.fill_between
    for count in COUNTS:
        start = time.process_time()
        filled = exposed(count)
        seconds = time.process_time() - start
        lenses.fill_between = lambda light, _: light
        plain = exposed(count)
        lenses.fill_between = fill
        print(f"| {count} | {psnr(filled, reference):.1f} | {psnr(plain, reference):.1f} | {seconds:.2f} |", flush=True)
    wanted = shot_of(animation.draw, scene, path, Lens(f_number=asked.f_number)).optics.samples
    print(f"by default: {len(wanted)} samples")


def psnr(light: torch.Tensor, reference: torch.Tensor) -> float:
    """Of encoded numbers, 255 the peak."""
    a, b = (lenses.encoded(values) for values in (light, reference))
    return float(-10 * torch.log10((a - b).square().mean()))


if __name__ == "__main__":
    main()
