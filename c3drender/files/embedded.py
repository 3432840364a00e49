"""Depth that a phone left inside the photo: GDepth in its XMP, Dynamic Depth and MPO behind the picture, HEIC's own."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Any

import numpy as np

from .decode import UNREADABLE, Opened, is_raw, loaded, open_picture, upright
from .depth import DepthGiven, check_proportions, settled, single_channel
from .depth_kind import LEAN, Meaning, Seen, evidence
from .numbers import Numbers
from .on_disk import Data
from .photo import Photo
from .tell import warn

XMP, EXTENDED_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
GUID_BYTES = 32
TIFF_XMP = 700
DEPTH_NAMES = ("depthmap", "depth")  # of Dynamic Depth's items
FORMATS = ("RangeInverse", "RangeLinear")


def photo_depth(photo: Photo, seen: Seen | None = None) -> DepthGiven | None:
    """The depth that lies in a photo's file, at its own size, upright; None where there is none that can be read. ``seen``,
    upright, judges numbers whose writers disagree about which are near."""
    if not photo.data or is_raw(photo.data, ""):
        return None
    try:
        opened = open_picture("photo", photo.data, photo.name)
        found = _gdepth(opened, seen) or _heif_depth(opened) or _second_picture(opened)
        if found is None:
            return None
        values, meaning, kind = found
        check_proportions(values.shape, *photo.size)
        return settled(values, meaning, f"depth: the photo's own ({kind}), {meaning.why}")
    except ValueError as error:
        warn(f"depth: the photo holds a depth map that cannot be used: {error}")
        return None


Found = tuple[np.ndarray, Meaning, str]  # upright


def _gdepth(opened: Opened, seen: Seen | None) -> Found | None:
    """Google's depth map metadata, in the XMP or, as Dynamic Depth has it, behind the photo."""
    xmp = _xmp_of(opened)
    fields = {key: _field(xmp, key) for key in (b"Format", b"Near", b"Far", b"Data", b"Mime")}
    if fields[b"Data"]:
        try:
            encoded = base64.b64decode(b"".join(fields[b"Data"].split()))
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"GDepth: {error}") from error
        return _ranged(upright(_grey(encoded, "GDepth"), opened.orientation), fields, "GDepth", seen)
    item = _dynamic_item(opened.data, xmp)
    if item is None:
        return None
    return _ranged(upright(_grey(item, "Dynamic Depth"), opened.orientation), fields, "Dynamic Depth", seen)


def _ranged(values: np.ndarray, fields: dict[bytes, bytes], kind: str, seen: Seen | None) -> Found:
    """Numbers of GDepth as z. By its definition 0 is near, in both formats, but many writers keep disparity, near is large:
    where the photo, or the map's own layout, says so, they are taken so."""
    share = values.astype(np.float64) / (np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1.0)
    try:
        near, far = float(fields[b"Near"] or 0), float(fields[b"Far"] or 0)
    except ValueError:
        near, far = 0.0, 0.0
    known = 0 < near < far < np.inf
    linear = fields[b"Format"] == b"RangeLinear"
    found = evidence(share, seen)
    turned = ""
    if found.towards > LEAN:
        turned = f"near is bright, {found.by}, although GDepth defines it the other way round"
        if not linear:
            return share, Meaning("disparity", True, False, False, turned), kind
        share, turned = 1 - share, f"; {turned}"
    if linear or not known:
        near, far = (near, far) if known else (1.0, 5.0)
        z = near + (far - near) * share
        return z, Meaning("metric", False, False, False, f"{near:g} to {far:g}, linear{turned}"), kind
    z = far * near / (far - share * (far - near))
    return z, Meaning("metric", False, False, False, f"{near:g} to {far:g}, inverse"), kind


def _grey(data: bytes, kind: str) -> np.ndarray:
    picture = loaded("photo", open_picture("photo", data, f"its {kind}"))
    pixels = np.asarray(picture if picture.mode in ("L", "F") or picture.mode.startswith("I") else picture.convert("RGB"))
    values, _ = single_channel(Numbers(pixels, picture=True))
    return values.astype(np.uint16) if values.dtype == np.int32 else values


