"""The command ``c3drender``, also ``python -m c3drender``."""

import gc
import sys

COLLECT_EVERY = 20_000  # new objects: modules bring hundreds of thousands, of which none is garbage


def run() -> int:
    gc.set_threshold(COLLECT_EVERY)
    try:
        from .cli import main
    except KeyboardInterrupt:  # so early that nothing could catch it yet
        print("c3drender: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(run())
