"""`c3drender batch`: rows, what is done, what fails, who dies. Rendering itself is a stand-in but where it is said."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

import c3drender as c3d
from c3drender import cli
from c3drender.batch import done, here, manifest, on_ray, plan, renderer, report, rows, storage
from c3drender.jobs.memory import needed_bytes
from c3drender.jobs.run import Job

HAS_RAY = renderer.has_ray()
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs Ray: pip install c3drender[batch]")


def write_photo(path: Path, level: int = 100, side: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos, and one in a folder of the folder."""
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("a.png", "b.PNG", "deep/c.png")):
        write_photo(tmp_path / "photos" / name, 50 * n)
    return tmp_path / "photos"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Rendering writes a few bytes. ``.jobs``: those that were rendered; ``.before``: called with each."""
    seen = SimpleNamespace(jobs=[], before=lambda job: None)

    def run_job(job: Job, watcher: object = None) -> tuple[str, ...]:
        seen.before(job)
        seen.jobs.append(job)
        Path(job.out).write_bytes(b"video of " + Path(job.photo).read_bytes()[-8:])
        return ("a note",)

    monkeypatch.setattr(renderer, "run_job", run_job)
    monkeypatch.setattr(renderer, "poster_of", lambda out: "cG9zdGVy")
    return seen


def batch(*argv: str) -> int:
    return cli.main(["batch", *argv, "--workers", "0"])


def states(results: Iterator[c3d.batch.Result]) -> list[str]:
    return [result.state for result in results]


def run(rows_given: object, out: object = "out", **options: object) -> list[str]:
    return states(c3d.batch.run(rows_given, out, workers=0, **options))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_s_photos_are_found(photos: Path) -> None:
    write_photo(photos / ".hidden.png")
    (photos / "notes.txt").write_text("no photo")

    def names(**options: object) -> list[str]:
        return [Path(found.row["photo"]).name for found in rows.find_photos(str(photos), **options)]

    assert names() == ["a.png", "b.PNG"]
    assert names(recursive=True) == ["a.png", "b.PNG", "c.png"]
    assert names(glob="*.png") == ["a.png"]
    assert names(glob="deep/*", recursive=True) == ["c.png"]
    with pytest.raises(ValueError, match=r"photos: expected files like \*\.tif in .*photos, got none"):
        names(glob="*.tif")
    with pytest.raises(FileNotFoundError, match=r"photos: cannot read .*nowhere: no such file or folder"):
        list(rows.find_photos("nowhere"))


def test_outputs_keep_the_folders_of_their_photos(photos: Path, stand_in: SimpleNamespace) -> None:
    assert batch("photos", "-o", "out", "--recursive", "--quiet") == 0
    outputs = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.mp4"))
    assert outputs == ["a.mp4", "b.mp4", "deep/c.mp4"]


def test_two_photos_of_one_name_are_refused_before_any_work(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    write_photo(photos / "a.jpg")
    assert batch("photos", "-o", "out") == 2
    told = capsys.readouterr().err
    assert "column out: expected a name of its own, got" in told and "a.jpg has, too" in told
    assert not stand_in.jobs and not Path("out").exists()


BAD_CELLS = [
    ("frames", "many", "frames: expected a whole number, got 'many'"),
    ("frames", "0", "frames: expected 1 to 100000, got 0"),
    ("camera", "cirle", "camera: "),
    ("codec", "mpeg1", "codec: expected one of h264"),
    ("size", "12y9", "size: expected the longer side"),
    ("mask", "none.png", "mask: cannot read none.png: no such file"),
    ("depth", "bultin", "did you mean 'builtin'?"),
    ("blend", "best", "blend: expected one of"),
    ("aspect", "wide", "aspect: expected WIDTH:HEIGHT"),
    ("out", "b.txt", "out: expected the suffix .mp4"),
    ("photo", "gone.jpg", "photo: cannot read"),
]


@pytest.mark.parametrize(("column", "cell", "line"), BAD_CELLS)
def test_a_manifest_s_errors_name_row_and_column(photos: Path, stand_in, capsys, column: str, cell: str, line: str) -> None:
    row = {"photo": "a.png", "out": "a.mp4"}
    names = list(row | {column: cell})
    with (photos / "jobs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerow({"photo": "b.PNG", "out": "fine.mp4"})
        writer.writerow(row | {column: cell})
    assert batch("--manifest", "photos/jobs.csv", "-o", "out") == 2
    told = capsys.readouterr().err
    assert f"jobs.csv row 3, column {column}: " in told and line in told
    assert not stand_in.jobs


def test_every_bad_row_is_told_at_once(photos: Path, capsys) -> None:
    table = "photo,frames,sise\na.png,x,\nb.PNG,,9\n,3,\n"
    (photos / "jobs.csv").write_text(table)
    assert batch("--manifest", "photos/jobs.csv", "-o", "out") == 2
    told = capsys.readouterr().err
    assert "row 2, column frames" in told
    assert "row 3, column sise: expected an option of c3drender render" in told
    assert "row 4, column photo: expected a path or a URL, got none" in told
    assert told.splitlines()[-1] == "c3drender: error: nothing was rendered: rows that cannot be are listed above"


def test_the_kinds_of_manifest_say_the_same(photos: Path, stand_in: SimpleNamespace) -> None:
    write_photo(photos / "mask.png")
    row = {"photo": "a.png", "out": "x.gif", "frames": 3, "size": [64, 64], "mask": "mask.png", "depth-near": "dark"}
    (photos / "jobs.jsonl").write_text(json.dumps(row) + "\n\n")
    cells = row | {"size": "64x64"}
    (photos / "jobs.csv").write_text("﻿" + ",".join(cells) + "\n" + ",".join(map(str, cells.values())) + "\n")
    (photos / "jobs.tsv").write_text("\t".join(cells) + "\n" + "\t".join(map(str, cells.values())) + "\n")
    kinds = ["jsonl", "csv", "tsv"]
    try:
        from pyarrow import Table, parquet

        parquet.write_table(Table.from_pylist([row]), photos / "jobs.parquet")
        kinds.append("parquet")
    except ModuleNotFoundError:
        (photos / "jobs.parquet").write_bytes(b"PAR1")
        with pytest.raises(ValueError, match="expected pyarrow"):
            list(manifest.read_manifest(str(photos / "jobs.parquet")))
    options = {"frames": 3, "size": [64, 64], "mask": str(photos / "mask.png"), "depth_near": "dark"}
    for kind in kinds:
        (job,) = rows.read_jobs(manifest.read_manifest(f"photos/jobs.{kind}"), "out", {})
        assert job == Job(str(photos / "a.png"), str(photos.parent / "out" / "x.gif"), options)
    (job,) = rows.read_jobs(manifest.read_manifest("photos/jobs.csv"), None, {"frames": 9, "fps": 12})
    assert job.out == str(photos / "x.gif") and job.options["frames"] == 3 and job.options["fps"] == 12


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("jobs.csv", "picture\na.png\n", "expected a column photo in the first row of jobs.csv"),
        ("jobs.csv", "photo,photo\na.png,b\n", "'photo' twice"),
        ("jobs.csv", "photo\n", "expected rows in jobs.csv, got none"),
        ("jobs.txt", "a.png", "expected .csv .tsv .jsonl"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, name: str, content: str, line: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError) as error:
        list(manifest.read_manifest(str(tmp_path / name)))
    assert line in str(error.value)


def test_lines_that_are_no_rows_are_told_beside_rows_that_cannot_be(photos: Path) -> None:
    (photos / "jobs.csv").write_text("photo,frames\na.png,x\nb.PNG,1,2\n~nobody/a.png\n")
    (photos / "jobs.jsonl").write_text('{"photo": \n[1]\n{"photo": "a.png", "frames": 0}\n')

    def told(name: str) -> list[str]:
        with pytest.raises(rows.BadRows) as error:
            rows.read_jobs(manifest.read_manifest(str(photos / name)), "out", {})
        return str(error.value).splitlines()

    table, objects = told("jobs.csv"), told("jobs.jsonl")
    assert table[0].startswith("jobs.csv row 2, column frames: ") and len(table) == 3
    assert table[1] == "jobs.csv row 3: expected 2 columns, as the first row has, got 3"
    assert table[2].startswith("jobs.csv row 4, column photo: cannot read ") and len(objects) == 3
    assert objects[0].startswith("jobs.jsonl row 1: expected a JSON object, got ")
    assert objects[1] == "jobs.jsonl row 2: expected a JSON object, got list"
    assert objects[2].startswith("jobs.jsonl row 3, column frames: ")


def test_text_of_a_table_that_is_no_text_is_named(photos: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    from pyarrow import parquet

    names = pyarrow.array([b"\xb0.png"], pyarrow.binary())
    table = pyarrow.table({"photo": names.view(pyarrow.string())})
    parquet.write_table(table, photos / "jobs.parquet")
    with pytest.raises(ValueError, match=r"manifest: expected Parquet in jobs\.parquet, got "):
        list(manifest.read_manifest(str(photos / "jobs.parquet")))


def test_names_of_any_bytes_are_rendered_and_told(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    """Archives have names that are no UTF-8, or hold what a terminal would obey."""
    names = {os.fsdecode(b"caf\xe9.png"), "new\nline.png", "esc\x1b[31m.png"}
    for name in names:
        (photos / "a.png").rename(photos / name)
        write_photo(photos / "a.png")
    stand_in.before = lambda job: {}[0] if job.photo.endswith("31m.png") else None
    assert batch("photos", "-o", "out") == 1
    told = capsys.readouterr()
    assert "\x1b[31m" not in told.err and r"esc\x1b[31m.png: KeyError: 0" in told.err
    report_rows = lines(Path("out/report.jsonl"))
    assert {Path(row["photo"]).name for row in report_rows} == names | {"a.png", "b.PNG"}
    assert "caf%E9.mp4" in Path("out/report.html").read_text()
    assert Path("out/caf\udce9.mp4").exists()
    assert batch("photos", "-o", "out", "--dry-run", "--force") == 0
    told = capsys.readouterr()
    assert r"caf\udce9.png" in told.out and len(told.out.splitlines()) == 6


def test_a_second_run_does_what_is_missing_or_changed(photos: Path, stand_in: SimpleNamespace) -> None:
    mask = write_photo(photos.parent / "mask.png")

    def again(**options: object) -> list[str]:
        """Names of those that were rendered."""
        stand_in.jobs.clear()
        assert set(run("photos", mask=str(mask), **options)) <= {"done", "kept"}
        return [Path(job.photo).name for job in stand_in.jobs]

    assert again() == ["a.png", "b.PNG"]
    assert again() == []
    write_photo(photos / "a.png", 77)
    assert again() == ["a.png"]
    (photos / "b.PNG").touch()
    assert again() == []
    assert again(frames=7) == ["a.png", "b.PNG"]
    assert again(frames=7, device="cpu") == []  # where, not what
    write_photo(mask, 3, 16)
    assert again(frames=7) == ["a.png", "b.PNG"]
    Path("out/a.mp4").unlink()
    Path("out/b.mp4").write_bytes(b"cut")
    assert again(frames=7) == ["a.png", "b.PNG"]
    Path("out/.a.mp4.c3d.json").write_bytes(b'{"digest": "ab')
    assert again(frames=7) == ["a.png"]
    assert again(frames=7, force=True) == ["a.png", "b.PNG"]


def test_a_new_version_renders_anew(photos: Path, stand_in: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("photos") == ["done", "done"]
    monkeypatch.setattr(done, "__version__", "0.0.0")
    assert run("photos") == ["done", "done"]


def test_what_a_photo_is_to_blame_for_is_not_tried_again(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    def fail(job: Job) -> None:
        if job.photo.endswith("a.png"):
            raise ValueError("photo: expected a\nwhole picture")

    stand_in.before = fail
    assert batch("photos", "-o", "out") == 1
    assert "a.png: photo: expected a whole picture" in capsys.readouterr().err
    stand_in.before = lambda job: None
    stand_in.jobs.clear()
    assert batch("photos", "-o", "out", "--quiet") == 1
    assert not stand_in.jobs
    assert [row["state"] for row in lines(Path("out/report.jsonl"))] == ["failed", "kept"]
    assert batch("photos", "-o", "out", "--retry-failed", "--quiet") == 0
    assert [Path(job.photo).name for job in stand_in.jobs] == ["a.png"]


def test_what_the_machine_is_to_blame_for_is_tried_again(photos: Path, stand_in: SimpleNamespace) -> None:
    def fail(job: Job) -> None:
        raise OSError("photo: cannot read it: Input/output error")

    stand_in.before = fail
    assert run("photos") == ["failed", "failed"]
    assert not list(Path("out").glob(".*"))
    stand_in.before = lambda job: None
    assert run("photos") == ["done", "done"]


def test_a_fault_of_the_program_is_one_photo_s_row(photos: Path, stand_in: SimpleNamespace) -> None:
    stand_in.before = lambda job: {}[job.photo]
    assert batch("photos", "-o", "out", "--quiet") == 1
    assert lines(Path("out/report.jsonl"))[0]["reason"].startswith("KeyError: ")


def test_a_full_disk_ends_the_batch(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    def fail(job: Job) -> None:
        if job.photo.endswith("b.PNG"):
            raise OSError("out: no room") from OSError(errno.ENOSPC, "No space left on device")

    stand_in.before = fail
    assert batch("photos", "-o", "out", "--recursive") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "c3drender: error: out: no room; 2 left, the same command goes on from there"
    )
    stand_in.before = lambda job: None
    assert batch("photos", "-o", "out", "--recursive", "--quiet") == 0
    assert [row["state"] for row in lines(Path("out/report.jsonl"))] == ["kept", "done", "done"]


def test_ctrl_c_finishes_what_is_rendered(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    stand_in.before = lambda job: os.kill(os.getpid(), signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    assert batch("photos", "-o", "out", "--recursive") == 130
    told = capsys.readouterr().err
    assert "finishing what is being rendered" in told and "2 of 3 left, the same command goes on" in told
    assert [path.name for path in Path("out").glob("*.mp4")] == ["a.mp4"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_abandons_it(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    def twice(job: Job) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    stand_in.before = twice
    assert batch("photos", "-o", "out") == 130
    told = capsys.readouterr().err
    assert "2 of 2 left" in told and told.endswith("c3drender: interrupted\n")
    assert not list(Path("out").glob("*.mp4")) and not list(Path("out").glob(".*"))


def test_what_another_batch_works_on_is_waited_for(photos: Path, stand_in: SimpleNamespace, monkeypatch) -> None:
    monkeypatch.setattr(here, "WAIT_S", 0.02)
    Path("out").mkdir()
    out = str(photos.parent / "out" / "a.mp4")
    seen = []

    def other() -> None:
        with done.claim(out) as claim:
            started.set()
            assert other_is_seen.wait(20)
            digest = done.digest_of(str(photos / "a.png"), {})
            Path(out).write_bytes(b"theirs")
            claim.write(done.Record(digest, done.DONE, len(b"theirs")))

    started, other_is_seen = threading.Event(), threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    assert started.wait(20)
    for result in c3d.batch.run("photos", "out", workers=0):
        seen.append((Path(result.out).name, result.state))
        other_is_seen.set()
    thread.join()
    assert seen == [("b.mp4", "done"), ("a.mp4", "kept")]
    assert Path(out).read_bytes() == b"theirs"


def test_a_claim_survives_the_removal_of_its_file(tmp_path: Path) -> None:
    out = str(tmp_path / "a.mp4")
    with done.claim(out):
        with pytest.raises(done.Busy), done.claim(out):
            pass
        assert Path(done.record_place(out)).exists()
    assert not Path(done.record_place(out)).exists()
    with done.claim(out) as claim:
        claim.write(done.Record("d", done.FAILED, reason="why"))
    assert done.read_record(out) == done.Record("d", done.FAILED, reason="why")


def test_records_of_long_names_find_room(tmp_path: Path) -> None:
    out = str(tmp_path / ("n" * 250 + ".mp4"))
    with done.claim(out) as claim:
        claim.write(done.Record("d", done.DONE, 1))
    assert done.read_record(out) is not None


def test_parts_are_whole_apart_and_stay_when_photos_arrive() -> None:
    jobs = [Job("p", f"/out/{n}.mp4") for n in range(200)]
    parts = [rows.shard(jobs, n, 3) for n in range(3)]
    assert sorted(job.out for part in parts for job in part) == sorted(job.out for job in jobs)
    assert min(map(len, parts)) > 30
    assert set(map(id, rows.shard(jobs[::2], 1, 3))) == set(map(id, parts[1])) & set(map(id, jobs[::2]))
    assert rows.read_shard("0/8") == (0, 8)
    for text in ("8/8", "1", "a/b", "-1/4", "1/0"):
        with pytest.raises(ValueError, match="shard: expected I/N"):
            rows.read_shard(text)


def test_shards_write_reports_of_their_own(photos: Path, stand_in: SimpleNamespace) -> None:
    for n in range(2):
        assert batch("photos", "-o", "out", "--recursive", "--shard", f"{n}/2", "--quiet") == 0
    assert len(stand_in.jobs) == 3
    rows_told = [row for n in range(2) for row in lines(Path(f"out/report-{n}-of-2.jsonl"))]
    assert len(rows_told) == 3


def test_dry_run_writes_nothing(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    assert batch("photos", "-o", "out", "--dry-run") == 0
    told = capsys.readouterr().out
    assert told.count("to do: ") == 2 and told.endswith("2 to do, 0 kept, 0 failed\n")
    assert not Path("out").exists() and not stand_in.jobs


def test_json_lines_are_all_that_goes_to_standard_output(photos: Path, stand_in: SimpleNamespace, capsys) -> None:
    stand_in.before = lambda job: print("(raylet) A worker died")
    assert batch("photos", "-o", "out", "--log", "json") == 0
    told = capsys.readouterr()
    assert [json.loads(line)["state"] for line in told.out.splitlines()] == ["done", "done"]
    assert json.loads(told.out.splitlines()[0])["notes"] == ["a note"]
    assert told.err.splitlines() == [*["(raylet) A worker died"] * 2, "2 done, 0 kept, 0 failed; out/report.html"]


def test_reports_show_failures_first_and_no_markup_of_a_name(tmp_path: Path) -> None:
    with report.Report(tmp_path) as told, report.Report(tmp_path) as beside:
        told.add(c3d.batch.Result("/p/a.jpg", str(tmp_path / "a.mp4"), "done", poster="cG9zdGVy"))
        told.add(c3d.batch.Result("/p/<b>.jpg", str(tmp_path / "b.mp4"), "failed", "photo: <script>"))
        told.add(c3d.batch.Result("=cmd", "s3://bucket/c.gif", "kept"))
        told.finish()
        beside.finish()
    assert [row["state"] for row in lines(tmp_path / "report.jsonl")] == ["done", "failed", "kept"]
    with (tmp_path / "report.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["state"] for row in table] == ["failed", "done", "kept"] and table[2]["photo"] == "'=cmd"
    page = (tmp_path / "report.html").read_text()
    assert page.index("&lt;script&gt;") < page.index("a.mp4") and "<script>" not in page
    assert 'src="a.mp4"' in page and 'href="s3://bucket/c.gif"' in page
    assert (tmp_path / "report-2.html").exists()


def test_urls_of_fsspec_are_read_and_written(photos: Path, stand_in: SimpleNamespace) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install c3drender[batch]")
    memory = fsspec.filesystem("memory")
    for name in ("a.png", "deep/c.png"):
        memory.pipe_file(f"/in/{name}", (photos / name).read_bytes())
    memory.pipe_file("/in/mask.bin", b"a mask")
    try:
        given = {"recursive": True, "glob": "*.png", "mask": "memory://in/mask.bin"}
        assert run("memory://in", "memory://out", **given) == ["done", "done"]
        assert memory.cat_file("/out/deep/c.mp4") == b"video of " + (photos / "deep" / "c.png").read_bytes()[-8:]
        assert Path(stand_in.jobs[0].options["mask"]).name == "mask_mask.bin"
        assert run("memory://in", "memory://out", **given) == ["kept", "kept"]
        assert not [name for name in memory.find("/out") if not name.endswith((".mp4", ".c3d.json"))]
        if HAS_RAY:
            with pytest.raises(ValueError, match="workers: expected 0 with memory://, which no other process sees, got 2"):
                list(c3d.batch.run("memory://in", "memory://other", workers=2))
        with pytest.raises(ValueError, match="photos: expected a URL that fsspec can open, got nothing://x"):
            list(rows.find_photos("nothing://x"))
    finally:
        memory.rm("/in", recursive=True)
        memory.rm("/out", recursive=True)


def test_file_urls_are_paths(photos: Path, stand_in: SimpleNamespace) -> None:
    assert run(f"file://{photos}", f"file://{photos.parent}/out") == ["done", "done"]
    assert storage.size_of(str(photos.parent / "out" / "a.mp4"))


def test_rows_of_a_list_have_options_of_their_own(photos: Path, stand_in: SimpleNamespace) -> None:
    given = [photos / "a.png", {"photo": "photos/b.PNG", "out": "own.gif", "frames": np.int64(5), "hints": [((1, 2), (3, 4))]}]
    assert run(given, frames=3) == ["done", "done"]
    first, second = stand_in.jobs
    assert (first.options, Path(first.out).name) == ({"frames": 3}, "a.mp4")
    assert (second.options, Path(second.out).name) == ({"frames": 5, "hints": [[[1, 2], [3, 4]]]}, "own.gif")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"workers": -1}, "workers: expected a whole number >= 0, got -1"),
        ({"cpus": 0}, "cpus: expected more than 0"),
        ({"gpus": 1, "workers": 0}, "gpus 1: expected more than 0 workers" if HAS_RAY else "gpus 1: expected Ray"),
        ({"gpus": "one"}, "gpus: expected a number >= 0, got 'one'"),
        ({"part": "2/2"}, "shard: expected I/N"),
        ({"frames": 0}, "frames: expected 1 to"),
        ({"colour": "p3"}, "colour: expected an option"),
        ({"suffix": "avi"}, "out: expected the suffix"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(photos: Path, options: dict, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        c3d.batch.run("photos", "out", **options)


def test_without_ray_a_line_says_how_to_get_more(photos: Path, stand_in, monkeypatch, capsys) -> None:
    from c3drender.batch import command
    from c3drender.batch import run as run_module  # noqa: F401  (the function shadows its module)

    monkeypatch.setattr(command, "has_ray", lambda: False)
    monkeypatch.setattr(sys.modules["c3drender.batch.run"], "has_ray", lambda: False)
    assert cli.main(["batch", "photos", "-o", "out"]) == 0
    assert "pip install c3drender[batch] takes every core" in capsys.readouterr().out
    assert cli.main(["batch", "photos", "-o", "out", "--workers", "2"]) == 2
    assert "workers 2: expected Ray, which is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["photos", "jobs.csv"])
def test_render_points_at_batch(photos: Path, capsys, given: str) -> None:
    Path("jobs.csv").write_text("photo\nphotos/a.png\n")
    assert cli.main(["render", given]) == 2
    assert "c3drender batch" in capsys.readouterr().err
    with pytest.raises(TypeError, match=r"photo: expected one photo, got a list of 2; c3drender\.batch\.run renders many"):
        c3d.render_cinemagraph(["a.png", "b.png"], "out.mp4")


def test_larger_photos_ask_for_more_memory() -> None:
    small, large = needed_bytes(600, 800, {}), needed_bytes(2160, 3840, {"size": "photo"})
    assert small < large
    assert needed_bytes(2160, 3840, {"size": 800}) < needed_bytes(2160, 3840, {}) < large
    assert [on_ray.class_of(size) // 2**30 for size in (1, 2**30, 2**30 + 1, 5 * 2**30)] == [1, 1, 2, 8]


def test_memory_is_known_from_the_header(photos: Path) -> None:
    write_photo(photos / "large.png", side=1500)
    whole = (photos / "large.png").read_bytes()
    (photos / "large.png").write_bytes(whole[:200])
    planned = {Path(one.job.photo).name: one for one in plan.plan(rows.read_jobs(rows.find_photos("photos"), "out", {}))}
    assert planned["large.png"].need_bytes == needed_bytes(1500, 1500, {}) > planned["a.png"].need_bytes


def test_a_renderer_takes_batches_of_ray_data(photos: Path, stand_in: SimpleNamespace) -> None:
    actor = c3d.batch.Renderer("out", threads=None, frames=4)
    column = np.array([str(photos / "a.png"), "gone.png"], dtype=object)
    told = actor({"photo": column, "speed": np.array([2.0, np.nan])})
    assert told["state"] == ["done", "failed"] and told["notes"] == ["a note", ""]
    assert stand_in.jobs[0].options == {"frames": 4, "speed": 2.0}
    assert "poster" not in told


def test_real_photos_become_what_render_makes(photos: Path) -> None:
    """No stand-in: pixels, posters and notes."""
    assert batch("photos/a.png", "-o", "out", "--format", "gif", "--frames", "2", "--depth", "builtin", "--quiet") == 0
    c3d.render_cinemagraph("photos/a.png", "one.gif", frames=2, depth="builtin", progress=False)
    with PIL.Image.open("out/a.gif") as made, PIL.Image.open("one.gif") as wanted:
        assert made.size == wanted.size and made.n_frames == wanted.n_frames
    record = done.read_record("out/a.gif")
    assert record is not None and record.poster and record.bytes == Path("out/a.gif").stat().st_size


class Mortal(renderer.Renderer):
    """A worker that ends as the photo's name says, and renders nothing."""

    def ready(self) -> str:
        return self._worker

    def render(self, job: Job) -> renderer.Result:
        name = Path(job.photo).stem
        folder = Path(job.out).parent
        folder.mkdir(exist_ok=True)
        tries = len(list(folder.glob(f"{name}.try*")))
        (folder / f"{name}.try{tries}").touch()
        if name == "killer" or (name == "once" and tries == 0):
            (folder / f".{name}.0123abcd.part.mp4").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        Path(job.out).write_bytes(name.encode())
        return renderer.Result(job.photo, job.out, "done", worker=self._worker)


