"""Webhooks over HTTP: registered, changed, tested, read and sent again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from core.db.models import WebhookDelivery, WebhookEndpoint
from core.db.models.transitions import change
from core.domain.states import DeliveryState
from ops.webhooks.deliverer import Deliverer
from tests.integration.webhooks.conftest import verified, with_deliverer
from tests.receiver import Reply, receiving

PATH = "/v1/webhook-endpoints"
URL = "https://shop.example/hook"


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"outbound_allow": "127.0.0.1", "outbound_ports": "80,443,1024-65535"}
    )


@pytest.fixture
def deliver(database):
    return lambda: with_deliverer(database, Deliverer.drain)


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def register(client, url=URL, **fields):
    answer = client.post(PATH, json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{PATH}/{answer.json()['id']}"
    return answer.json()


def test_a_secret_is_shown_once(client):
    made = register(client, "https://Shop.Example:443/hook#x", description="Our ERP")
    assert made["secret"].startswith("whsec_")
    assert made["url"] == "https://shop.example/hook"
    read = client.get(f"{PATH}/{made['id']}").json()
    assert read == {name: value for name, value in made.items() if name != "secret"}
    assert client.get(PATH).json() == {"items": [read]}
    assert read["description"] == "Our ERP"
    assert read["events"] is None


def test_what_is_not_named_stays_as_it_is(client):
    made = register(client, events=["image.failed"], description="old")
    changed = client.patch(f"{PATH}/{made['id']}", json={"description": "new"}).json()
    assert (changed["description"], changed["events"]) == ("new", ["image.failed"])
    changed = client.patch(
        f"{PATH}/{made['id']}", json={"events": None, "url": "http://8.8.8.8/"}
    ).json()
    assert (changed["events"], changed["url"]) == (None, "http://8.8.8.8/")


def test_an_endpoint_is_switched_off_and_on(client, worker, database):
    made = register(client)
    off = client.patch(f"{PATH}/{made['id']}", json={"disabled": True}).json()
    assert off["disabled_at"]
    assert off["disabled_reason"]
    for path in (f"{PATH}/{made['id']}/test", f"{PATH}/{made['id']}/replay"):
        answer = client.post(path, json={"since": "2026-01-01T00:00:00Z"})
        assert answer.status_code == 409
        assert '{"disabled": false}' in answer.json()["detail"]
    on = client.patch(f"{PATH}/{made['id']}", json={"disabled": False}).json()
    assert (on["disabled_at"], on["disabled_reason"]) == (None, None)


def test_a_deleted_endpoint_is_not_there_any_more(client):
    made = register(client)
    assert client.delete(f"{PATH}/{made['id']}").status_code == 204
    assert client.get(f"{PATH}/{made['id']}").status_code == 404
    assert client.get(PATH).json() == {"items": []}


BAD = {
    "a private address": {"url": "http://10.0.0.1/"},
    "metadata": {"url": "http://169.254.169.254/latest"},
    "a disguise": {"url": "http://2130706433/"},
    "this machine": {"url": "http://localhost/"},
    "a user": {"url": "https://a:b@shop.example/"},
    "an odd port": {"url": "https://shop.example:22/"},
    "no URL": {"url": "hello"},
    "nothing": {},
    "half a character": {"url": "https://shop.example/\ud800"},
    "an unknown event": {"url": URL, "events": ["image.eaten"]},
    "a test event": {"url": URL, "events": ["endpoint.test"]},
    "no event": {"url": URL, "events": []},
    "another field": {"url": URL, "secret": "mine"},
    "a line break": {"url": URL, "description": "a\nb"},
    "too long": {"url": URL + "a" * 2000},
}


def test_what_cannot_be_called_is_refused_and_nothing_is_made(client):
    for kind, body in BAD.items():
        # httpx would not send half a character.
        content = json.dumps(body)
        answer = client.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, kind
        assert answer.json()["detail"]
    assert client.get(PATH).json() == {"items": []}


def test_a_bad_change_changes_nothing(client):
    made = register(client)
    for body in ({"url": None}, {"disabled": None}, {"url": "http://[::1]/"}):
        assert client.patch(f"{PATH}/{made['id']}", json=body).status_code == 422
    assert client.get(f"{PATH}/{made['id']}").json()["url"] == URL


def test_the_number_of_endpoints_is_limited(client, database, monkeypatch):
    monkeypatch.setattr("core.webhooks.endpoints.MOST", 1)
    register(client)
    answer = client.post(PATH, json={"url": URL})
    assert answer.status_code == 409
    assert "delete one" in answer.json()["detail"]


def test_a_test_event_arrives_whatever_the_filter_says(client, receiver, deliver):
    made = register(client, receiver.url, events=["batch.completed"])
    answer = client.post(f"{PATH}/{made['id']}/test")
    assert answer.status_code == 202
    assert answer.json()["state"] == "pending"
    deliver()
    (document,) = verified(receiver, made["secret"])
    assert document["type"] == "endpoint.test"
    delivery = client.get(f"/v1/webhook-deliveries/{answer.json()['id']}").json()
    assert delivery["state"] == "delivered"
    assert delivery["attempts"][0]["status"] == 204
    assert delivery["next_attempt_at"] is None
    assert receiver.received[0].headers["webhook-id"] == delivery["event_id"]


def test_after_a_rotation_both_secrets_verify(client, receiver, deliver):
    made = register(client, receiver.url)
    rotated = client.post(f"{PATH}/{made['id']}/rotate-secret").json()
    assert rotated["secret"] != made["secret"]
    until = datetime.fromisoformat(rotated["previous_secret_until"]) - datetime.now(UTC)
    assert timedelta(hours=23) < until <= timedelta(hours=24)
    client.post(f"{PATH}/{made['id']}/test")
    deliver()
    verified(receiver, made["secret"], rotated["secret"])


def test_the_log_has_pages_and_what_failed_is_sent_again(client, receiver, worker, deliver):
    made = register(client, receiver.url)
    receiver.reply = lambda _: Reply(status=500)
    for number in range(3):
        worker.make(client.post("/v1/jobs", json={"prompt": f"mug {number}"}).json()["id"])
    deliver()
    first = client.get(f"{PATH}/{made['id']}/deliveries", params={"limit": 2}).json()
    rest = client.get(f"{PATH}/{made['id']}/deliveries", params={"cursor": first["next"]}).json()
    items = first["items"] + rest["items"]
    assert len({item["id"] for item in items}) == 3
    assert rest["next"] is None
    assert {item["attempts"][0]["error"] for item in items} == {"It answered 500."}
    assert all(item["next_attempt_at"] for item in items)
    assert client.get(f"{PATH}/{made['id']}/deliveries?state=failed").json()["items"] == []

    receiver.reply = lambda _: Reply()
    one = client.post(f"/v1/webhook-deliveries/{items[0]['id']}/replay")
    assert one.status_code == 202
    deliver()
    assert client.get(f"/v1/webhook-deliveries/{one.json()['id']}").json()["state"] == "delivered"
    assert receiver.received[-1].headers["webhook-id"] == items[0]["event_id"]


def test_all_since_a_moment_are_sent_again(client, receiver, worker, deliver, database):
    made = register(client, receiver.url)
    worker.make(client.post("/v1/jobs", json={"prompt": "a mug"}).json()["id"])
    deliver()
    path = f"{PATH}/{made['id']}/replay"
    assert client.post(
        path, json={"since": "2020-01-01T00:00:00Z", "failed_only": True}
    ).json() == {"deliveries": 0}
    answer = client.post(path, json={"since": "2020-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 1})
    deliver()
    assert len(receiver.received) == 2
    for since in ("2020-01-01T00:00:00", "yesterday", None):
        assert client.post(path, json={"since": since}).status_code == 422


def test_a_callback_needs_a_secret_first(client, receiver, worker, deliver):
    body = {"prompt": "a mug", "callback_url": receiver.url}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 409
    assert "POST /v1/callbacks/secret" in answer.json()["detail"]
    for dry_run in ("true", "false"):
        answer = client.post(
            "/v1/batches",
            files={"file": ("sheet.csv", "sku,prompt\na,mug\n", "text/csv")},
            data={"callback_url": receiver.url, "dry_run": dry_run},
        )
        assert answer.status_code == 409, "a dry run says what would become of it"
    secret = client.post("/v1/callbacks/secret").json()["secret"]
    job = client.post("/v1/jobs", json=body).json()
    worker.make(job["id"])
    deliver()
    (document,) = verified(receiver, secret)
    assert document["data"]["job_id"] == job["id"]
    (delivery,) = client.get("/v1/callbacks/deliveries").json()["items"]
    assert (delivery["url"], delivery["endpoint_id"]) == (receiver.url, None)
    assert delivery["job_id"] == job["id"]

    again = client.post("/v1/callbacks/secret").json()["secret"]
    client.post(f"/v1/webhook-deliveries/{delivery['id']}/replay")
    deliver()
    assert receiver.received[0].headers["webhook-id"] == receiver.received[1].headers["webhook-id"]
    receiver.received.pop(0)
    verified(receiver, secret, again)


def test_a_repeat_tells_its_callback_too_and_is_the_same_image(client, receiver, worker, deliver):
    secret = client.post("/v1/callbacks/secret").json()["secret"]
    worker.make(client.post("/v1/jobs", json={"prompt": "a mug"}).json()["id"])
    for number in range(3):
        body = {"prompt": "a mug", "callback_url": f"{receiver.url}?n={number}"}
        assert client.post("/v1/jobs", json=body).json()["cache"] == "exact"
    deliver()
    verified(receiver, secret)
    assert sorted(request.path for request in receiver.received) == [
        f"/hook?n={number}" for number in range(3)
    ]


def test_a_callback_inside_is_refused_and_nothing_is_queued(client):
    client.post("/v1/callbacks/secret")
    for url in ("http://10.0.0.1/", "ftp://shop.example/", "http://localhost/"):
        answer = client.post("/v1/jobs", json={"prompt": "a mug", "callback_url": url})
        assert answer.status_code == 422
        assert answer.json()["code"] == "forbidden_url"
        answer = client.post(
            "/v1/batches",
            files={"file": ("sheet.csv", "sku,prompt\na,mug\n", "text/csv")},
            data={"callback_url": url},
        )
        assert answer.status_code == 422
    assert client.get("/v1/batches").json()["items"] == []


def test_a_sheets_callback_hears_of_its_end(client, send, receiver, worker, deliver):
    secret = client.post("/v1/callbacks/secret").json()["secret"]
    batch = send(client, "sku,prompt\nA,a mug\n", callback_url=receiver.url)
    (item,) = client.get(f"/v1/batches/{batch['id']}/items").json()["items"]
    worker.make(item["id"])
    deliver()
    (document,) = verified(receiver, secret)
    assert document["type"] == "batch.completed"
    assert document["data"]["counts"]["succeeded"] == 1
    assert document["data"]["links"]["results"] == f"/v1/batches/{batch['id']}/results.csv"


def test_nothing_of_another_tenant_is_seen_or_touched(client, stranger, database):
    made = register(client)
    delivery = client.post(f"{PATH}/{made['id']}/test").json()["id"]
    endpoint = f"{PATH}/{made['id']}"
    for method, path, body in [
        ("GET", endpoint, None),
        ("PATCH", endpoint, {"disabled": True}),
        ("DELETE", endpoint, None),
        ("POST", f"{endpoint}/rotate-secret", None),
        ("POST", f"{endpoint}/test", None),
        ("POST", f"{endpoint}/replay", {"since": "2026-01-01T00:00:00Z"}),
        ("GET", f"{endpoint}/deliveries", None),
        ("GET", f"/v1/webhook-deliveries/{delivery}", None),
        ("POST", f"/v1/webhook-deliveries/{delivery}/replay", None),
    ]:
        assert stranger.request(method, path, json=body).status_code == 404, path
    assert stranger.get(PATH).json() == {"items": []}
    assert stranger.get("/v1/callbacks/deliveries").json()["items"] == []
    with database.session() as session:
        (row,) = session.exec(select(WebhookEndpoint)).all()
        assert (row.disabled_at, row.deleted_at, row.previous_secret) == (None, None, None)
        assert len(session.exec(select(WebhookDelivery)).all()) == 1


def test_a_delivery_to_a_deleted_endpoint_cannot_be_sent_again(client, database):
    made = register(client)
    delivery = client.post(f"{PATH}/{made['id']}/test").json()["id"]
    client.delete(f"{PATH}/{made['id']}")
    assert client.get(f"/v1/webhook-deliveries/{delivery}").json()["state"] == "failed"
    assert client.post(f"/v1/webhook-deliveries/{delivery}/replay").status_code == 404
    with database.session() as session:
        session.execute(change(WebhookDelivery, DeliveryState.DELIVERED))
    assert client.get(f"/v1/webhook-deliveries/{delivery}").json()["state"] == "failed"
