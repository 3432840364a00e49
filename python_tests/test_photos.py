"""Photos of every kind look the same once read; what is none is named; a large one takes no more memory than it needs."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from c3drender.files import InputWarning, decode, photo, read_depth, reduced, source
from c3drender.files.colour import DISPLAY_P3, PRIMARIES, SRGB, _to_xyz, converted, profile_of, profile_space, srgb_decoded
from c3drender.files.embedded import photo_depth
from c3drender.files.photo import photo_of, read_photo, write_picture

H, W = 48, 64


def picture(height: int = H, width: int = W) -> np.ndarray:
    """uint8 ``[H, W, 3]``, smooth, with strong colours."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x / (width - 1), y / (height - 1), 1 - (x + y) / (height + width - 2)]
    return (255 * np.stack(channels, axis=2)).round().astype(np.uint8)


RGB = picture()


def u8(read) -> np.ndarray:
    return (read.rgb.numpy() * 255).round().astype(np.uint8)


def off(read) -> int:
    return int(np.abs(u8(read).astype(int) - RGB).max())


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """``png`` with one more chunk behind its header."""
    return png[:33] + struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) + png[33:]


def png(pixels: np.ndarray, **options) -> bytes:
    if pixels.dtype == np.uint16:
        return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


# Where it comes from


def test_bytes_and_open_files(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(png(RGB))
    assert off(read_photo(png(RGB))) == off(read_photo(io.BytesIO(png(RGB)))) == 0
    with (tmp_path / "p.png").open("rb") as file:
        file.read(100)
        assert off(read_photo(file)) == 0
    with (tmp_path / "p.png").open("r") as text, pytest.raises((TypeError, ValueError), match="photo"):
        read_photo(text)


def test_an_address_is_fetched_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opener:
        def open(self, request, timeout):
            assert request.full_url == "https://example.org/a/photo.png" and timeout > 0
            return io.BytesIO(png(RGB))

    monkeypatch.setattr(source.urllib.request, "build_opener", lambda *handlers: Opener())
    assert off(read_photo("https://example.org/a/photo.png")) == 0
    monkeypatch.setattr(source, "MOST_FETCHED_BYTES", 100)
    with pytest.raises(ValueError, match="photo: expected at most 0 MiB from https"):
        read_photo("https://example.org/a/photo.png")
    follow = source._OnlyHttps().redirect_request
    with pytest.raises(OSError, match="leads away from https"):
        follow(source.urllib.request.Request("https://a.b"), None, 302, "", {}, "http://c.d")


# Colours


def test_p3_is_converted_and_kept(tmp_path: Path) -> None:
    wide = (converted((RGB / 255).astype(np.float32), SRGB, DISPLAY_P3) * 255).round().astype(np.uint8)
    data = png(wide, icc_profile=profile_of("p3"))
    back = np.abs(u8(read_photo(data)).astype(int) - RGB)
    assert back.mean() < 0.5 and back.max() <= 8  # of 8 bits, dark ones are few
    np.testing.assert_array_equal(u8(read_photo(data, color="p3")), wide)
    assert np.abs(u8(read_photo(png(RGB), color="p3")).astype(int) - wide).max() <= 1
    write_picture(tmp_path / "out.png", wide, color="p3")
    np.testing.assert_array_equal(u8(read_photo(tmp_path / "out.png")), u8(read_photo(data)))
    with PIL.Image.open(tmp_path / "out.png") as kept:
        np.testing.assert_allclose(profile_space(kept.info["icc_profile"]).to_xyz, DISPLAY_P3.to_xyz, atol=1e-3)


def test_our_conversion_is_littlecms() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    profile = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile_of("p3")))
    theirs = PIL.ImageCms.profileToProfile(PIL.Image.fromarray(noise), profile, PIL.ImageCms.createProfile("sRGB"))
    ours = u8(read_photo(png(noise, icc_profile=profile_of("p3"))))
    assert np.abs(np.asarray(theirs).astype(int) - ours).max() <= 2


