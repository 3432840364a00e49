"""The command ``c3drender``, also ``python -m c3drender``."""

import os
import sys

# Read when torch is loaded, which is later: its threads sleep where they wait for each other, instead of spinning while the
# one that they wait for is off its core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def run() -> int:
    try:
        from .cli import main
    except KeyboardInterrupt:  # so early that nothing could catch it yet
        print("c3drender: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(run())
