"""What a file carries beside its frames: an alpha channel, sound, how both eyes lie in it; and depth in 16 bits."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from c3drender.files.depth_video import check_depth_output, write_depth
from c3drender.files.video import write_video

H, W, COUNT, FPS = 48, 64, 10, 10
RATE_HZ = 44100


def frames(channels: int = 3) -> list[np.ndarray]:
    """A grey level and, in the fourth channel, an opacity that rise over the picture and with the frame."""
    rows, columns = np.mgrid[0:H, 0:W]
    planes = [(60 + 2 * rows + n).astype(np.uint8) for n in range(COUNT)]
    alphas = [(3 * columns + 5 * n).clip(0, 255).astype(np.uint8) for n in range(COUNT)]
    pictures = [np.repeat(plane[..., None], 3, axis=2) for plane in planes]
    return pictures if channels == 3 else [np.dstack([p, a]) for p, a in zip(pictures, alphas, strict=True)]


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """0.3 s whose loudness rises from nothing, so that a turn can be told from the next."""
    t = np.arange(int(0.3 * RATE_HZ)) / RATE_HZ
    wave = (0.8 * t / 0.3 * np.sin(2 * np.pi * 880 * t)).astype(np.float32)
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as box:
        stream = box.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray((wave[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return path


def decoded_rgba(path: Path) -> np.ndarray:
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        if stream.codec_context.name == "vp9":  # FFmpeg's own decoder leaves the alpha channel out
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            shown = [f for packet in box.demux(stream) for f in decoder.decode(packet if packet.dts is not None else None)]
        else:
            shown = list(box.decode(stream))
        return np.stack([frame.to_ndarray(format="rgba") for frame in shown])


@pytest.mark.parametrize("name", ["v.mov", "v.webm", "v.mkv", "v.apng"])
def test_alpha_comes_back(name: str, tmp_path: Path) -> None:
    codec = {"v.mkv": "prores"}.get(name)
    loops = 1 if name == "v.apng" else 2
    path = write_video(tmp_path / name, frames(4), FPS, alpha=True, codec=codec, loops=loops)
    shown = decoded_rgba(path)
    assert shown.shape == (loops * COUNT, H, W, 4)
    np.testing.assert_array_equal(shown[:COUNT], shown[-COUNT:])
    assert np.abs(shown[:COUNT].astype(int) - np.stack(frames(4)))[..., 3].mean() < 2
    assert np.abs(shown[:COUNT].astype(int) - np.stack(frames(4)))[..., :3].mean() < 3


def test_alpha_in_pictures(tmp_path: Path) -> None:
    folder = write_video(tmp_path / "pngs", frames(4), FPS, alpha=True)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(folder / "frame_0003.png")), frames(4)[3])
    path = write_video(tmp_path / "v.webp", frames(4), FPS, alpha=True)
    with PIL.Image.open(path) as picture:
        picture.seek(5)
        shown = np.asarray(picture.convert("RGBA"))
    assert np.abs(shown[..., 3].astype(int) - frames(4)[5][..., 3]).max() <= 2


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("v.mp4", {}, "alpha: expected a codec that has it .vp9, prores. or another container, got h264 in .mp4"),
        ("v.gif", {}, "alpha: expected .mov, .webm, .mkv, .apng, .webp or a folder of PNGs, got .gif"),
        ("v.mkv", {"codec": "hevc"}, "alpha: expected a codec that has it"),
    ],
)
def test_where_there_is_no_alpha(name: str, options: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        write_video(tmp_path / name, frames(4), FPS, alpha=True, **options)
    with pytest.raises(ValueError, match=r"frames: expected \[H, W, 4\]"):
        write_video(tmp_path / "v.mov", frames(3), FPS, alpha=True)
    assert not list(tmp_path.iterdir())


def sound_of(path: Path) -> tuple[str, np.ndarray, int]:
    """Codec, samples of the left channel, rate."""
    with av.open(str(path)) as box:
        stream = box.streams.audio[0]
        blocks = [frame.to_ndarray().reshape(frame.to_ndarray().shape[0], -1)[0] for frame in box.decode(stream)]
        return stream.codec_context.name, np.concatenate(blocks), stream.rate


@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "aac"), ("v.webm", "opus"), ("v.mov", "aac"), ("v.mkv", "aac")])
def test_sound_is_repeated_and_cut_to_the_video(name: str, codec: str, tone: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, frames(), FPS, audio=tone, loops=2)  # 2 s of video, 0.3 s of sound
    with av.open(str(path)) as box:
        assert float(box.duration) / av.time_base == pytest.approx(2.0, abs=0.06)
        assert len(list(box.decode(video=0))) == 2 * COUNT
    name, wave, rate = sound_of(path)
    assert name.startswith(codec) and len(wave) / rate == pytest.approx(2.0, abs=0.06)
    loud = np.array([np.abs(part).mean() for part in np.array_split(np.abs(wave[: int(1.8 * rate)]), 18)])
    turns = loud.reshape(6, 3)
    assert (turns[:, 2] > 2 * turns[:, 0]).all(), "each turn begins quietly and ends loudly"


def test_what_is_no_sound(tone: Path, tmp_path: Path) -> None:
    mute = write_video(tmp_path / "mute.mp4", frames(), FPS)
    (tmp_path / "notes.txt").write_text("no sound at all")
    out = tmp_path / "v.mp4"
    with pytest.raises(ValueError, match=r"audio: expected a file with sound, got .*mute\.mp4, which has none"):
        write_video(out, frames(), FPS, audio=mute)
    with pytest.raises(ValueError, match=r"audio: expected a file with sound, got .*notes\.txt"):
        write_video(out, frames(), FPS, audio=tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"audio: cannot read .*missing\.mp3"):
        write_video(out, frames(), FPS, audio=tmp_path / "missing.mp3")
    with pytest.raises(ValueError, match=r"audio: expected a video .* got \.gif"):
        write_video(tmp_path / "v.gif", frames(), FPS, audio=tone)
    assert not out.exists()
    write_video(out, frames(), FPS, audio=tone)
    with pytest.raises(ValueError, match=r"out: expected a name of its own, got .*, from where audio is read"):
        write_video(out, frames(), FPS, audio=out)


def boxes_of(data: bytes, start: int = 0, end: int | None = None) -> dict[bytes, bytes]:
    """Contents by kind, of one level; of several of a kind the first."""
    found: dict[bytes, bytes] = {}
    end = len(data) if end is None else end
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        found.setdefault(kind, data[start + 8 : start + size])
        assert size >= 8 and start + size <= end
        start += size
    return found


def sample_entry_of(path: Path) -> dict[bytes, bytes]:
    content = path.read_bytes()
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        content = boxes_of(content)[kind]
    (size,) = struct.unpack_from(">I", content, 8)
    assert size == len(content) - 8
    return boxes_of(content, 8 + 8 + 78)


@pytest.mark.parametrize("name", ["v.mp4", "v.mov"])
@pytest.mark.parametrize(("packing", "mode"), [("left-right", 2), ("top-bottom", 1)])
def test_boxes_say_how_both_eyes_lie(name: str, packing: str, mode: int, tone: Path, tmp_path: Path) -> None:
    plain = write_video(tmp_path / f"plain{name[1:]}", frames(), FPS, audio=tone, codec="h264")
    tagged = write_video(
        tmp_path / name, frames(), FPS, audio=tone, codec="h264", packing=packing, half_sphere=packing == "left-right"
    )
    entry = sample_entry_of(tagged)
    assert entry[b"st3d"] == bytes([0, 0, 0, 0, mode])
    assert b"avcC" in entry and b"st3d" not in sample_entry_of(plain)
    if packing == "left-right":
        sphere = boxes_of(entry[b"sv3d"])
        projection = boxes_of(sphere[b"proj"])
        assert struct.unpack(">5I", projection[b"equi"]) == (0, 0, 0, 2**30, 2**30)
        assert sphere[b"svhd"][4:] == b"c3drender\0" and projection[b"prhd"] == bytes(16)
    # The frames and the sound are found where they are: a frame is a level from the next one. (Two runs of x264 on a busy
    # machine have been seen to differ by 0.16 levels in the mean, from some block on.)
    apart = np.abs(decoded_rgba(tagged)[..., :3].astype(int) - decoded_rgba(plain)[..., :3])
    assert len(apart) == len(frames())
    assert apart.mean((1, 2, 3)).max() < 0.5
    np.testing.assert_array_equal(sound_of(tagged)[1], sound_of(plain)[1])


def probed(path: Path) -> dict:
    asked = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    answer = subprocess.run(asked, capture_output=True, check=True, text=True)
    return json.loads(answer.stdout)["streams"][0]


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
@pytest.mark.parametrize(
    ("name", "asked"), [("v.mp4", {}), ("v.mp4", {"bits": 10}), ("v.mp4", {"codec": "hevc"}), ("v.webm", {}), ("v.mkv", {})]
)
def test_ffprobe_reads_where_chroma_lies(name: str, asked: dict, tmp_path: Path) -> None:
    told = probed(write_video(tmp_path / name, frames(), FPS, **asked))
    assert told["chroma_location"] == "center" and told["color_range"] == "tv" and told["color_space"] == "bt709"


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
def test_ffprobe_reads_the_boxes(tmp_path: Path) -> None:
    def side_data(path: Path) -> list[dict]:
        return probed(path).get("side_data_list", [])

    vr = side_data(write_video(tmp_path / "vr.mp4", frames(), FPS, packing="left-right", half_sphere=True))
    by_type = {data["side_data_type"]: data for data in vr}
    assert by_type["Stereo 3D"]["type"] == "side by side"
    assert by_type["Spherical Mapping"]["projection"] == "tiled equirectangular"
    for suffix in (".mkv", ".webm"):
        (stereo,) = side_data(write_video(tmp_path / f"v{suffix}", frames(), FPS, packing="top-bottom"))
        assert stereo["type"] == "top and bottom"


def test_a_half_sphere_needs_a_file_that_says_so(tmp_path: Path) -> None:
    for name, packing in (("v.webm", "left-right"), ("v.mp4", None), ("v.gif", "left-right")):
        with pytest.raises(ValueError, match=r"half_sphere: expected both eyes in an \.mp4 or a \.mov"):
            write_video(tmp_path / name, frames(), FPS, packing=packing, half_sphere=True)
    with pytest.raises(ValueError, match="packing: expected top-bottom or left-right, got 'sideways'"):
        write_video(tmp_path / "v.mp4", frames(), FPS, packing="sideways")


def disps() -> list[np.ndarray]:
    return [np.linspace(0.1, 0.9, H * W, dtype=np.float32).reshape(H, W) + 0.01 * n for n in range(4)]


@pytest.mark.parametrize("name", ["depth.mkv", "depth"])
def test_depth_in_16_bits(name: str, tmp_path: Path) -> None:
    out = write_depth(tmp_path / name, disps(), (0.0, 1.0), FPS)
    if out.suffix:
        with av.open(str(out)) as box:
            says = {key.lower(): value for key, value in box.metadata.items()}
            context = box.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("ffv1", "gray16le")
            levels = [frame.to_ndarray() for frame in box.decode(video=0)]
    else:
        pictures = [PIL.Image.open(out / f"frame_{n:04d}.png") for n in range(4)]
        says, levels = pictures[0].info, [np.asarray(picture) for picture in pictures]
        write_depth(out, disps()[:2], (0.0, 1.0))  # its own folder is replaced
        assert len(list(out.iterdir())) == 2
    assert (float(says["disparity_0"]), float(says["disparity_65535"])) == (0.0, 1.0)
    assert len(levels) == 4 and levels[0].dtype == np.uint16
    for level, disp in zip(levels, disps(), strict=True):
        assert np.abs(level / 65535 - disp).max() < 1 / 65535


def test_depth_goes_where_16_bits_are(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"depth_out: expected \.mkv \(FFV1\), or no suffix for a folder of PNGs, got 'd\.mp4'"
    ):
        check_depth_output(tmp_path / "d.mp4")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match=r"the folder holds other files, such as notes\.txt"):
        write_depth(tmp_path / "mine", disps(), (0.0, 1.0))
