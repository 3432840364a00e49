"""The command ``c3drender serve``."""

from __future__ import annotations

import argparse
import importlib.util
import ipaddress
import os
import tempfile
from pathlib import Path

from ..console import print_message
from .limits import Limits

NEEDS = ("fastapi", "uvicorn", "prometheus_client", "multipart", "swagger_ui_bundle")
LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"]
MEBI = 2**20
GRACE_S = 5  # for streams that are open at the end


def serve(args: argparse.Namespace) -> int:
    """Serve until Ctrl+C or SIGTERM."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"serve: expected {', '.join(missing)} to be installed: pip install c3drender[serve]")
    limits = limits_of(args)
    import uvicorn

    from .app import create_app

    local = is_loopback(args.host)
    threads = args.threads or max(1, (os.cpu_count() or 1) // args.workers)
    with tempfile.TemporaryDirectory(prefix="c3drender-serve-", dir=args.folder) as folder:
        app = create_app(Path(folder), limits, workers=args.workers, threads=threads, hosts=LOOPBACK_NAMES if local else None)
        if not local:
            print_message(f"c3drender: {args.host} is no loopback address: whoever reaches it may post photos")
        uvicorn.run(
            app,
            host=args.host,
            port=args.port,
            log_level="warning" if args.quiet else "info",
            timeout_graceful_shutdown=GRACE_S,
        )
    return 0


def limits_of(args: argparse.Namespace) -> Limits:
    """Raises ValueError for an argument that is no count."""
    for name in ("workers", "threads", "queue", "max_mpx", "max_mb", "max_seconds", "keep_minutes"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name.replace('_', '-')}: expected more than 0, got {value}")
    return Limits(
        queue=args.queue,
        pixels=round(args.max_mpx * 1e6),
        body_bytes=round(args.max_mb * MEBI),
        seconds=args.max_seconds,
        keep_s=args.keep_minutes * 60,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a service at ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
