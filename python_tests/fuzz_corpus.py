"""Writes ``python_tests/corpus``, the small files that `fuzz_files.py` damages: ``python python_tests/fuzz_corpus.py``. A
folder for each reader; what once broke one is in ``crashers``, in folders of the same names, and is tried as it is."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import torch

from c3drender import prepare
from c3drender.networks.decoder import Decoder
from c3drender.networks.features import FeatureExtractor
from c3drender.networks.motion import MotionNetwork

CORPUS = Path(__file__).resolve().parent / "corpus"
H, W = 24, 32  # of the photo that everything else belongs to
Y, X = np.mgrid[:H, :W]
RGB = np.stack([X * 7, Y * 10, (X * Y) % 256], axis=-1).astype(np.uint8)
Z = (1 + Y / 6 + (X > 16)).astype(np.float32)
MASK = (np.hypot(X - 16, Y - 12) < 8).astype(np.uint8) * 255


def pictures() -> dict[str, Any]:
    rgb, grey = PIL.Image.fromarray(RGB), PIL.Image.fromarray(MASK)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    made = {
        "photo/plain.jpg": rgb,
        "photo/lossless.png": rgb,
        "photo/grey.png": grey,
        "photo/palette.png": rgb.quantize(8),
        "photo/alpha.webp": rgb.convert("RGBA"),
        "photo/page.tif": rgb,
        "photo/indexed.gif": rgb,
        "photo/modern.avif": rgb,
        "photo/simple.bmp": rgb,
        "photo/raw.ppm": rgb,
        "mask/disc.png": grey,
        "mask/classes.png": grey.quantize(2),
        "matte/soft.png": grey,
        "depth/grey.png": PIL.Image.fromarray((200 / Z).astype(np.uint8)),
        "depth/float.tif": PIL.Image.fromarray(Z),
    }
    for name, picture in made.items():
        picture.save(CORPUS / name)
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    rgb.save(CORPUS / "photo/turned.jpg", exif=exif, icc_profile=profile)
    rgb.save(CORPUS / "photo/two.gif", save_all=True, append_images=[rgb.rotate(90).resize((W, H))])
    cv2.imwrite(str(CORPUS / "photo/deep.png"), RGB.astype(np.uint16) * 257)
    cv2.imwrite(str(CORPUS / "photo/deep.tif"), RGB.astype(np.uint16) * 257)
    cv2.imwrite(str(CORPUS / "depth/millimetres.png"), (1000 * Z).astype(np.uint16))
    cv2.imwrite(str(CORPUS / "depth/turbo.png"), cv2.applyColorMap((250 / Z).astype(np.uint8), cv2.COLORMAP_TURBO))
    fields = f'GDepth:Format="RangeInverse" GDepth:Near="1" GDepth:Far="5" GDepth:Mime="image/png" GDepth:Data="{png64()}"'
    rgb.save(CORPUS / "photo/phone.jpg", xmp=f"<x:xmpmeta><rdf:Description {fields}/></x:xmpmeta>".encode())


def png64() -> str:
    return base64.b64encode(cv2.imencode(".png", (200 / Z).astype(np.uint8))[1].tobytes()).decode()


def numbers() -> None:
    np.save(CORPUS / "depth/metric.npy", Z)
    np.savez(CORPUS / "depth/named.npz", depth=Z)
    np.savez_compressed(CORPUS / "depth/packed.npz", disp=1 / Z)
    header = f"Pf\n{W} {H}\n-1.0\n".encode()
    (CORPUS / "depth/map.pfm").write_bytes(header + Z[::-1].astype("<f4").tobytes())
    step = np.stack([0 * Z, Z], axis=-1) * (MASK > 0)[..., None]
    np.save(CORPUS / "flow/field.npy", step.astype(np.float32))
    np.savez(CORPUS / "flow/field.npz", flow=step.astype(np.float32))
    cv2.writeOpticalFlow(str(CORPUS / "flow/field.flo"), step.astype(np.float32))
    np.savez(CORPUS / "segments/classes.npz", sky=MASK == 0, water=(MASK / 255).astype(np.float32))
    np.save(CORPUS / "mask/bool.npy", MASK > 0)


def annotations() -> None:
    corners = [[8, 6], [24, 6], [24, 18], [8, 18]]
    line = {"label": "hint", "points": [[10, 8], [14, 16]], "shape_type": "line"}
    polygon = {"label": "motion", "points": corners, "shape_type": "polygon"}
    frozen = {"label": "freeze", "points": corners[::2], "shape_type": "rectangle"}
    circle = {"label": "motion", "points": [[16, 12], [20, 12]], "shape_type": "circle"}
    sized = {"version": "5.5.0", "imageHeight": H, "imageWidth": W, "imageData": None}
    picture = {"id": 7, "file_name": "photo.png", "width": W, "height": H}
    runs = {"image_id": 7, "category_id": 0, "segmentation": {"size": [H, W], "counts": [100, 5, 19, 5, 639]}}
    ring = {"image_id": 7, "category_id": 0, "segmentation": [[8, 6, 24, 6, 24, 18, 8, 18]], "iscrowd": 0}
    triangle = {"name": "polygon", "all_points_x": [8, 24, 24], "all_points_y": [6, 6, 18]}
    ellipse = {"name": "ellipse", "cx": 16, "cy": 12, "rx": 5, "ry": 4}
    regions = [{"shape_attributes": one, "region_attributes": {"label": "motion"}} for one in (triangle, ellipse)]
    contents = {
        "hints/arrows.json": [[[10, 8], [14, 16]], [[20, 5], [20, 15]]],
        "hints/labelme.json": {**sized, "shapes": [polygon, line, frozen, circle]},
        "hints/coco.json": {"images": [picture], "categories": [{"id": 0, "name": "motion"}], "annotations": [runs, ring]},
        "hints/via.json": {"photo.png123": {"filename": "photo.png", "size": 123, "regions": regions}},
        "keys/keys.json": {
            "closed": True,
            "keys": [{"t": 0, "x": 0, "zoom": 1}, {"t": 0.5, "x": 1, "y": 0.2, "z": 0.5, "zoom": 1.2}],
        },
        "config/motion.json": {"out": "run", "schedule": {"steps": 10, "workers": 0}, "optimiser": {"learning_rate": 1e-4}},
        "config/render.json": {"out": "run", "size_px": 64, "compositor": "alpha", "weights": {"l1": 10}},
        "config/perception.json": {"out": "run", "scenes": "scenes", "photos": "photos"},
    }
    for name, content in contents.items():
        (CORPUS / name).write_text(json.dumps(content, indent=1) + "\n")


def programs_own() -> None:
    """A scene; and checkpoints of which only the first entries are there: whole ones have megabytes."""
    scene = prepare(RGB, mask=MASK > 0, hints=[((16, 8), (16, 16))], depth=Z)
    scene.save(CORPUS / "scene/small.c3d")
    torch.manual_seed(0)
    features, decoder = FeatureExtractor(width=1), Decoder(width=12, compositor="alpha")
    parts = {"feature_net": features, "img_decoder": decoder, "netG": MotionNetwork(7)}
    begun = {name: dict(list(part.state_dict().items())[:3]) for name, part in parts.items()}
    torch.save({name: begun[name] for name in ("feature_net", "img_decoder")}, CORPUS / "renderer/model_1.pth")
    torch.save({"netG": begun["netG"]}, CORPUS / "motion/sceneflow_model.pth")


def main() -> None:
    for reader in (
        "photo",
        "mask",
        "matte",
        "depth",
        "flow",
        "segments",
        "hints",
        "keys",
        "config",
        "scene",
        "renderer",
        "motion",
    ):
        (CORPUS / reader).mkdir(parents=True, exist_ok=True)
    pictures()
    numbers()
    annotations()
    programs_own()


if __name__ == "__main__":
    sys.exit(main())
