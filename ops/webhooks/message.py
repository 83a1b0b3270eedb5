"""A message as it goes out: Standard Webhooks 1.0."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook

from core.links import batch_path, image_path, job_path, results_path
from core.webhooks.deliveries import WebhookMessage
from core.webhooks.event_types import EventType, event_name

USER_AGENT = "packshot-webhooks/1"


def write_body(message: WebhookMessage, *, public_url: str = "") -> bytes:
    """Write what is sent: the same bytes for every attempt.

    Args:
        message: What happened.
        public_url: What callers put before the paths of the API; empty: the paths alone.
    """
    document = {
        "type": message.type,
        "timestamp": message.created_at.astimezone(UTC).isoformat(),
        "data": {
            "sequence": message.sequence,
            **message.data,
            "links": {
                name: public_url.rstrip("/") + path for name, path in _links(message).items()
            },
        },
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _links(message: WebhookMessage) -> Mapping[str, str]:
    links = {}
    if message.job_id is not None:
        links["job"] = job_path(message.job_id)
        if message.type in (EventType.IMAGE_COMPLETED, EventType.IMAGE_APPROVED):
            links["image"] = image_path(message.job_id)
    if message.batch_id is not None:
        links["batch"] = batch_path(message.batch_id)
        links["results"] = results_path(message.batch_id)
    return links


def write_headers(message: WebhookMessage, body: bytes, *, now: datetime) -> Mapping[str, str]:
    """Sign a body, with every secret that is valid now.

    Args:
        message: Whose body it is.
        body: As it is sent.
        now: Aware: the library takes others for UTC whatever they are.
    """
    now = now.astimezone(UTC)
    identity = event_name(message.event_id)
    signatures = [Webhook(secret).sign(identity, now, body.decode()) for secret in message.secrets]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": USER_AGENT,
        "webhook-id": identity,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
