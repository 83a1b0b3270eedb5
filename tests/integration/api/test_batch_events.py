"""Server-sent events of a batch, as a decoder of somebody else's reads them."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from uuid import UUID

import httpx
import pytest
from openai._streaming import ServerSentEvent, SSEDecoder
from sqlalchemy import text

from api.waiting import batch_feeds, batch_progress, event_stream
from core.db.models import Job
from core.lifecycle.cancellation import cancel_job
from tests.integration.api.conftest import connect, serving
from tests.integration.shop import poll

SHEET = "sku,prompt\n" + "".join(f"S{number},a red mug no {number}\n" for number in range(6))


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(batch_feeds, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(batch_feeds, "LEISURE", 0)


@contextmanager
def listening(client, batch, last=None) -> Iterator[Iterator[ServerSentEvent]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", f"/v1/batches/{batch['id']}/events", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = SSEDecoder().iter_bytes(answer.iter_bytes())
        yield (one for one in events if one.event is not None)


def ids_in(event: ServerSentEvent) -> list[str]:
    return [one["id"] for one in json.loads(event.data)["jobs"]] if event.event == "jobs" else []


def jobs_of(client, batch) -> list[str]:
    return [one["id"] for one in client.get(batch["links"]["items"]).json()["items"]]


def test_each_job_is_told_once_and_the_end_last(client, send, worker):
    batch = send(client, SHEET)
    jobs = jobs_of(client, batch)
    worker.make(jobs[0])
    with listening(client, batch) as events:
        first = json.loads(next(events).data)
        assert (first["total"], first["counts"]["succeeded"]) == (6, 1)
        assert sum(first["stages"].values()) == 5
        told = ids_in(next(events))
        assert told == jobs[:1]
        worker.start(jobs[1])
        while json.loads((one := next(events)).data).get("stages", {}).get("computing") != 1:
            pass
        assert one.event == "progress"
        for job in jobs[2:]:
            worker.make(job)
        worker.shop.succeed(worker.shop.current_claim(UUID(jobs[1])))
        rest = list(events)
    told += [one for event in rest for one in ids_in(event)]
    assert sorted(told) == sorted(jobs)
    assert rest[-1].event == "end"
    assert json.loads(rest[-1].data) == {"state": "completed"}
    again = client.get(f"/v1/batches/{batch['id']}/events", headers={"Last-Event-ID": rest[-1].id})
    assert again.status_code == 204


def test_who_comes_again_is_told_the_rest_once_wherever_it_was(client, send, worker, monkeypatch):
    """Broken off behind each event in turn, and with pages of two, nothing is told twice."""
    monkeypatch.setattr(event_stream, "PAGE", 2)
    monkeypatch.setattr(batch_feeds, "PAGE", 2)
    finished = batch_progress.read_finished
    monkeypatch.setattr(
        batch_feeds,
        "read_finished",
        lambda *args, **values: finished(*args, **{"limit": 2} | values),
    )
    batch = send(client, SHEET)
    jobs = jobs_of(client, batch)
    for job in jobs[:5]:
        worker.make(job)
    told, last = [], None
    for _ in range(3):
        with listening(client, batch, last) as events:
            one = next(one for one in events if one.event == "jobs")
            told += ids_in(one)
            last = one.id
    assert sorted(told) == sorted(jobs[:5])
    with listening(client, batch, last) as events:
        assert next(events).event == "progress"
        worker.make(jobs[5])
        rest = list(events)
    assert [one for event in rest for one in ids_in(event)] == jobs[5:]


def test_what_began_to_end_earlier_and_is_committed_later_is_told_too(
    client, send, worker, database
):
    """Its `finished_at` is before that of one that was told."""
    batch = send(client, SHEET)
    jobs = jobs_of(client, batch)
    with database.session() as slow, listening(client, batch) as events:
        slow.execute(text("select pg_current_xact_id()"))
        worker.make(jobs[0])
        told = next(one for one in events if one.event == "jobs")
        assert ids_in(told) == jobs[:1]
        cancel_job(slow, UUID(jobs[1]))
        slow.commit()
        with listening(client, batch, told.id) as resumed:
            assert ids_in(next(one for one in resumed if one.event == "jobs")) == jobs[1:2]
        assert ids_in(next(one for one in events if one.event == "jobs")) == jobs[1:2]
    with database.session() as session:
        late, early = (session.get_one(Job, UUID(one)) for one in jobs[:2])
        assert early.finished_at < late.finished_at


def test_a_restored_database_counts_transactions_anew(client, send, worker, database):
    """What ended before is told to those who ask anew, and ids of the old one start over."""
    batch = send(client, SHEET)
    jobs = jobs_of(client, batch)
    for job in jobs[:2]:
        worker.make(job)
    with database.session() as session:
        session.execute(
            text(
                "update job set finished_xid = 9000000000000,"
                " finished_at = now() - interval '1 day' where finished_xid is not null"
            )
        )
    for last in (None, "9000000000001:9000000000001:"):
        with listening(client, batch, last) as events:
            assert ids_in(next(one for one in events if one.event == "jobs")) == jobs[:2]


def test_a_deleted_batch_ends(client, send):
    batch = send(client, SHEET)
    with listening(client, batch) as events:
        next(events)
        assert client.delete(f"/v1/batches/{batch['id']}").is_success
        *_, end = events
    assert (end.event, json.loads(end.data)) == ("end", {"state": None})


def test_listeners_share_their_looks_and_hold_no_connection(client, send, server, monkeypatch):
    """Ten listeners ask no more than one does; between two looks none has a connection."""
    batch = send(client, SHEET)
    looks = []
    read = batch_feeds.read_progress
    gate = threading.Event()

    def count(*args):
        looks.append(args)
        gate.wait(60)
        return read(*args)

    monkeypatch.setattr(batch_feeds, "read_progress", count)
    opened = []
    threads = [
        threading.Thread(target=lambda: opened.append(first_event(client, batch)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    services = server.server.lifespan.state["services"]

    def listeners() -> int:
        return sum(one.listeners for one in services.batch_feeds._feeds.values())

    poll(lambda: listeners() == 10)
    assert len(looks) == 1
    gate.set()
    for thread in threads:
        thread.join()
    assert opened == ["progress"] * 10
    poll(lambda: listeners() == 0)
    with listening(client, batch) as events:
        next(events)
        poll(lambda: services.database.engine.pool.checkedout() == 0)


def first_event(client, batch):
    own = httpx.Client(base_url=client.base_url, headers=client.headers, trust_env=False)
    with own, listening(own, batch) as events:
        return next(events).event


def test_silence_is_broken_by_comments(client, send, monkeypatch):
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", 0.01)
    batch = send(client, SHEET)
    with client.stream("GET", f"/v1/batches/{batch['id']}/events") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry: ")
        assert any(line == ": ping" for line in lines)


def test_a_stream_ends_with_its_time_and_with_the_server(
    client, database, settings, send, monkeypatch
):
    batch = send(client, SHEET)
    monkeypatch.setattr(event_stream, "LONGEST_SECONDS", 0.2)
    with listening(client, batch) as events:
        assert {one.event for one in events} == {"progress"}
    monkeypatch.undo()
    started = threading.Event()
    told = []

    def listen(own):
        with suppress(httpx.TransportError), listening(own, batch) as events:
            for one in events:
                told.append(one.event)
                started.set()
            told.append("over")

    with ExitStack() as stack:
        with serving(settings) as url:
            other = stack.enter_context(connect(database, url, "shop"))
            thread = threading.Thread(target=listen, args=(other,))
            thread.start()
            assert started.wait(60)
        thread.join(60)
    assert told[-1] == "over"


def test_a_tenant_has_half_of_those_who_may_wait(serve, settings, send):
    client = serve(settings.model_copy(update={"waiting_requests": 2}))
    batch = send(client, SHEET)
    with listening(client, batch) as events:
        next(events)
        refused = client.get(f"/v1/batches/{batch['id']}/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
        assert refused.headers["Retry-After"]
        refused = client.get(f"/v1/batches/{batch['id']}", params={"wait": 5})
        assert refused.status_code == 429
    poll(lambda: first_answer(client, batch) == 200)


def first_answer(client, batch):
    with client.stream("GET", f"/v1/batches/{batch['id']}/events") as answer:
        return answer.status_code


def test_bad_ids_and_other_tenants_are_refused(client, stranger, send):
    batch = send(client, SHEET)
    path = f"/v1/batches/{batch['id']}/events"
    bad = client.get(path, headers={"Last-Event-ID": "7"})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")
    assert stranger.get(path).status_code == 404
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_a_long_poll_answers_when_a_job_or_a_batch_has_ended(client, send, worker):
    batch = send(client, "sku,prompt\nA,a red mug\n")
    (job,) = jobs_of(client, batch)
    answers = {}

    def ask(path):
        answers[path] = client.get(path, params={"wait": 60}).json()

    paths = [f"/v1/jobs/{job}", f"/v1/batches/{batch['id']}"]
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    assert client.get(paths[0], params={"wait": 1}).json()["state"] == "queued"
    assert not answers
    worker.make(job)
    for thread in threads:
        thread.join()
    assert [answers[path]["state"] for path in paths] == ["succeeded", "completed"]
    assert client.get(paths[0], params={"wait": 60}).json() == answers[paths[0]]
    refused = client.get(paths[0], params={"wait": 61})
    assert refused.status_code == 422


def test_what_is_deleted_while_it_is_waited_for_is_not_there(client, send):
    batch = send(client, SHEET)
    answers = []
    path = f"/v1/batches/{batch['id']}"
    thread = threading.Thread(
        target=lambda: answers.append(client.get(path, params={"wait": 60}).status_code)
    )
    thread.start()
    assert client.delete(path).is_success
    thread.join()
    assert answers == [404]
