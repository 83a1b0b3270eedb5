"""What a webhook receiver was told, verified and compared with what happened."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook, WebhookVerificationError

from core.models import Batch, Job, WebhookEvent
from core.webhooks.event_types import EventType, event_name
from tests.receiver import Receiver

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


def read_told(receiver: Receiver, secret: str) -> Told:
    """Verify everything that a receiver was told, as its owner would."""
    webhook, forged, received = Webhook(secret), [], list(receiver.received)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for request in received:
        identity = request.headers["webhook-id"]
        try:
            webhook.verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            forged.append(identity)
        else:
            bodies[identity].add(request.body)
    return Told(bodies=bodies, messages=len(received), forged=forged)


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
