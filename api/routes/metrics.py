"""For Prometheus: what the caches of all processes did, in its text format."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from pydantic import SecretStr

from api.dependencies import ServicesNow, SessionNow
from api.problems import problems
from core import cache_ledger
from core.cache_ledger import LevelStats
from core.errors import UnauthorizedError

router = APIRouter(tags=["Health"])


@router.get("/metrics", response_class=Response, responses=problems(401, 503))
def get_metrics(
    services: ServicesNow,
    session: SessionNow,
    authorization: Annotated[str, Header()] = "",
) -> Response:
    """Give the counts of all processes and tenants; every API process gives the same.

    With a token of its own (`PACKSHOT_METRICS_TOKEN`): a tenant's key must not show what other
    tenants' requests found.
    """
    _check(authorization, services.settings.metrics_token)
    registry = CollectorRegistry()
    registry.register(_Caches(cache_ledger.read(session)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _check(authorization: str, token: SecretStr | None) -> None:
    wanted = token.get_secret_value() if token else ""
    sent = authorization.removeprefix("Bearer ")
    if not wanted or not secrets.compare_digest(sent.encode(), wanted.encode()):
        raise UnauthorizedError(
            "Send the token of PACKSHOT_METRICS_TOKEN: `Authorization: Bearer <token>`. While it "
            "is not set, nobody can read the metrics."
        )


class _Caches(Collector):
    def __init__(self, levels: Sequence[LevelStats]) -> None:
        self._levels = levels

    def collect(self) -> Iterator[Metric]:
        labels = ["level", "outcome"]
        events = CounterMetricFamily(
            "packshot_cache_events", "Look-ups and removals by level and outcome.", labels=labels
        )
        steps = CounterMetricFamily(
            "packshot_cache_saved_steps", "UNet steps that were not computed.", labels=labels
        )
        seconds = CounterMetricFamily(
            "packshot_cache_saved_seconds", "Seconds of computing that were saved.", labels=labels
        )
        for level in self._levels:
            for outcome, amount in level.outcomes.items():
                events.add_metric([level.level, outcome], amount.number)
                steps.add_metric([level.level, outcome], amount.steps_saved)
                seconds.add_metric([level.level, outcome], amount.seconds_saved)
        yield from (events, steps, seconds)
        places = ["level", "place"]
        size = GaugeMetricFamily("packshot_cache_bytes", "Bytes that are held.", labels=places)
        entries = GaugeMetricFamily(
            "packshot_cache_entries", "Entries that are held.", labels=places
        )
        for level in self._levels:
            for place, holding in (("memory", level.held), ("store", level.stored)):
                if holding:
                    size.add_metric([level.level, place], holding.size)
                    entries.add_metric([level.level, place], holding.entries)
        yield from (size, entries)