def test_cicp_of_rec_2020_and_hdr() -> None:
    linear = srgb_decoded(RGB / 255.0) @ np.linalg.solve(_to_xyz(PRIMARIES[9]), SRGB.to_xyz).T
    linear = linear.clip(0)
    bt709 = np.where(linear < 0.018, 4.5 * linear, 1.099 * linear**0.45 - 0.099)
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (linear * 203 / 10000) ** m1
    pq = ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    for encoded, transfer in ((bt709, 14), (pq, 16)):
        deep = (encoded.clip(0, 1) * 65535).round().astype(np.uint16)
        assert off(read_photo(with_chunk(png(deep), b"cICP", bytes([9, transfer, 0, 1])))) <= 1
    bright = np.full((H, W, 3), 60000, np.uint16)  # PQ far above white: shown, not cut to one level
    shown = u8(read_photo(with_chunk(png(bright), b"cICP", bytes([9, 16, 0, 1]))))
    assert shown.min() > 230 and shown.max() < 256


def test_cmyk_lab_and_grey_profiles(tmp_path: Path) -> None:
    soft = (90 + RGB // 4).astype(np.uint8)
    PIL.Image.fromarray(soft).convert("CMYK").save(tmp_path / "p.jpg", quality=98, subsampling=0)
    assert np.abs(u8(read_photo(tmp_path / "p.jpg")).astype(int) - soft).max() < 8
    lab = PIL.ImageCms.createProfile("LAB")
    PIL.ImageCms.profileToProfile(PIL.Image.fromarray(soft), PIL.ImageCms.createProfile("sRGB"), lab, outputMode="LAB").save(
        tmp_path / "p.tif"
    )
    assert np.abs(u8(read_photo(tmp_path / "p.tif")).astype(int) - soft).max() < 8


# Containers


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_is_turned_upright(orientation: int) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (H, W, 3), dtype=np.uint16)
    undo = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    stored = np.ascontiguousarray(decode.upright(deep, undo))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = with_chunk(png(stored), b"eXIf", exif.tobytes()[6:])
    np.testing.assert_allclose(read_photo(data).rgb.numpy() * 65535, deep, atol=0.01)


def test_16_bit_tiff_keeps_its_depth(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (H, W, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "p.tif"), deep[..., ::-1])
    np.testing.assert_allclose(read_photo(tmp_path / "p.tif").rgb.numpy() * 65535, deep, atol=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_float_tiff(dtype: type, channels: int, tmp_path: Path) -> None:
    floats = (RGB / 255).astype(dtype)
    cv2.imwrite(str(tmp_path / "p.tif"), floats[..., 0] if channels == 1 else floats[..., ::-1])
    read = u8(read_photo(tmp_path / "p.tif"))
    np.testing.assert_array_equal(read, np.repeat(RGB[..., :1], 3, axis=2) if channels == 1 else RGB)


def test_heic_and_avif(tmp_path: Path) -> None:
    PIL.Image.fromarray(RGB).save(tmp_path / "p.avif", quality=100, subsampling="4:4:4")
    assert off(read_photo(tmp_path / "p.avif")) < 12
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(PIL.Image.fromarray(RGB)).save(tmp_path / "IMG_0001.HEIC", quality=100, chroma=444)
    assert off(read_photo(tmp_path / "IMG_0001.HEIC")) < 12
    assert "HEIF" not in PIL.Image.OPEN  # Pillow's own list of formats stays the caller's


def test_what_needs_a_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (decode, photo):
        monkeypatch.setattr(module, "optional_module", lambda name: None)
    heic = b"\0\0\0\x20ftypheic" + bytes(40)
    with pytest.raises(ValueError, match=r"photo: expected a picture, got a HEIC photo \(pip install c3drender\[formats\]"):
        read_photo(heic)
    for data in (b"\0\0\0\x18ftypcrx " + bytes(40), b"FUJIFILMCCD-RAW " + bytes(40)):
        with pytest.raises(ValueError, match=r"photo: expected a developed photo, got a camera's raw file.*formats\]"):
            read_photo(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x20ftypisom" + bytes(40), "a video"),
        (b"%PDF-1.7", "a PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text: SVG"),
        (b"\xff\x0a" + bytes(40), "a JPEG XL"),
        (b"GIF89", "a file of another kind"),
        (b"", "a file of another kind"),
    ],
)
def test_what_is_no_photo_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=f"photo: expected a (complete )?picture.* got {kind}"):
        read_photo(data)


