"""What a webhook receiver was told, verified and compared with what happened."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook, WebhookVerificationError

from core.db.models import Batch, Job, WebhookEvent
from core.webhooks.event_types import EventType, event_name
from tests.receiver import Received

ENDS = {EventType.IMAGE_COMPLETED, EventType.IMAGE_FAILED, EventType.BATCH_COMPLETED}
"""What happens once to its job or batch."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the receiver was told."""

    bodies: Mapping[str, Collection[bytes]]
    """Of each id, all that came under it and was signed."""
    messages: int
    """With those that came more than once."""
    forged: Sequence[str]
    """Ids of messages whose signature was wrong."""

    def ids(self) -> Mapping[tuple[str, str], Collection[str]]:
        """Give the ids under which each thing was told: an end, or a place in a batch."""
        known: dict[tuple[str, str], set[str]] = defaultdict(set)
        for identity, bodies in self.bodies.items():
            for what in (what for body in bodies for what in _things(json.loads(body))):
                known[what].add(identity)
        return known


def _things(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind, data = message["type"], message["data"]
    if data.get("batch_id") is not None:
        yield f"place {data['sequence']}", data["batch_id"]
    if kind in ENDS:
        yield kind, data["batch_id" if kind == EventType.BATCH_COMPLETED else "job_id"]


class Listener:
    """Verifies each message when it comes, as its owner would: after five minutes it is too old."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)
        self._bodies: dict[str, set[bytes]] = defaultdict(set)
        self._forged: list[str] = []
        self._came: Counter[str] = Counter()
        self._lock = threading.Lock()

    def hear(self, request: Received) -> int:
        """Take a message; tell how often its id has come now."""
        identity = request.headers["webhook-id"]
        with self._lock:
            try:
                self._webhook.verify(request.body, dict(request.headers))
            except WebhookVerificationError:
                self._forged.append(identity)
            else:
                self._bodies[identity].add(request.body)
            self._came[identity] += 1
            return self._came[identity]

    def told(self) -> Told:
        """Give all that came."""
        with self._lock:
            bodies = {identity: set(bodies) for identity, bodies in self._bodies.items()}
            return Told(bodies=bodies, messages=self._came.total(), forged=list(self._forged))


def subject(event: WebhookEvent) -> UUID | None:
    """Give the id of what came to an end."""
    return event.batch_id if event.type == EventType.BATCH_COMPLETED else event.job_id


def undelivered(
    told: Told, batches: Sequence[Batch], jobs: Sequence[Job], events: Sequence[WebhookEvent]
) -> list[str]:
    """Name the ends and events that the receiver was not told of, and what was badly signed."""
    wanted = {(EventType.IMAGE_COMPLETED.value, str(job.id)) for job in jobs}
    wanted |= {(EventType.BATCH_COMPLETED.value, str(batch.id)) for batch in batches}
    missing = [f"{kind} {about}" for kind, about in sorted(wanted - set(told.ids()))]
    names = [event_name(event.id) for event in events]
    return missing + [name for name in names if name not in told.bodies] + list(told.forged)


def unstable(told: Told) -> list[str]:
    """Name what was told under two ids, and ids under which two things were told."""
    twice = [f"{kind} {about}" for (kind, about), ids in told.ids().items() if len(ids) > 1]
    return twice + [identity for identity, bodies in told.bodies.items() if len(bodies) > 1]
