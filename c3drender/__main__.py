"""The command ``c3drender``, also ``python -m c3drender``."""

import sys


def run() -> int:
    try:
        from .cli import main
    except KeyboardInterrupt:  # so early that nothing could catch it yet
        print("c3drender: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(run())
