"""What a program of this package sets for its whole process; a library, which shares it with others, leaves both alone."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys

COLLECT_EVERY = 20_000  # new objects: modules bring hundreds of thousands, of which none is garbage
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of mallopt(3)
MOST_BYTES = 1 << 30


def set_up_process() -> None:
    """Collect garbage less often, and keep freed memory for what comes next, in whichever thread: planes as large as the photo
    come and go by the hundreds, and each would be fresh memory, which the system clears and hands out page by page. At the end
    look for no garbage at all: the system takes back torch's 300,000 objects at once, Python sorts them one by one."""
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries than the GNU one have none
        if mallopt is not None:
            mallopt(MMAP_THRESHOLD, MOST_BYTES)
            mallopt(TRIM_THRESHOLD, MOST_BYTES)
            mallopt(ARENA_MAX, 1)
