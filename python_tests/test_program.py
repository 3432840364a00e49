"""What the command line sets for its process."""

import subprocess
import sys


def test_a_program_looks_for_no_garbage_when_it_ends():
    # Of what is called at the end, the first that was registered comes last.
    lines = "import atexit, gc", "atexit.register(lambda: print(gc.get_freeze_count() > 1000))"
    program = "\n".join([*lines, "from c3drender.program import set_up_process", "set_up_process()"])
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"
