"""The command ``c3drender``, also ``python -m c3drender``."""

import sys


def run() -> int:
    try:
        from .cli import main
        from .program import set_up_process

        set_up_process()
    except KeyboardInterrupt:  # so early that nothing could catch it yet
        print("c3drender: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(run())
