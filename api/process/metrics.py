"""What the processes of an API counted, all together, for Prometheus."""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector


def process_metrics() -> CollectorRegistry:
    """Return the counts of all processes at this address, whichever is asked."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return REGISTRY  # there is only this one
    _forget_the_dead(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    is_one_of_several = multiprocessing.parent_process() is not None
    registry.register(_Processes(os.getppid() if is_one_of_several else os.getpid()))
    return registry


def _forget_the_dead(folder: Path) -> None:
    """Remove the gauges of processes that have ended; their counters stay."""
    for file in folder.glob("gauge_live*_*.db"):
        name = file.stem.rpartition("_")[2]
        # A process that reads sheets has a name, under which its successor counts on.
        if name.isdigit() and not psutil.pid_exists(pid := int(name)):
            # Another process may be asked at the same moment, and be first.
            with contextlib.suppress(FileNotFoundError):
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


class _Processes(Collector):
    """Prometheus' usual figures of a process, as sums: it has none for several at one address."""

    def __init__(self, parent: int) -> None:
        self._parent = psutil.Process(parent)

    def collect(self) -> Iterator[Metric]:
        memory, seconds = 0, 0.0
        for process in (self._parent, *self._parent.children(recursive=True)):
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
            value=self._parent.create_time(),
        )
