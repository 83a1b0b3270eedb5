"""A message as it goes out, read by the library that receivers use."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from core.db.models import CallbackSecret
from core.webhooks.deliveries import WebhookMessage
from core.webhooks.payloads import MOST_REASON
from core.webhooks.secrets import active_secrets, make_secret, rotate
from ops.webhooks.message import write_body, write_headers

JOB, BATCH = UUID(int=1), UUID(int=2)


def message(secrets: Sequence[str] = (), **values: Any) -> WebhookMessage:
    return WebhookMessage(
        **{
            "delivery_id": UUID(int=3),
            "attempt": 1,
            "tenant": "shop",
            "queue": UUID(int=4),
            "endpoint_id": UUID(int=4),
            "url": "https://shop.example/hook",
            "secrets": list(secrets) or [make_secret()],
            "event_id": UUID(int=5),
            "type": "image.completed",
            "sequence": 7,
            "batch_id": BATCH,
            "job_id": JOB,
            "data": {"job_id": str(JOB), "sku": "MUG-1"},
            "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        }
        | values
    )


def test_a_body_says_what_happened_and_where_to_look():
    document = json.loads(write_body(message(), public_url="https://images.example/"))
    assert document == {
        "type": "image.completed",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "data": {
            "sequence": 7,
            "job_id": str(JOB),
            "sku": "MUG-1",
            "links": {
                "job": f"https://images.example/v1/jobs/{JOB}",
                "image": f"https://images.example/v1/jobs/{JOB}/image",
                "batch": f"https://images.example/v1/batches/{BATCH}",
                "results": f"https://images.example/v1/batches/{BATCH}/results.csv",
            },
        },
    }


def test_without_a_public_address_links_are_paths_and_a_failed_image_has_none():
    document = json.loads(write_body(message(type="image.failed", batch_id=None)))
    assert document["data"]["links"] == {"job": f"/v1/jobs/{JOB}"}


def test_every_valid_secret_signs_and_no_other():
    one, two, other = make_secret(), make_secret(), make_secret()
    sent = message([one, two])
    body = write_body(sent)
    headers = dict(write_headers(sent, body, now=datetime.now(UTC)))
    assert headers["webhook-id"] == f"msg_{UUID(int=5).hex}"
    for secret in (one, two):
        assert Webhook(secret).verify(body, headers)["data"]["sku"] == "MUG-1"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(one).verify(body + b" ", headers)


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(-12, 14))
def test_a_signature_holds_for_every_text_and_in_every_time_zone(sku: str, hours: int):
    sent = message(data={"sku": sku})
    body = write_body(sent)
    now = datetime.now(timezone(timedelta(hours=hours)))
    headers = dict(write_headers(sent, body, now=now))
    assert Webhook(sent.secrets[0]).verify(body, headers)["data"]["sku"] == sku


def test_the_largest_message_is_below_the_limit_of_the_standard():
    longest = {
        "sku": "ü" * 200,
        "name": "ü" * 200,
        "error": {"code": "generation_failed", "message": "ü" * MOST_REASON},
        "url": "https://shop.example/" + "a" * 2000,
    }
    assert len(write_body(message(data=longest))) < 20_000


def test_a_replaced_secret_signs_until_its_time_is_over():
    now = datetime.now(UTC)
    holder = CallbackSecret(tenant="shop", secret=make_secret())
    first = holder.secret
    second = rotate(holder, now=now, overlap_seconds=60)
    assert active_secrets(holder, now) == [second, first]
    assert active_secrets(holder, now + timedelta(seconds=61)) == [second]
    third = rotate(holder, now=now, overlap_seconds=0)
    assert active_secrets(holder, now) == [third]
