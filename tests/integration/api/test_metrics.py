"""What `GET /metrics` of the API says of the queue, the broker and its own requests."""

import io
import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import event

from core import logs
from core.db.models import WebhookDelivery, WebhookEvent
from core.db.models.columns import new_id
from core.domain.lanes import Lane
from core.domain.states import GenerationState
from core.queue_stats import read


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"metrics_token": SecretStr("t0ken")})


def samples(client) -> dict:
    answer = client.get("/metrics", headers={"Authorization": "Bearer t0ken"})
    assert answer.status_code == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_queue_is_counted_by_lane(client, shop):
    shop.want("mug", "cup", lane=Lane.BULK)
    (running,) = shop.want("jar").job_ids
    shop.start(running)
    found = samples(client)
    assert found["packshot_queue_depth", "bulk"] == 2
    assert found["packshot_queue_oldest_seconds", "bulk"] > 0
    assert found["packshot_queue_depth", "interactive"] == 0
    assert found["packshot_queue_oldest_seconds", "interactive"] == 0
    assert found["packshot_running_images", "standard"] == 1
    assert found["packshot_broker_up",] == 1
    assert found["packshot_broker_messages", "bulk"] == 0


def test_webhooks_are_late_from_the_moment_they_are_due(client, database, shop, at):
    assert samples(client)["packshot_webhook_pending",] == 0
    assert samples(client)["packshot_webhook_lag_seconds",] == 0
    with database.session() as session:
        happened = WebhookEvent(tenant="shop", type="image.completed", data={})
        session.add(happened)
        session.flush()
        for seconds in (-90, 3600):
            session.add(
                WebhookDelivery(
                    tenant="shop",
                    event_id=happened.id,
                    queue=new_id(),
                    not_before=at(seconds=seconds),
                )
            )
    found = samples(client)
    assert found["packshot_webhook_pending",] == 2
    assert found["packshot_webhook_lag_seconds",] >= 90


def test_what_waited_for_its_receiver_is_late_from_the_end_of_the_pause(client, database, shop, at):
    queue = new_id()
    with database.session() as session:
        happened = WebhookEvent(tenant="shop", type="image.completed", data={})
        session.add(happened)
        session.flush()
        paused = {"at": at(seconds=-100).isoformat(), "status": 429, "pause_seconds": 70}
        for not_before, log_ in ((at(seconds=-500), []), (at(seconds=-30), [paused])):
            session.add(
                WebhookDelivery(
                    tenant="shop",
                    event_id=happened.id,
                    queue=queue,
                    not_before=not_before,
                    log=log_,
                )
            )
    assert 30 <= samples(client)["packshot_webhook_lag_seconds",] < 100


def test_finished_images_are_not_counted(database, shop):
    (job_id,) = shop.want("mug").job_ids
    shop.succeed(shop.start(job_id))
    with database.session() as session:
        stats = read(session)
    assert len(stats) == len(Lane) * 2
    assert {one.number for one in stats} == {0}
    assert {one.state for one in stats} == {GenerationState.QUEUED, GenerationState.RUNNING}


@pytest.mark.own_database
def test_counting_the_queue_uses_an_index(database, shop):
    """Also where the planner would rather read so small a table as a whole."""
    shop.want("mug", "cup")
    statements: list[tuple] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *args: statements.append(args[2:4])
    )
    with database.session() as session:
        read(session)
    ((statement, parameters),) = [one for one in statements if "generation" in one[0]]
    with database.session() as session:
        connection = session.connection()
        connection.exec_driver_sql("set local enable_seqscan = off")
        plan = connection.exec_driver_sql("explain " + statement, parameters).scalars().all()
    assert "ix_generation_open" in "\n".join(plan)
    assert "Seq Scan" not in "\n".join(plan)


def test_without_the_broker_there_are_metrics_all_the_same(serve, settings):
    away = settings.model_copy(update={"broker_url": "redis://127.0.0.1:9/0"})
    assert samples(serve(away))["packshot_broker_up",] == 0


def test_requests_are_counted_by_the_pattern_of_their_path(client):
    before = samples(client)
    missing = "/v1/jobs/00000000-0000-0000-0000-000000000000"
    client.get(missing)
    client.get(missing)
    client.get("/made/up")
    client.request("PROPFIND", "/healthz")
    after = samples(client)

    def grew(*key: str) -> float:
        name = "packshot_http_requests_total"
        return after.get((name, *sorted(key)), 0) - before.get((name, *sorted(key)), 0)

    assert grew("GET", "/v1/jobs/{job_id}", "404") == 2
    assert grew("GET", "other", "404") == 1
    assert grew("other", "other", "405") + grew("other", "/healthz", "405") == 1
    assert not any("made" in label for key in after for label in key)


def test_the_lines_of_a_request_name_it(client, monkeypatch):
    from api.routes import batches

    def fail(*_: object, **__: object) -> None:
        logging.getLogger("deep.inside").warning("here")
        raise RuntimeError("no")

    monkeypatch.setattr(batches, "list_batches", fail)
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logs.formatter("json"))
    logger = logging.getLogger("deep.inside")
    logger.addHandler(handler)
    try:
        client.get("/v1/batches", headers={"X-Request-ID": "order-66"})
    finally:
        logger.removeHandler(handler)
    line = json.loads(lines.getvalue())
    assert (line["message"], line["request_id"]) == ("here", "order-66")
