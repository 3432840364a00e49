"""A large PNG or TIFF read in bands is what it is when it is decoded whole, of every kind that its decoders know."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.JpegImagePlugin
import pytest
import tifffile

from c3drender.files import InputWarning, bands, coded, decode, memory, photo, reduced, source
from c3drender.files.on_disk import FileBytes, stream_of
from c3drender.files.photo import read_photo

H, W, SIZE = 141, 190, 24  # odd, so that bands, strips, tiles and blocks end at different rows
RANDOM = np.random.default_rng(0)
SMOOTH = cv2.GaussianBlur(RANDOM.integers(0, 65536, (H, W, 4)).astype(np.float32), (0, 0), 4)
DEEP = ((SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH) * 65535).round().astype(np.uint16)
PLAIN = (DEEP >> 8).astype(np.uint8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large here."""
    monkeypatch.setattr(reduced, "REDUCE_ABOVE_PX", 1000)
    monkeypatch.setattr(reduced, "STRIP_PX", 5000)
    monkeypatch.setattr(bands, "PART_BYTES", 777)


def check_bands(data: bytes, monkeypatch: pytest.MonkeyPatch, in_bands: bool = True) -> None:
    """The same colours, to the rounding of resampling."""
    opened = decode.open_picture("photo", data, "p")
    found = bands.in_bands("photo", opened, 26)
    assert (found is not None) == in_bands
    if found is not None:
        assert len(list(found.pieces)) > 3
    read = read_photo(data, size=SIZE).rgb
    monkeypatch.setattr(reduced, "in_bands", lambda *_: None)
    whole = read_photo(data, size=SIZE).rgb
    assert whole.std() > 0.05
    np.testing.assert_allclose(read, whole, atol=1e-6)


