"""What Postgres and the broker know of all processes, as Prometheus' families.

Every API process gives the same, so dashboards take the `max` of them, never the sum.
"""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlmodel import Session

from core import cache_stats, queue_stats
from core.broker import Broker
from core.cache_metrics import Level
from core.cache_stats import Holding
from core.domain.lanes import Lane
from core.domain.states import GenerationState
from core.errors import ServiceDownError
from core.lifecycle.serving import abandoned_images
from core.queue_stats import LaneStats
from core.webhooks.log import backlog


def shared_metrics(session: Session, broker: Broker) -> CollectorRegistry:
    """Compute the metrics once, and return them."""
    registry = CollectorRegistry()
    registry.register(_Caches(cache_stats.stored(session)))
    registry.register(_QueueMetrics(queue_stats.read(session), abandoned_images(session)))
    registry.register(_Webhooks(*backlog(session)))
    registry.register(_Broker(broker))
    return registry


class _QueueMetrics(Collector):
    def __init__(self, lanes: Sequence[LaneStats], abandoned: Mapping[str, int]) -> None:
        self._lanes = lanes
        self._abandoned = abandoned

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "packshot_queue_depth", "Images that wait for a worker.", labels=["lane"]
        )
        oldest = GaugeMetricFamily(
            "packshot_queue_oldest_seconds",
            "Seconds since the oldest waiting image was asked for.",
            labels=["lane"],
        )
        running = GaugeMetricFamily(
            "packshot_running_images", "Images that a worker holds.", labels=["lane"]
        )
        for one in self._lanes:
            if one.state is GenerationState.QUEUED:
                waiting.add_metric([one.lane.value], one.number)
                oldest.add_metric([one.lane.value], one.oldest_seconds)
            else:
                running.add_metric([one.lane.value], one.number)
        yield from (waiting, oldest, running)
        yield GaugeMetricFamily(
            "packshot_waiting_for_model_images",
            "Images that wait for a model that no worker serves, while workers serve another one.",
            value=sum(self._abandoned.values()),
        )


class _Webhooks(Collector):
    def __init__(self, pending: int, lag_seconds: float) -> None:
        self._pending = pending
        self._lag_seconds = lag_seconds

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "packshot_webhook_pending",
            "Webhook deliveries that are not finished, those that wait for another attempt too.",
            value=self._pending,
        )
        yield GaugeMetricFamily(
            "packshot_webhook_lag_seconds",
            "Seconds that the most overdue webhook delivery is late; what waits for another "
            "attempt, or because its receiver asked for a pause, is not.",
            value=self._lag_seconds,
        )


class _Broker(Collector):
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def collect(self) -> Iterator[Metric]:
        messages = GaugeMetricFamily(
            "packshot_broker_messages", "Messages that wait in the broker.", labels=["lane"]
        )
        try:
            for lane in Lane:
                messages.add_metric([lane.value], self._broker.depth(lane))
            answers = 1
        except ServiceDownError:
            answers = 0
        yield GaugeMetricFamily("packshot_broker_up", "Whether the broker answers.", value=answers)
        yield messages


class _Caches(Collector):
    def __init__(self, stored: Mapping[Level, Holding]) -> None:
        self._stored = stored

    def collect(self) -> Iterator[Metric]:
        labels = ["level", "place"]
        size = GaugeMetricFamily("packshot_cache_bytes", "Bytes that are stored.", labels=labels)
        entries = GaugeMetricFamily(
            "packshot_cache_entries", "Entries that are stored.", labels=labels
        )
        for level, holding in self._stored.items():
            size.add_metric([level.value, "store"], holding.size)
            entries.add_metric([level.value, "store"], holding.entries)
        yield from (size, entries)
