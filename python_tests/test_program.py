"""What the command line sets for its process."""

import platform
import subprocess
import sys

import pytest

SET_UP = "from c3drender.program import set_up_process", "set_up_process()"


def test_a_program_looks_for_no_garbage_when_it_ends():
    # Of what is called at the end, the first that was registered comes last.
    lines = "import atexit, gc", "atexit.register(lambda: print(gc.get_freeze_count() > 1000))"
    assert printed_by(*lines, *SET_UP) == "True\n"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are not told to keep memory")
def test_a_thread_takes_memory_that_another_has_freed():
    plane = """
def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    len(b"1" * 40_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before"""
    beside = (
        "page_faults()",
        "thread = threading.Thread(target=lambda: print(page_faults()))",
        "thread.start()",
        "thread.join()",
    )
    assert int(printed_by("import resource, threading", *SET_UP, plane, *beside)) < 1000  # all of it anew: 10,000


def printed_by(*lines: str) -> str:
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True).stdout
