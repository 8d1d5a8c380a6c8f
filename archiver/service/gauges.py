"""The service's metrics for Prometheus: counts, seconds and days, never names or contents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


def _counter(name: str, about: str, labels: Sequence[str], registry: CollectorRegistry) -> Counter:
    return Counter(name, about, labels, registry=registry)


@dataclass(slots=True)
class Gauges:
    """What one service counts."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    told: Counter = field(init=False)
    manifest: Gauge = field(init=False)
    stale: Gauge = field(init=False)
    missing: Gauge = field(init=False)
    overdue: Gauge = field(init=False)
    proof_age: Gauge = field(init=False)
    blocks: Gauge = field(init=False)
    log_entries: Gauge = field(init=False)
    rejects: Gauge = field(init=False)
    orders: Gauge = field(init=False)

    def __post_init__(self) -> None:
        of = self.registry
        self.requests = _counter(
            "archiver_service_requests", "Answers.", ("route", "method", "status"), of
        )
        self.seconds = Histogram(
            "archiver_service_request_seconds",
            "How long answers took.",
            ("route",),
            buckets=SECONDS,
            registry=of,
        )
        self.told = _counter("archiver_service_told", "What compliance was told of.", ("code",), of)
        one = {
            "manifest": ("archiver_service_index_manifest", "The last manifest that is indexed."),
            "stale": ("archiver_service_index_stale", "1: more is sealed than is indexed."),
            "missing": ("archiver_service_days_missing", "Closed days that are not sealed."),
            "overdue": ("archiver_service_days_overdue", "Of them, past the configured hour."),
            "proof_age": ("archiver_service_lock_proof_age_seconds", "Of the last lock proof."),
            "blocks": ("archiver_service_blocks", "What the watch has blocked."),
            "log_entries": ("archiver_service_access_entries", "Entries of this node's log."),
            "rejects": ("archiver_service_rejects", "Rows of the last 7 sealed days, rejected."),
            "orders": ("archiver_service_orders", "Orders of the last 7 sealed days."),
        }
        for name, (metric, about) in one.items():
            setattr(self, name, Gauge(metric, about, registry=of))

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; addresses that are no route's are one."""
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def count(self, code: str) -> None:
        """Count what compliance was told of."""
        self.told.labels(code).inc()

    def text(self) -> bytes:
        """Return what Prometheus reads."""
        return generate_latest(self.registry)