@pytest.fixture
def mortal_on_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, renderer.Result]]]:
    """``f(photos, needs, **crew)``: results by the photo's stem."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install c3drender[batch]")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(c3d.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setattr(on_ray, "Renderer", Mortal)
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])

    def render(photos: list[Path], needs: dict[str, int], **crew: object) -> dict[str, renderer.Result]:
        planned = [
            plan.Planned(Job(str(photo), str(photo.parent / "out" / f"{photo.stem}.mp4")), None, needs.get(photo.stem, 1))
            for photo in photos
        ]
        results = on_ray.render_on_ray(planned, {}, on_ray.Crew(**crew), threading.Event())
        return {Path(result.photo).stem: result for result in results}

    yield render
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert not ray.is_initialized()


@needs_ray
def test_a_cluster_that_runs_here_is_joined_only_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    asked: list[dict] = []
    monkeypatch.setattr(ray, "init", lambda **options: asked.append(options))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for address in (None, "auto", "10.0.0.1:6379"):
        assert on_ray._connect(on_ray.Crew(address=address))
    assert [options["address"] for options in asked] == ["local", "auto", "10.0.0.1:6379"]
    assert "num_cpus" in asked[0] and "num_cpus" not in asked[1]


@needs_ray
@pytest.mark.parametrize(("more", "alone"), [([], True), (["--ray", "auto"], False)])
def test_only_a_cluster_of_its_own_keeps_to_this_machine(photos: Path, monkeypatch, more: list[str], alone: bool) -> None:
    from c3drender.batch import command

    name, value = command.ON_LOOPBACK
    monkeypatch.setenv(name, value)  # so that it is put back
    monkeypatch.delenv(name)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(command, "work", lambda *_: (result for result in ()))
    assert cli.main(["batch", "photos", "-o", "out", "--quiet", *more]) == 0
    assert os.environ.get(name) == (value if alone else None)


def test_what_another_machine_keeps_to_itself_ends_the_batch(tmp_path: Path) -> None:
    fleet = on_ray._Fleet(on_ray.Crew(), {})
    (tmp_path / "a.mp4").touch()
    for out in ("s3://bucket/a.mp4", str(tmp_path / "a.mp4")):
        fleet.check_shared(renderer.Result("p", out, "done", worker="elsewhere:1"))
    for folder in ("deep", "."):
        (tmp_path / folder).mkdir(exist_ok=True)
        with pytest.raises(OSError, match=r"out: expected a folder that all machines .* was written on another and is not"):
            fleet.check_shared(renderer.Result("p", str(tmp_path / folder / "b.mp4"), "done", worker="another:1"))


@needs_ray
def test_workers_that_die_are_replaced_and_a_killer_is_named(tmp_path: Path, mortal_on_ray) -> None:
    photos = [write_photo(tmp_path / f"{name}.png") for name in ("killer", "once", "well", "huge")]
    results = mortal_on_ray(photos, {"huge": 2**60}, workers=1)
    assert {name: result.state for name, result in results.items()} == {
        "killer": "failed",
        "once": "done",
        "well": "done",
        "huge": "failed",
    }
    assert (results["once"].deaths, results["killer"].deaths, results["well"].deaths) == (1, 3, 0)
    assert results["killer"].reason.startswith("killed by it: 3 workers died over this photo")
    assert results["huge"].reason.startswith("memory: needs 1.07374e+09 GiB, the largest machine has ")
    assert len(list((tmp_path / "out").glob("killer.try*"))) == 3
    assert not list((tmp_path / "out").glob(".killer.*.part*"))
    record = done.read_record(str(tmp_path / "out" / "killer.mp4"))
    assert record is not None and record.state == done.FAILED