def saved(picture: PIL.Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png16(pixels: np.ndarray, kind: int, transparent: bytes = b"") -> bytes:
    """Of 16 bits and any kind of colour, its rows filtered by each of the five in turn."""
    rows = pixels.astype(">u2").reshape(H, -1).view("u1").astype(int)
    step = 2 * pixels.reshape(H, W, -1).shape[2]
    left = np.pad(rows, ((0, 0), (step, 0)))[:, :-step]
    up = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(left, ((1, 0), (0, 0)))[:-1]
    guess = left + up - corner
    distances = np.abs(np.stack([guess - left, guess - up, guess - corner]))
    paeth = np.take_along_axis(np.stack([left, up, corner]), distances.argmin(axis=0)[None], axis=0)[0]
    filters = np.arange(H)[:, None] % 5
    refer = np.select([filters == n for n in range(5)], [np.zeros_like(rows), left, up, (left + up) // 2, paeth])
    stream = zlib.compress(np.concatenate([filters, rows - refer], axis=1).astype(np.uint8).tobytes())
    header = W.to_bytes(4, "big") + H.to_bytes(4, "big") + bytes([16, kind, 0, 0, 0])
    parts = [(b"IHDR", header), *([(b"tRNS", transparent)] if transparent else [])]
    parts += [(b"IDAT", stream[n : n + 5000]) for n in range(0, len(stream), 5000)]
    return bands.PNG_SIGNATURE + b"".join(bands._chunk(*part) for part in [*parts, (b"IEND", b"")])


PNGS: dict[str, Callable[[], bytes]] = {
    "grey": lambda: saved(PIL.Image.fromarray(PLAIN[..., 0]), "PNG"),
    "grey, alpha": lambda: saved(PIL.Image.fromarray(PLAIN[..., :2], "LA"), "PNG"),
    "colours": lambda: saved(PIL.Image.fromarray(PLAIN[..., :3]), "PNG"),
    "colours, one transparent": lambda: saved(
        PIL.Image.fromarray(PLAIN[..., :3] // 64 * 64), "PNG", transparency=tuple(map(int, PLAIN[70, 90, :3] // 64 * 64))
    ),
    "colours, alpha": lambda: saved(PIL.Image.fromarray(PLAIN), "PNG"),
    "palette": lambda: saved(PIL.Image.fromarray(PLAIN[..., :3]).quantize(200), "PNG"),
    "palette, transparent": lambda: saved(PIL.Image.fromarray(PLAIN[..., :3]).quantize(200), "PNG", transparency=7),
    "16 bit grey": lambda: png16(DEEP[..., 0], 0),
    "16 bit grey, alpha": lambda: png16(DEEP[..., :2], 4),
    "16 bit colours": lambda: png16(DEEP[..., :3], 2),
    "16 bit colours, alpha": lambda: png16(DEEP, 6),
    "16 bit colours, one transparent": lambda: png16(DEEP[..., :3], 2, DEEP[70, 90, :3].astype(">u2").tobytes()),
}


@pytest.mark.parametrize("kind", PNGS)
def test_png(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_bands(PNGS[kind](), monkeypatch)


def test_png_of_few_bits_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    check_bands(saved(PIL.Image.fromarray(PLAIN[..., :3]).quantize(16), "PNG"), monkeypatch, in_bands=False)


def test_a_png_is_turned_upright_without_being_decoded() -> None:
    exif = PIL.Image.Exif()
    exif[decode.ORIENTATION] = 6
    turned = read_photo(saved(PIL.Image.fromarray(PLAIN[..., :3]), "PNG", exif=exif), size=SIZE).rgb
    plain = PNGS["colours"]()
    np.testing.assert_allclose(turned.flip(1).transpose(0, 1), read_photo(plain, size=SIZE).rgb, atol=0.01)
    late = plain[:-12] + bands._chunk(b"eXIf", exif.tobytes()[6:]) + plain[-12:]
    np.testing.assert_array_equal(read_photo(late, size=SIZE).rgb, turned)
    opened = decode.open_picture("photo", plain, "p")
    assert opened.orientation == 1 and opened.picture._im is None  # not decoded in search of it


def pnm(pixels: np.ndarray, white: int, comment: str = "") -> bytes:
    kind = "P6" if pixels.ndim == 3 else "P5"
    stored = (pixels.astype(np.float64) * white / np.iinfo(pixels.dtype).max).round()
    return f"{kind}\n{comment}{W} {H}\n{white}\n".encode() + stored.astype(">u2" if white > 255 else "u1").tobytes()


PNMS = {
    "grey": pnm(PLAIN[..., 0], 255),
    "colours": pnm(PLAIN[..., :3], 255, "# by a camera\n"),
    "7 bits": pnm(PLAIN[..., :3], 100),
    "16 bit grey": pnm(DEEP[..., 0], 65535),
    "16 bits": pnm(DEEP[..., :3], 65535),
    "10 bits": pnm(DEEP[..., :3], 1023),
}


@pytest.mark.parametrize("kind", PNMS)
def test_pnm(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_bands(PNMS[kind], monkeypatch)
    with pytest.raises(ValueError, match="photo: expected a complete picture in "):
        read_photo(PNMS[kind][:-1], size="photo")


def test_pnm_keeps_all_bits() -> None:
    for kind, most in (("16 bits", 0.6 / 65535), ("10 bits", 0.6 / 1023)):
        rgb = read_photo(PNMS[kind], size="photo").rgb.numpy()
        assert np.abs(rgb - DEEP[..., :3] / np.float32(65535)).max() < most


def test_a_damaged_png_is_refused() -> None:
    whole = PNGS["colours"]()
    for damaged in (whole[: len(whole) // 2], whole[:3000] + b"\xff" * 40 + whole[3040:], whole[:60] + whole[-12:]):
        with pytest.raises(ValueError, match="photo: expected a complete picture in "):
            read_photo(damaged, size=SIZE)


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


RGB8, RGB16 = PLAIN[..., :3], DEEP[..., :3]
PLANES = np.ascontiguousarray(RGB8.transpose(2, 0, 1))
TIFFS: dict[str, Callable[[], bytes]] = {
    "one strip": lambda: tiff(RGB8, photometric="rgb"),
    "strips": lambda: tiff(RGB8, photometric="rgb", rowsperstrip=7),
    "strips, deflate, predictor": lambda: tiff(RGB8, photometric="rgb", rowsperstrip=11, compression="zlib", predictor=True),
    "tiles": lambda: tiff(RGB8, photometric="rgb", tile=(16, 32)),
    "tiles, deflate": lambda: tiff(RGB8, photometric="rgb", tile=(16, 16), compression="zlib"),
    "planes": lambda: tiff(PLANES, photometric="rgb", planarconfig="separate", rowsperstrip=9),
    "planes, one strip each": lambda: tiff(PLANES, photometric="rgb", planarconfig="separate"),
    "alpha": lambda: tiff(PLAIN, photometric="rgb", extrasamples=["unassalpha"], rowsperstrip=5),
    "grey": lambda: tiff(PLAIN[..., 0], rowsperstrip=5),
    "LZW": lambda: saved(PIL.Image.fromarray(RGB8), "TIFF", compression="tiff_lzw", tiffinfo={278: 5}),
    "JPEG": lambda: saved(PIL.Image.fromarray(RGB8), "TIFF", compression="jpeg", tiffinfo={278: 16}),
    "palette": lambda: saved(PIL.Image.fromarray(RGB8).quantize(200), "TIFF"),
    "CMYK": lambda: saved(PIL.Image.fromarray(RGB8).convert("CMYK"), "TIFF", compression="tiff_lzw", tiffinfo={278: 5}),
    "big endian": lambda: tiff(RGB8, photometric="rgb", byteorder=">", rowsperstrip=7),
    "BigTIFF": lambda: tiff(RGB8, photometric="rgb", bigtiff=True, rowsperstrip=7),
    "16 bit": lambda: tiff(RGB16, photometric="rgb", rowsperstrip=7),
    "16 bit, one strip": lambda: tiff(RGB16, photometric="rgb"),
    "16 bit, tiles": lambda: tiff(RGB16, photometric="rgb", tile=(16, 16), compression="zlib", predictor=True),
    "16 bit, big endian": lambda: tiff(RGB16, photometric="rgb", byteorder=">", compression="zlib", rowsperstrip=7),
    "one strip, deflate": lambda: tiff(RGB8, photometric="rgb", compression="zlib", rowsperstrip=H),
    "one strip, deflate, predictor": lambda: tiff(RGB8, photometric="rgb", compression="zlib", predictor=True, rowsperstrip=H),
    "one strip, 16 bit, deflate": lambda: tiff(
        RGB16, photometric="rgb", compression="zlib", predictor=True, rowsperstrip=H, byteorder=">"
    ),
    "one strip, grey, deflate": lambda: tiff(PLAIN[..., 0], compression="zlib", rowsperstrip=H),
    "16 bit grey": lambda: tiff(DEEP[..., 0], rowsperstrip=5),
    "16 bit grey, white is 0": lambda: tiff(DEEP[..., 0], photometric="miniswhite", rowsperstrip=5),
    "floats": lambda: tiff(DEEP[..., 0] / np.float32(65535), rowsperstrip=5),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_bands(TIFFS[kind](), monkeypatch)


def test_a_tiff_of_one_packed_strip_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = saved(PIL.Image.fromarray(RGB8), "TIFF", compression="tiff_lzw", tiffinfo={278: H})
    check_bands(packed, monkeypatch, in_bands=False)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pixels", [RGB8, RGB16])
def test_a_tiff_is_turned_upright(orientation: int, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = (decode.ORIENTATION, "H", 1, orientation, True)
    whole_blocks = pixels[:138, :189]  # from either side the same
    check_bands(tiff(whole_blocks, photometric="rgb", rowsperstrip=7, extratags=[tag]), monkeypatch)


def test_a_truncated_tiff_is_refused() -> None:
    packed = tiff(RGB8, photometric="rgb", rowsperstrip=7, compression="zlib")
    for data in (tiff(RGB8, photometric="rgb"), packed):
        with pytest.raises(ValueError, match="photo: expected a complete picture in "):
            read_photo(data[: len(data) * 2 // 3], size=SIZE)


PEAK = """
import re, sys
from c3drender.files.photo import read_photo
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
read_photo(sys.argv[1], 320)
print(peak() - before)
"""


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_a_large_one_takes_a_band_of_memory(kind: str, tmp_path: Path) -> None:
    wide = np.broadcast_to(np.arange(9000, dtype=np.uint16)[None, :, None], (6000, 9000, 3))
    cv2.imwrite(str(tmp_path / f"p.{kind}"), wide, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    command = [sys.executable, "-W", "error", "-c", PEAK, tmp_path / f"p.{kind}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(photo.__file__).parents[2]).stdout
    assert 1000 < int(told) < 200_000  # kB; 324 MB whole, and as much again reduced


COLOURED = cv2.GaussianBlur(RANDOM.integers(0, 256, (H, W, 4)).astype(np.float32), (0, 0), 6)
COLOURED = ((COLOURED - COLOURED.min()) / np.ptp(COLOURED) * 255).round().astype(np.uint8)
CODED: dict[str, tuple[bool, Callable[[], bytes]]] = {
    "WebP": (True, lambda: saved(PIL.Image.fromarray(COLOURED[..., :3]), "WEBP", quality=90)),
    "WebP, alpha": (True, lambda: saved(PIL.Image.fromarray(COLOURED), "WEBP", quality=90)),
    "WebP, lossless": (True, lambda: saved(PIL.Image.fromarray(COLOURED[..., :3]), "WEBP", lossless=True)),
    "WebP, lossless, alpha": (True, lambda: saved(PIL.Image.fromarray(COLOURED), "WEBP", lossless=True)),
    "WebP, moving": (False, lambda: webp_of_two()),
    "AVIF": (True, lambda: saved(PIL.Image.fromarray(COLOURED[..., :3]), "AVIF", quality=90)),
    "AVIF, a video's range": (
        True,
        lambda: saved(PIL.Image.fromarray(COLOURED[..., :3]), "AVIF", quality=90, range="limited"),
    ),
    "AVIF, all colours": (
        True,
        lambda: saved(PIL.Image.fromarray(COLOURED[..., :3]), "AVIF", quality=90, subsampling="4:4:4"),
    ),
    "AVIF, grey": (False, lambda: saved(PIL.Image.fromarray(COLOURED[..., :3]), "AVIF", subsampling="4:0:0")),
    "HEIC": (True, lambda: heic(COLOURED[..., :3])),
    "HEIC, alpha": (True, lambda: heic(COLOURED)),
    "AVIF, alpha": (False, lambda: saved(PIL.Image.fromarray(COLOURED), "AVIF", quality=90)),
}


def heic(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    pytest.importorskip("pillow_heif").from_pillow(PIL.Image.fromarray(pixels)).save(file, quality=90)
    return file.getvalue()


def webp_of_two() -> bytes:
    first, second = PIL.Image.fromarray(COLOURED[..., :3]), PIL.Image.fromarray(255 - COLOURED[..., :3])
    return saved(first, "WEBP", save_all=True, append_images=[second])


@pytest.mark.parametrize("kind", CODED)
def test_webp_avif_and_heic(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Pillow decodes them, but for how colours of fewer pixels are spread."""
    by_planes, made = CODED[kind]
    found = coded.coded_bands(decode.open_picture("photo", made(), "p"), 26)
    assert (found is not None) == by_planes
    if found is not None:
        assert [piece.size[1] for piece in found.pieces] == [28, 28, 28, 28, 28, 1]
    read = read_photo(made(), size=SIZE).rgb
    monkeypatch.setattr(reduced, "coded_bands", lambda *_: None)
    whole = read_photo(made(), size=SIZE).rgb
    assert whole.std() > 0.05
    np.testing.assert_allclose(read, whole, atol=0.016)


@pytest.mark.parametrize("kind", ["WebP", "AVIF", "HEIC"])
def test_a_damaged_webp_avif_or_heic_is_refused(kind: str) -> None:
    whole = CODED[kind][1]()
    for damaged in (whole[: len(whole) // 2], whole[:60]):
        with pytest.raises(ValueError, match="photo: expected a"):
            read_photo(damaged, size=SIZE)


@pytest.mark.parametrize("kind", ["JPEG, progressive", "TIFF, one packed strip", "WebP, moving", "WebP, lossless"])
def test_what_takes_much_memory_is_told_before(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Callable[[], bytes]] = {
        "JPEG, progressive": lambda: saved(PIL.Image.fromarray(RGB8), "JPEG", progressive=True, subsampling=0),
        "TIFF, one packed strip": lambda: saved(PIL.Image.fromarray(RGB8), "TIFF", compression="tiff_lzw", tiffinfo={278: H}),
        "WebP, moving": webp_of_two,
        "WebP, lossless": CODED["WebP, lossless"][1],
    }
    monkeypatch.setattr(memory, "MUCH_BYTES", 2 * W * H)  # less than what is refused
    with pytest.warns(InputWarning, match=f"photo: reading it takes about 0 MiB: .* all {W} x {H} px at once: "):
        read_photo(made[kind](), size=SIZE)


@pytest.mark.parametrize("size", [SIZE, 2 * SIZE, W])
def test_a_jpeg_2000_leaves_out_what_is_not_asked_for(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(PIL.Image.fromarray(RGB8), "JPEG2000", num_resolutions=3)
    opened = decode.open_picture("photo", data, "p")
    halvings = reduced._halved_while_decoding(opened, (size * H // W, size))
    assert halvings == (1 if size == SIZE else 0)
    read = read_photo(data, size=size).rgb
    monkeypatch.setattr(reduced, "REDUCE_ABOVE_PX", 2**24)
    np.testing.assert_allclose(read, read_photo(data, size=size).rgb, atol=0.06)


def test_what_takes_too_much_memory_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """But not where that much was asked for."""
    data = saved(PIL.Image.fromarray(RGB8), "TIFF", compression="tiff_lzw", tiffinfo={278: H})
    monkeypatch.setattr(memory, "MUCH_BYTES", 2 * W * H)
    monkeypatch.setattr(memory, "MOST_BYTES", 3 * W * H)
    monkeypatch.setattr(PIL.Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="photo: expected one that takes at most 0 MiB, got 0: the decoder of TIFF holds all"):
        read_photo(data, size=SIZE)
    monkeypatch.undo()
    monkeypatch.setattr(reduced, "REDUCE_ABOVE_PX", 1000)
    monkeypatch.setattr(memory, "MOST_BYTES", 3 * W * H)
    monkeypatch.setattr(memory, "MUCH_BYTES", 2 * W * H)
    with pytest.warns(InputWarning, match="photo: reading it takes about 0 MiB"):
        read_photo(data, size="photo")


def test_a_progressive_jpeg_beside_whose_coefficients_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is decoded as small as it may be; they are counted by the sizes of its channels."""
    drafts = []
    draft = PIL.JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(PIL.JpegImagePlugin.JpegImageFile, "draft", lambda *args: drafts.append(args[2]) or draft(*args))
    for subsampling, blocks in ((0, 3), (2, 1.5)):
        data = saved(PIL.Image.fromarray(RGB8), "JPEG", progressive=True, subsampling=subsampling)
        needed = memory.coefficient_bytes(decode.open_picture("photo", data, "p"))
        assert needed == 2 * blocks * W * H
        for much in (needed, needed - 1):
            monkeypatch.setattr(reduced, "MUCH_BYTES", much)
            read_photo(data, size=SIZE)
    assert drafts == [(48, 36), (24, 18)] * 2


ON_DISK: dict[str, Callable[[], bytes]] = {
    "PNG": PNGS["16 bit colours"],
    "TIFF": TIFFS["16 bit, tiles"],
    "TIFF of floats": lambda: tiff(DEEP[..., :3].astype(np.float64) / 65535, photometric="rgb"),
    "JPEG": lambda: saved(PIL.Image.fromarray(RGB8), "JPEG"),
    **{kind: CODED[kind][1] for kind in ("WebP", "AVIF", "HEIC")},
}


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_file_on_disk_is_read_as_its_bytes_are(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, path = ON_DISK[kind](), tmp_path / "photo"
    path.write_bytes(data)
    monkeypatch.setattr(source, "ON_DISK_BYTES", 0)
    found = photo.photo_of(path, SIZE)
    assert isinstance(found.data, FileBytes) and found.data[:] == data
    np.testing.assert_array_equal(found.image.rgb, read_photo(data, size=SIZE).rgb)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="photo: expected a"):
        read_photo(path, size=SIZE)
    monkeypatch.setattr(source, "MOST_FILE_BYTES", 99)
    with pytest.raises(ValueError, match="photo: expected a file of at most 0 MiB, got 0 MiB: "):
        read_photo(path, size=SIZE)


def test_bytes_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    data = FileBytes(path)
    assert (len(data), data[3], data[-1], data[5:7], data[98:200], data[9:2]) == (100, 3, 99, b"\5\6", b"bc", b"")
    assert data.startswith(b"\0\1") and data.startswith((b"\7", b"\0")) and not data.startswith((b"\1", b"\0\2"))
    with pytest.raises(IndexError):
        data[100]
    with pytest.raises(ValueError, match="step"):
        data[::2]
    file = stream_of(data)
    assert (file.read(2), file.seek(-3, io.SEEK_END), file.read(), file.seek(-50, io.SEEK_CUR)) == (b"\0\1", 97, b"abc", 50)
    os.truncate(path, 60)
    assert data[50:70] == bytes(range(50, 60)) and file.read() == bytes(range(50, 60))