def _xmp_of(opened: Opened) -> bytes:
    """All XMP of a file; JPEG spreads what is longer than a segment over many."""
    if not opened.data.startswith(b"\xff\xd8"):
        info, tags = opened.picture.info, getattr(opened.picture, "tag_v2", {})
        xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or tags.get(TIFF_XMP) or b""
        return xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    main, extended = b"", {}
    data, at = opened.data, 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xDA, 0xD9):
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xE1 and body.startswith(XMP):
            main += body[len(XMP) :]
        elif data[at + 1] == 0xE1 and body.startswith(EXTENDED_XMP):
            start = len(EXTENDED_XMP) + GUID_BYTES
            if len(body) >= start + 8:
                extended[struct.unpack_from(">II", body, start)[1]] = body[start + 8 :]
        at += 2 + length
    return main + b"".join(extended[offset] for offset in sorted(extended))


def _field(xmp: bytes, key: bytes) -> bytes:
    """An attribute or element of GDepth, or of Dynamic Depth, which calls it DepthMap."""
    found = re.search(rb"(?:GDepth|DepthMap):" + key + rb"\s*(?:=\s*[\"']([^\"']*)[\"']|>([^<]*)<)", xmp)
    return b"" if found is None else (found[1] or found[2] or b"").strip()


def _dynamic_item(data: Data, xmp: bytes) -> bytes | None:
    """The depth map among the pictures that are appended to a photo: the XMP lists them with their lengths, in order."""
    items = []
    for item in re.findall(rb"<[\w:]*Item\b[^>]*Length[^>]*>", xmp):
        told = re.search(rb"Length\s*=\s*[\"'](\d{1,12})[\"']", item)
        named = b" ".join(re.findall(rb"(?:Semantic|DataURI)\s*=\s*[\"']([^\"']*)[\"']", item)).lower()
        items.append((int(told[1]) if told else 0, named.decode("latin-1")))
    end = len(data)
    for length, label in reversed(items):
        if any(name in label for name in DEPTH_NAMES) and 0 < length <= end:
            return data[end - length : end]
        end -= length
    return None


def _heif_depth(opened: Opened) -> Found | None:
    """The auxiliary picture of HEIC, which holds Apple's disparity."""
    images = opened.picture.info.get("depth_images") or []
    for image in images:
        picture: Any = image.to_pillow()
        told = image.info.get("metadata", {}) or {}
        values = np.asarray(picture.convert("L") if picture.mode not in ("L", "I;16") else picture)
        is_depth = str(told.get("representation_type", "")).endswith("UniformZ")
        meaning = Meaning("metric", False, False, True, "along the view axis") if is_depth else _DISPARITY
        return upright(values, opened.orientation), meaning, "HEIC"
    return None


def _second_picture(opened: Opened) -> Found | None:
    """A grey picture of the photo's proportions among those of a multi-picture file."""
    picture: Any = opened.picture
    if picture.format != "MPO":
        return None
    width, height = picture.size
    turn = opened.orientation  # of the photo: the others have no word of their own
    for n in range(1, min(getattr(picture, "n_frames", 1), 16)):
        try:
            picture.seek(n)
            small = picture.copy()
        except UNREADABLE:
            continue
        pixels = np.asarray(small.convert("RGB")).astype(int)
        grey = (pixels.max(axis=2) - pixels.min(axis=2)).max() <= 8
        if grey and abs(np.log(small.size[0] * height / (small.size[1] * width))) < 0.1 and np.ptp(pixels) > 0:
            numbers = upright(pixels[..., 0].astype(np.uint8), turn)
            return numbers, _DISPARITY, "the second picture of its file"
    picture.seek(0)
    return None


_DISPARITY = Meaning("disparity", True, False, False, "near is bright")
