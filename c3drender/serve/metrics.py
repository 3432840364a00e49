"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000)


class Metrics:
    """Counters of one service; two in one process do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.jobs = Counter("c3drender_jobs", "Jobs that have ended, by how", ["state"], registry=self.registry)
        self.refused = Counter("c3drender_refused", "Posts that became no job, by status", ["status"], registry=self.registry)
        self.queued = Gauge("c3drender_jobs_queued", "Jobs that wait", registry=self.registry)
        self.running = Gauge("c3drender_jobs_running", "Jobs that are being rendered", registry=self.registry)
        self.waited = Histogram(
            "c3drender_wait_seconds", "From the post to the start", buckets=SECONDS, registry=self.registry
        )
        self.rendered = Histogram(
            "c3drender_render_seconds", "From the start to the end", buckets=SECONDS, registry=self.registry
        )

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)