def dng(path: Path) -> Path:
    """As cameras lay it out: a preview in the first directory, the raw photo in one below it."""
    tifffile = pytest.importorskip("tifffile")
    mosaic = np.kron(RGB[..., 1], np.ones((4, 4), np.uint8)).astype(np.uint16) * 16
    version, model = (50706, "B", 4, (1, 4, 0, 0), True), (50708, "s", 0, "Phone", True)
    pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True)]
    with tifffile.TiffWriter(path) as file:
        file.write(RGB, photometric="rgb", subifds=1, subfiletype=1, extratags=[version, model], metadata=None)
        file.write(mosaic, photometric=32803, subfiletype=0, metadata=None, extratags=pattern)
    return path


@pytest.mark.parametrize("name", ["phone.dng", "phone.tif"])
def test_a_raw_photo_is_never_its_preview(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dng(tmp_path / name)
    monkeypatch.setattr(photo, "optional_module", lambda module: None)
    with pytest.raises(ValueError, match=r"photo: expected a developed photo, got a camera's raw file"):
        read_photo(path)
    monkeypatch.undo()
    pytest.importorskip("rawpy")
    assert read_photo(path).size == (4 * H, 4 * W)


def test_the_largest_page_of_a_tiff(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        file.write(RGB[::2, ::2], photometric="rgb")
        file.write(RGB, photometric="rgb")
    read = photo_of(tmp_path / "pages.tif", "photo")
    assert off(read.image) == 0 and read.notes == ("photo: page 2 of 2, the largest",)


def test_an_animation_gives_its_first_frame_and_says_so() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "PNG", save_all=True, append_images=[PIL.Image.fromarray(RGB[::-1])])
    read = photo_of(file, "photo")
    assert off(read.image) == 0 and read.notes == ("photo: the first of 2 frames of an animated picture",)


# Large ones

PEAK = """
import re, sys
from c3drender.files.photo import photo_of
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
read = photo_of(sys.argv[1], 320)
print(*read.size, *read.image.size, peak() - before)
"""


def test_a_large_photo_is_reduced_while_it_is_decoded(tmp_path: Path) -> None:
    wide = PIL.Image.fromarray(RGB).resize((12000, 9000), PIL.Image.NEAREST)
    wide.save(tmp_path / "p.jpg", quality=60)
    command = [sys.executable, "-W", "error", "-c", PEAK, tmp_path / "p.jpg"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(photo.__file__).parents[2]).stdout
    height, width, small_h, small_w, kilobytes = map(int, told.split())
    assert (height, width, small_h, small_w) == (9000, 12000, 240, 320)
    assert 1000 < kilobytes < 150_000  # 324 MB whole


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_reducing_keeps_the_picture(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    large = picture(480, 640)
    alpha = np.full((480, 640, 1), 255, np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(np.dstack([large, alpha]) if kind == "PNG" else large).save(file, kind)
    whole = read_photo(file, size=64)
    monkeypatch.setattr(reduced, "REDUCE_ABOVE_PX", 1000)
    monkeypatch.setattr(reduced, "STRIP_PX", 5000)
    assert off(whole) < 8
    assert np.abs(u8(whole).astype(int) - u8(read_photo(file, size=64))).max() < 4
    deep = read_photo(png(large.astype(np.uint16) * 257), size=64)
    assert np.abs(u8(whole).astype(int) - u8(deep)).max() < 4


def test_pillows_own_limit_is_as_it_was() -> None:
    before = PIL.Image.MAX_IMAGE_PIXELS
    read_photo(png(RGB))
    with pytest.raises(ValueError, match="photo"):
        read_photo(png(RGB)[:200])
    assert before is not None and before == PIL.Image.MAX_IMAGE_PIXELS


# Depth inside

BOX = np.zeros((H, W), bool)
BOX[16:40, 22:42] = True
Z = np.where(BOX, 1.0, 5.0)
INVERSE = 5 * (Z - 1) / (Z * 4)  # Google's definition: 0 at near = 1, 1 at far = 5
LINEAR = (Z - 1) / 4


def xmp_of(values: np.ndarray, kind: str) -> bytes:
    data = base64.b64encode(png((255 * values).round().astype(np.uint8))).decode()
    fields = f'GDepth:Format="{kind}" GDepth:Near="1" GDepth:Far="5" GDepth:Mime="image/png" GDepth:Data="{data}"'
    return (
        f'<x:xmpmeta><rdf:Description xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" {fields}/></x:xmpmeta>'.encode()
    )


def jpeg(**options) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def extended(xmp: bytes) -> bytes:
    """A JPEG whose XMP is spread over segments, the last first."""
    segments = []
    for start in range(0, len(xmp), 300):
        body = (
            b"http://ns.adobe.com/xmp/extension/\0"
            + b"0" * 32
            + struct.pack(">II", len(xmp), start)
            + xmp[start : start + 300]
        )
        segments.append(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    plain = jpeg()
    return plain[:2] + b"".join(reversed(segments)) + plain[2:]


def dynamic(values: np.ndarray) -> bytes:
    """Android's layout: pictures behind the photo, listed in its XMP."""
    depth, last = png((255 * values).round().astype(np.uint8)), b"\xff\xd8" + bytes(300)
    items = (
        f'<Container:Item Item:Length="0" Item:Semantic="Primary"/><Container:Item Item:Length="{len(depth)}" Item:DataURI='
    )
    items += f'"android/depthmap"/><Container:Item Item:Length="{len(last)}" Item:Semantic="GainMap"/>'
    profile = '<rdf:Description DepthMap:Format="RangeInverse" DepthMap:Near="1" DepthMap:Far="5"/>'
    return jpeg(xmp=f"<x:xmpmeta>{profile}{items}</x:xmpmeta>".encode()) + depth + last


def multi_picture(**options) -> bytes:
    file = io.BytesIO()
    grey = PIL.Image.fromarray((255 / Z).astype(np.uint8)).convert("RGB").resize((W // 2, H // 2), 0)
    PIL.Image.fromarray(RGB).save(file, "MPO", save_all=True, append_images=[grey], **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (jpeg(xmp=xmp_of(INVERSE, "RangeInverse")), "GDepth"),
        (jpeg(xmp=xmp_of(LINEAR, "RangeLinear")), "GDepth"),
        (jpeg(xmp=xmp_of(1 / Z, "RangeInverse")), "GDepth"),  # the other way round than defined, as many write it
        (jpeg(xmp=xmp_of(1 - LINEAR, "RangeLinear")), "GDepth"),  # here, too
        (extended(xmp_of(INVERSE, "RangeInverse")), "GDepth"),
        (dynamic(INVERSE), "Dynamic Depth"),
        (multi_picture(), "the second picture of its file"),
    ],
    ids=["inverse", "linear", "disparity", "linear, near is bright", "extended", "dynamic", "mpo"],
)
def test_depth_inside_the_photo(data: bytes, kind: str) -> None:
    given = photo_depth(photo_of(data, "photo"))
    assert given is not None and given.notes[0].startswith(f"depth: the photo's own ({kind})")
    disp = given.values.numpy() if given.kind == "disparity" else 1 / given.values.numpy()
    box = cv2.resize(BOX.view(np.uint8), disp.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert np.median(disp[box]) == pytest.approx(5 * np.median(disp[~box]), rel=0.05)


def test_depth_inside_is_turned_with_the_photo() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    given = photo_depth(photo_of(jpeg(xmp=xmp_of(INVERSE, "RangeInverse"), exif=exif), "photo"))
    assert given is not None and given.values.shape == (W, H)
    given = photo_depth(photo_of(multi_picture(exif=exif), "photo"))
    assert given is not None and given.values.shape == (W // 2, H // 2)


def test_the_photo_judges_the_depth_inside() -> None:
    """Numbers that lie as those of a disparity do, and are depth as GDepth defines it, and the other way round."""
    for values, near in ((1 / Z, 1 - 1 / Z), (INVERSE, 1 / Z)):
        given = photo_depth(photo_of(jpeg(xmp=xmp_of(values, "RangeInverse")), "photo"), seen=lambda near=near: near)
        assert given is not None and given.kind == "metric"


def test_depth_in_the_xmp_of_a_tiff() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "TIFF", tiffinfo={700: xmp_of(INVERSE, "RangeInverse")})
    assert photo_depth(photo_of(file.getvalue(), "photo")) is not None


def test_a_damaged_depth_inside_is_told_and_the_photo_read() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert photo_depth(photo_of(jpeg(), "photo")) is None
        assert photo_depth(photo_of(RGB, "photo")) is None
    broken = xmp_of(INVERSE, "RangeInverse").replace(b'Data="iVBOR', b'Data="AAAAA')
    with pytest.warns(InputWarning, match="depth: the photo holds a depth map"):
        assert photo_depth(photo_of(jpeg(xmp=broken), "photo")) is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tiff_is_turned_once(orientation: int, dtype: type, channels: int, tmp_path: Path) -> None:
    """Its decoders turn it upright themselves."""
    plain = np.random.default_rng(0).integers(0, 255, (H, W, channels), dtype=np.uint8)
    pixels = {np.uint8: plain, np.uint16: plain * np.uint16(257), np.float32: plain / np.float32(255)}[dtype]
    stored = np.ascontiguousarray(decode.upright(pixels, {6: 8, 8: 6}.get(orientation, orientation)))
    path = tmp_path / "p.tif"
    path.write_bytes(tiff(stored, orientation))
    wanted = np.repeat(plain, 3, axis=2) if channels == 1 else plain
    assert np.array_equal(u8(read_photo(path)), wanted)
    if channels == 1:
        assert read_depth(path, H, W)[0].numpy().argmax() == plain.argmax()


def tiff(pixels: np.ndarray, orientation: int) -> bytes:
    """An uncompressed TIFF of one strip, as cameras and editors write it."""
    height, width, channels = pixels.shape
    data = pixels.tobytes()
    per_pixel = struct.pack(f"<{channels}H", *[8 * pixels.itemsize] * channels)
    kinds = struct.pack(f"<{channels}H", *[3 if pixels.dtype.kind == "f" else 1] * channels)
    extra = 8 + len(data)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, extra if channels > 2 else 8 * pixels.itemsize),
        (259, 3, 1, 1),
        (262, 3, 1, 2 if channels > 2 else 1),
        (273, 4, 1, 8),
        (274, 3, 1, orientation),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
        (339, 3, channels, extra + len(per_pixel) if channels > 2 else 3 if pixels.dtype.kind == "f" else 1),
    ]
    start = extra + len(per_pixel) + len(kinds)
    listed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        struct.pack("<2sHI", b"II", 42, start) + data + per_pixel + kinds + struct.pack("<H", len(entries)) + listed + bytes(4)
    )


def test_a_tiff_with_white_as_zero(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (H, W, 1), dtype=np.uint16)
    data = tiff(65535 - deep, 1).replace(struct.pack("<HHII", 262, 3, 1, 1), struct.pack("<HHII", 262, 3, 1, 0))
    np.testing.assert_allclose(read_photo(data).rgb[..., :1].numpy() * 65535, deep, atol=0.01)
    planes = struct.pack("<HHII", 284, 3, 1, 2)
    rgb = tiff(np.repeat(deep, 3, axis=2), 1).replace(struct.pack("<HHII", 274, 3, 1, 1), planes)
    with pytest.raises(ValueError, match="photo: expected a TIFF whose pixels lie together, got a TIFF of 16 bits in a plane"):
        read_photo(rgb)
