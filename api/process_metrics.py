"""What the processes of an API counted, all together, for Prometheus."""

from collections.abc import Iterator

import psutil
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.family import Family


def process_metrics(family: Family | None) -> CollectorRegistry:
    """Give the counts of a family, whichever of its processes is asked; None: of this process."""
    if family is None:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Processes(family.first))
    return registry


class _Processes(Collector):
    """Prometheus' usual figures of a process, as sums: it has none for several at one address."""

    def __init__(self, first: int) -> None:
        self._first = psutil.Process(first)

    def collect(self) -> Iterator[Metric]:
        memory, seconds = 0, 0.0
        for process in (self._first, *self._first.children(recursive=True)):
            try:
                with process.oneshot():
                    memory += process.memory_info().rss
                    times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            # Those of processes that ended, too: a counter does not go down.
            seconds += times.user + times.system + times.children_user + times.children_system
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory of all processes.", value=memory
        )
        yield CounterMetricFamily(
            "process_cpu_seconds", "CPU seconds of all processes.", value=seconds
        )
        yield GaugeMetricFamily(
            "process_start_time_seconds",
            "When the first of them started, since the epoch.",
            value=self._first.create_time(),
        )
