"""Real receivers: those that verify, and those that fail, stall, redirect, leave and lie."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import select
from standardwebhooks import Webhook

from core.db.models import Batch, WebhookDelivery
from core.domain.states import DeliveryState
from core.egress import resolver
from core.egress.addresses import read_address
from core.errors import ConflictError
from core.webhooks import attempts, deliveries, endpoints, log
from core.webhooks.attempts import AttemptVerdict, DeliveryAttempt
from core.webhooks.event_types import EventType
from ops.webhooks.deliverer import Deliverer
from ops.webhooks.retry_schedule import DELAYS
from tests.integration.shop import poll, wanted
from tests.integration.webhooks.conftest import verified, with_deliverer
from tests.receiver import Reply


def finish(shop, *products, **values):
    """Let jobs finish; give their ids."""
    jobs = shop.want(*products, **values).job_ids
    for job_id in jobs:
        shop.succeed(shop.start(job_id))
    return jobs


def states(listening):
    return [delivery.state for delivery in listening.deliveries()]


def seconds_until(delivery):
    return (delivery.not_before - datetime.now(UTC)).total_seconds()


def test_a_receiver_verifies_what_it_is_told(shop, listening, receive, deliver):
    receiver = receive()
    shown = listening.register(receiver.url)
    (job_id,) = finish(shop, wanted("mug", sku="MÜG"))
    deliver()
    (document,) = verified(receiver, shown.secret)
    assert document["type"] == "image.completed"
    assert document["data"]["sku"] == "MÜG"
    assert document["data"]["links"]["image"] == f"/v1/jobs/{job_id}/image"
    assert datetime.fromisoformat(document["timestamp"]).tzinfo is not None
    (delivery,) = listening.deliveries()
    assert delivery.state is DeliveryState.DELIVERED
    assert [(one["status"], one["error"]) for one in delivery.log] == [(204, None)]


def test_a_whole_batch_arrives_in_numbers(shop, listening, receive, deliver):
    receiver = receive()
    shown = listening.register(receiver.url)
    finish(shop, "mug", "cup", "jug", batch=True)
    deliver()
    told = verified(receiver, shown.secret)
    assert sorted(one["data"]["sequence"] for one in told) == [1, 2, 3, 4]
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 4


def test_a_failing_receiver_gets_the_same_message_again(shop, listening, receive, deliver):
    receiver = receive()
    replies = [Reply(status=500), Reply(status=500), Reply()]
    receiver.reply = lambda _: replies.pop(0)
    shown = listening.register(receiver.url)
    finish(shop, "mug")
    waits = []
    for _ in range(3):
        deliver()
        waits.append(seconds_until(listening.deliveries()[0]))
        listening.hasten()
    verified(receiver, shown.secret)
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len({request.body for request in receiver.received}) == 1
    assert DELAYS[0] - 5 < waits[0] <= DELAYS[0]
    assert DELAYS[1] - 5 < waits[1] <= DELAYS[1]
    (delivery,) = listening.deliveries()
    assert [one["status"] for one in delivery.log] == [500, 500, 204]
    assert listening.endpoint(shown.endpoint.id).failing_since is None


def test_after_the_last_attempt_it_is_given_up(shop, listening, receive, deliver):
    receiver = receive()
    receiver.reply = lambda _: Reply(status=500)
    listening.register(receiver.url)
    finish(shop, "mug")
    for _ in range(len(DELAYS) + 3):
        deliver()
        listening.hasten()
    assert len(receiver.received) == len(DELAYS) + 1
    assert states(listening) == [DeliveryState.FAILED]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(shop, listening, receive, deliver, status):
    elsewhere, receiver = receive(), receive()
    receiver.reply = lambda _: Reply(status=status, headers={"Location": elsewhere.url})
    listening.register(receiver.url)
    finish(shop, "mug")
    deliver()
    assert elsewhere.received == []
    (delivery,) = listening.deliveries()
    assert delivery.state is DeliveryState.PENDING
    assert "redirects are not followed" in delivery.log[0]["error"]


def test_410_disables_an_endpoint_and_others_hear_of_it(shop, listening, receive, deliver):
    gone, other = receive(), receive()
    gone.reply = lambda _: Reply(status=410)
    left = listening.register(gone.url)
    stays = listening.register(other.url, EventType.ENDPOINT_DISABLED)
    finish(shop, "mug", "cup")
    deliver()
    endpoint = listening.endpoint(left.endpoint.id)
    assert endpoint.disabled_at
    assert "410" in endpoint.disabled_reason
    (document,) = verified(other, stays.secret)
    assert document["type"] == "endpoint.disabled"
    assert document["data"]["url"] == gone.url
    assert states(listening).count(DeliveryState.FAILED) == 2
    before = len(gone.received)
    finish(shop, "jug")
    deliver()
    assert len(gone.received) == before


def test_410_ends_a_callback_and_what_waits_for_the_same_address(shop, listening, receive, deliver):
    receiver = receive()
    receiver.reply = lambda request: Reply(status=410 if request.path == "/gone" else 204)
    gone = receiver.url.replace("/hook", "/gone")
    with shop.database.session() as session:
        endpoints.renew_callback_secret(session, "shop", overlap_seconds=0)
    (first, *others) = shop.want("cup", "jug", batch=True).job_ids
    batch = shop.batch_of(first)
    with shop.database.session() as session:
        session.get_one(Batch, batch.id).callback_url = gone
        session.get_one(Batch, batch.id).created_at = datetime(2020, 1, 1, tzinfo=UTC)
    shop.succeed(shop.start(first))
    finish(shop, *(wanted(f"mug {n}", callback_url=gone) for n in range(3)))
    finish(shop, wanted("pot", callback_url=receiver.url))
    deliver(each=1)
    assert [request.path for request in receiver.received] == ["/gone", "/hook"]
    assert states(listening).count(DeliveryState.FAILED) == 4
    assert shop.batch_of(first).callback_url is None
    for job_id in others:
        shop.succeed(shop.start(job_id))
    deliver()
    assert len(receiver.received) == 2


def test_five_days_without_a_success_disable_an_endpoint(shop, listening, receive, deliver):
    receiver = receive()
    receiver.reply = lambda _: Reply(status=500)
    shown = listening.register(receiver.url)
    finish(shop, "mug")
    deliver()
    assert listening.endpoint(shown.endpoint.id).failing_since is not None
    with shop.database.session() as session:
        endpoint = endpoints.find(session, "shop", shown.endpoint.id)
        endpoint.failing_since -= timedelta(days=5)
        session.add(endpoint)
    listening.hasten()
    deliver()
    endpoint = listening.endpoint(shown.endpoint.id)
    assert endpoint.disabled_at
    assert "since" in endpoint.disabled_reason
    assert states(listening) == [DeliveryState.FAILED]


def test_one_success_ends_a_series_of_failures(shop, listening, receive, deliver):
    receiver = receive()
    replies = [Reply(status=500), Reply()]
    receiver.reply = lambda _: replies.pop(0)
    shown = listening.register(receiver.url)
    finish(shop, "mug")
    deliver()
    listening.hasten()
    deliver()
    endpoint = listening.endpoint(shown.endpoint.id)
    assert (endpoint.failing_since, endpoint.disabled_at) == (None, None)


def test_retry_after_holds_for_the_message_and_for_the_endpoint(shop, listening, receive):
    receiver = receive()
    receiver.reply = lambda _: Reply(status=429, headers={"Retry-After": "600"})
    listening.register(receiver.url)
    finish(shop, "mug", "cup", "jug")

    async def work(deliverer: Deliverer) -> None:
        await deliverer.drain()

    with_deliverer(shop.database, work, each=1)
    assert len(receiver.received) == 1
    throttled = next(one for one in listening.deliveries() if one.log)
    assert 590 < seconds_until(throttled) <= 600
    assert throttled.log[-1]["pause_seconds"] == 600


def test_what_a_receiver_asked_to_wait_is_not_late(shop, listening, receive, at):
    receiver = receive()
    receiver.reply = lambda _: Reply(status=429, headers={"Retry-After": "600"})
    listening.register(receiver.url)
    finish(shop, "mug", "cup", "jug")
    with shop.database.session() as session:
        session.execute(update(WebhookDelivery).values(not_before=at(seconds=-90)))
        pending, lag = log.backlog(session)
    assert (pending, lag >= 90) == (3, True)

    with_deliverer(shop.database, Deliverer.drain, each=1)
    with shop.database.session() as session:
        assert log.backlog(session) == (3, 0.0)

    listening.register("https://shop.example/hook")
    finish(shop, "jar")
    with shop.database.session() as session:
        untried = WebhookDelivery.attempts == 0
        session.execute(update(WebhookDelivery).where(untried).values(not_before=at(seconds=-90)))
        pending, lag = log.backlog(session)
    assert (pending, lag >= 90) == (5, True), "another's is late all the same"


def test_a_stalling_endpoint_delays_no_other(shop, listening, receive):
    slow, quick = receive(), receive()
    slow.reply = lambda _: Reply(stalls=True)
    listening.register(slow.url)
    listening.register(quick.url)
    finish(shop, *(f"mug {number}" for number in range(12)))

    async def work(deliverer: Deliverer) -> None:
        stopped = asyncio.Event()
        running = asyncio.create_task(deliverer.run(stopped))
        while len(quick.received) < 12:
            await asyncio.sleep(0.02)
            assert not running.done()
        assert len(slow.received) == 1, "it has answered nothing yet"
        slow.ended.set()
        stopped.set()
        await running

    with_deliverer(shop.database, work, each=4)
    assert len({request.headers["webhook-id"] for request in quick.received}) == 12


def deliver_until(shop, told, let_go):
    """Deliver in 32 slots, eight of each queue, and only then let those go on that stall."""

    async def work(deliverer: Deliverer) -> None:
        stopped = asyncio.Event()
        running = asyncio.create_task(deliverer.run(stopped))
        try:
            async with asyncio.timeout(30):
                while not told():
                    await asyncio.sleep(0.02)
        finally:
            let_go()
            stopped.set()
            await running

    with_deliverer(shop.database, work, at_once=32, each=8, timeout_seconds=60.0)


@pytest.mark.parametrize("tenant", ["shop", "others"])
def test_stalling_endpoints_leave_room_for_one_that_answers(shop, listening, receive, tenant):
    """As many as would fill every slot with what each may have."""
    stalling, healthy = [receive() for _ in range(4)], receive()
    for receiver in stalling:
        receiver.reply = lambda _: Reply(stalls=True)
        listening.register(receiver.url, tenant=tenant)
    listening.register(healthy.url)
    finish(shop, *(f"mug {number}" for number in range(12)), tenant="others")
    finish(shop, *(f"cup {number}" for number in range(12)))

    def let_go():
        for receiver in stalling:
            receiver.ended.set()

    deliver_until(shop, lambda: len(healthy.received) == 12, let_go)


def test_names_that_nobody_answers_for_delay_no_other(shop, listening, receive, monkeypatch):
    """The system's resolver cannot be interrupted: it keeps a thread for each."""
    healthy, answered = receive(), threading.Event()

    def look_up(host, port):
        if host.endswith(".stalling.example"):
            answered.wait()
        return [read_address("127.0.0.1")]

    monkeypatch.setattr(resolver, "_look_up", look_up)
    with shop.database.session() as session:
        endpoints.renew_callback_secret(session, "others", overlap_seconds=0)
    urls = [f"http://{n}.stalling.example/" for n in range(20)]
    finish(shop, *(wanted(f"mug {url}", callback_url=url) for url in urls), tenant="others")
    listening.register(healthy.url.replace("127.0.0.1", "healthy.example"))
    finish(shop, *(f"cup {number}" for number in range(12)))

    deliver_until(shop, lambda: len(healthy.received) == 12, answered.set)


def test_callbacks_to_one_slow_host_share_their_limit(shop, listening, receive):
    slow, quick = receive(), receive()
    slow.reply = lambda _: Reply(stalls=True)
    with shop.database.session() as session:
        endpoints.renew_callback_secret(session, "shop", overlap_seconds=0)
    finish(shop, *(wanted(f"cup {n}", callback_url=f"{slow.url}?n={n}") for n in range(9)))
    finish(shop, wanted("mug", callback_url=quick.url))

    async def work(deliverer: Deliverer) -> None:
        await deliverer.step()
        while not quick.received or not slow.received:
            await asyncio.sleep(0.02)
        await deliverer.step()
        assert len(slow.received) == 1
        slow.ended.set()

    with_deliverer(shop.database, work, each=2)


def test_silence_is_a_failure(shop, listening, receive, deliver):
    receiver = receive()
    receiver.reply = lambda _: Reply(stalls=True)
    listening.register(receiver.url)
    finish(shop, "mug")
    deliver(timeout_seconds=0.2)
    (delivery,) = listening.deliveries()
    assert delivery.state is DeliveryState.PENDING
    assert delivery.log[0]["status"] is None
    assert "No answer within 0.2 seconds" in delivery.log[0]["error"]


def test_an_answer_that_breaks_off_is_a_failure(shop, listening, receive, deliver):
    receiver = receive()
    receiver.reply = lambda _: Reply(status=200, body=b"tha", announced=6)
    listening.register(receiver.url)
    finish(shop, "mug")
    deliver()
    assert states(listening) == [DeliveryState.PENDING]


def test_a_huge_answer_is_a_success_that_nobody_reads(shop, listening, receive, deliver):
    receiver = receive()
    receiver.reply = lambda _: Reply(status=200, body=b"x" * 5_000_000)
    listening.register(receiver.url)
    finish(shop, "mug")
    deliver()
    assert states(listening) == [DeliveryState.DELIVERED]


def test_an_endpoint_inside_is_not_called(shop, listening, receive, deliver):
    receiver = receive()
    listening.register(receiver.url)
    finish(shop, "mug")
    deliver(allow="")
    assert receiver.received == []
    assert "this machine itself" in listening.deliveries()[0].log[0]["error"]


def test_two_secrets_sign_while_they_overlap(shop, listening, receive, deliver):
    receiver = receive()
    shown = listening.register(receiver.url)

    def rotate(seconds):
        with shop.database.session() as session:
            endpoint = endpoints.find(session, "shop", shown.endpoint.id, lock=True)
            return endpoints.rotate_secret(session, endpoint, overlap_seconds=seconds).secret

    second = rotate(3600)
    finish(shop, "mug")
    deliver()
    verified(receiver, shown.secret, second)
    assert len(receiver.received[0].headers["webhook-signature"].split()) == 2
    third = rotate(0)
    finish(shop, "cup")
    deliver()
    last = receiver.received[-1]
    assert Webhook(third).verify(last.body, dict(last.headers))
    assert len(last.headers["webhook-signature"].split()) == 1


def test_a_callback_is_signed_with_the_tenants_secret(shop, listening, receive, deliver):
    receiver = receive()
    with shop.database.session() as session:
        secret = endpoints.renew_callback_secret(session, "shop", overlap_seconds=0)
    (job_id,) = finish(shop, wanted("mug", callback_url=receiver.url))
    deliver()
    (document,) = verified(receiver, secret)
    assert document["data"]["job_id"] == str(job_id)


def test_what_a_crash_left_unrecorded_is_sent_again_under_the_same_id(
    shop, listening, receive, deliver
):
    receiver = receive()
    listening.register(receiver.url)
    finish(shop, "mug")

    async def send_and_die(deliverer: Deliverer) -> None:
        await deliverer.step()
        while not receiver.received:
            await asyncio.sleep(0.01)

    with_deliverer(shop.database, send_and_die)
    assert states(listening) == [DeliveryState.PENDING]
    deliver()
    assert len(receiver.received) == 1, "its claim has not run out"
    listening.hasten()
    deliver()
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert states(listening) == [DeliveryState.DELIVERED]


def claim(shop, **values):
    with shop.database.session() as session:
        return deliveries.claim(
            session, **{"each": 4, "most": 10, "lease_seconds": 60.0} | values
        ).messages


def record(shop, *ended):
    with shop.database.session() as session:
        attempts.record(session, ended, disable_seconds=60)


def outcome(message, verdict=AttemptVerdict.DELIVERED):
    return DeliveryAttempt(message=message, verdict=verdict, status=204, error=None, seconds=0.1)


def test_who_lost_its_claim_records_nothing(shop, listening):
    listening.register("https://shop.example/hook")
    finish(shop, "mug")
    (first,) = claim(shop)
    listening.hasten()
    (second,) = claim(shop)
    record(shop, outcome(first, AttemptVerdict.GIVEN_UP))
    assert states(listening) == [DeliveryState.PENDING]
    record(shop, outcome(second))
    record(shop, outcome(second, AttemptVerdict.GIVEN_UP))
    assert states(listening) == [DeliveryState.DELIVERED]
    assert len(listening.deliveries()[0].log) == 1


def test_410_counts_beside_a_success_that_ended_with_it(shop, listening):
    shown = listening.register("https://shop.example/hook")
    finish(shop, "mug", "cup")
    first, second = claim(shop)
    record(shop, outcome(first, AttemptVerdict.GONE), outcome(second))
    assert listening.endpoint(shown.endpoint.id).disabled_at
    assert sorted(states(listening)) == [DeliveryState.DELIVERED, DeliveryState.FAILED]


def test_the_last_endpoint_that_a_tenant_may_have_is_made_once(shop, listening, monkeypatch):
    monkeypatch.setattr(endpoints, "MOST", 1)
    refused = []

    def register():
        try:
            listening.register("https://shop.example/two")
        except ConflictError as error:
            refused.append(error)

    second = threading.Thread(target=register)
    with shop.database.session() as session:
        endpoints.create(session, "shop", url="https://shop.example/one")
        second.start()
        shop.wait_for_lock_wait()
    second.join()
    assert len(refused) == 1


def test_a_new_address_does_not_answer_for_the_old_one(shop, listening):
    shown = listening.register("https://shop.example/hook")
    finish(shop, "mug", "cup")
    first, _ = claim(shop)
    record(shop, outcome(first, AttemptVerdict.RETRY))
    assert listening.endpoint(shown.endpoint.id).failing_since
    with shop.database.session() as session:
        endpoint = endpoints.find(session, "shop", shown.endpoint.id, lock=True)
        endpoints.update(session, endpoint, url="https://shop.example/new")
    assert listening.endpoint(shown.endpoint.id).failing_since is None
    for verdict in (AttemptVerdict.RETRY, AttemptVerdict.GONE):
        record(shop, outcome(first, verdict))
        endpoint = listening.endpoint(shown.endpoint.id)
        assert (endpoint.failing_since, endpoint.disabled_at) == (None, None)


def test_recording_waits_for_whoever_deletes_the_endpoint_before_it_holds_anything(shop, listening):
    shown = listening.register("https://shop.example/hook")
    finish(shop, "mug", "cup")
    ended = [outcome(one) for one in claim(shop)]
    recording = threading.Thread(target=record, args=(shop, *ended))
    with shop.database.session() as session:
        endpoint = endpoints.find(session, "shop", shown.endpoint.id, lock=True)
        recording.start()
        shop.wait_for_lock_wait()
        endpoints.delete(session, endpoint)
    recording.join()
    assert states(listening) == [DeliveryState.FAILED] * 2


def test_two_deliverers_never_claim_the_same(shop, listening):
    listening.register("https://shop.example/hook")
    finish(shop, *(f"mug {number}" for number in range(6)))
    barrier, found = threading.Barrier(2), []

    def work():
        barrier.wait()
        found.extend(one.delivery_id for one in claim(shop, each=6, most=6))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found += [one.delivery_id for one in claim(shop, each=6, most=6)]
    assert len(found) == len(set(found)) == 6


def test_queues_take_turns(shop, listening):
    """A look begins where the last one ended, so a thousand endpoints cannot starve one."""
    for _ in range(3):
        listening.register("https://shop.example/hook")
    finish(shop, "mug", "cup")
    with shop.database.session() as session:
        first = deliveries.claim(session, each=1, most=2, lease_seconds=60)
    with shop.database.session() as session:
        second = deliveries.claim(session, after=first.after, each=1, most=2, lease_seconds=60)
    queues = {one.queue for one in (*first.messages, *second.messages)}
    assert len(queues) == 3
    assert second.after == deliveries.NIL


def test_a_message_for_an_endpoint_that_was_switched_off_meanwhile_is_given_up(
    shop, listening, receive, deliver
):
    """Its row may have been written by a transaction that still saw the endpoint on."""
    receiver = receive()
    shown = listening.register(receiver.url)
    finish(shop, "mug")
    with shop.database.session() as session:
        endpoint = endpoints.find(session, "shop", shown.endpoint.id)
        endpoint.disabled_at = datetime.now(UTC)
        session.add(endpoint)
    deliver()
    assert receiver.received == []
    assert states(listening) == [DeliveryState.FAILED]


def test_replaying_one_and_all_since_a_moment(shop, listening, receive, deliver, at):
    receiver = receive()
    shown = listening.register(receiver.url)
    finish(shop, "mug", "cup")
    deliver()
    ids = {request.headers["webhook-id"] for request in receiver.received}
    with shop.database.session() as session:
        log.replay(session, listening.deliveries()[0])
    deliver()
    assert len(receiver.received) == 3

    def replay(since, **values):
        with shop.database.session() as session:
            endpoint = endpoints.find(session, "shop", shown.endpoint.id)
            return log.replay_since(session, endpoint, since, **values)

    assert replay(at(minutes=-5), failed_only=True) == 0
    assert replay(at(minutes=5), failed_only=False) == 0
    assert replay(at(minutes=-5), failed_only=False) == 2
    assert replay(at(minutes=-5), failed_only=False) == 0, "they are on their way"
    deliver()
    assert len(receiver.received) == 5
    assert {request.headers["webhook-id"] for request in receiver.received} == ids


def test_failed_messages_alone_are_replayed(shop, listening, receive, deliver, at):
    receiver = receive()
    receiver.reply = lambda request: Reply(
        status=410 if b"BAD" in request.body and len(receiver.received) < 3 else 204
    )
    shown = listening.register(receiver.url)
    finish(shop, wanted("mug", sku="GOOD"))
    deliver()
    finish(shop, wanted("cup", sku="BAD"))
    deliver()
    with shop.database.session() as session:
        endpoint = endpoints.find(session, "shop", shown.endpoint.id, lock=True)
        endpoints.update(session, endpoint, disabled=False)
        assert log.replay_since(session, endpoint, at(minutes=-5), failed_only=True) == 1
    deliver()
    assert json.loads(receiver.received[-1].body)["data"]["sku"] == "BAD"


def test_old_events_are_forgotten_and_those_on_their_way_are_not(shop, listening, receive, deliver):
    receiver = receive()
    shown = listening.register(receiver.url)
    finish(shop, "mug")
    deliver()
    receiver.reply = lambda _: Reply(status=500)
    finish(shop, "cup")
    deliver()
    with shop.database.session() as session:
        assert log.prune(session, seconds=3600) == 0
        assert log.prune(session, seconds=0) == 1
    assert states(listening) == [DeliveryState.PENDING]
    with shop.database.session() as session:
        endpoints.delete(session, endpoints.find(session, "shop", shown.endpoint.id, lock=True))
    with shop.database.session() as session:
        assert log.prune(session, seconds=0) == 1
    with shop.database.session() as session:
        assert session.exec(select(WebhookDelivery)).all() == []


@pytest.mark.own_database
def test_the_outbox_is_read_by_its_index(shop, listening):
    """However much was delivered and is waiting: neither is scanned."""
    from sqlalchemy import text

    listening.register("https://shop.example/hook")
    finish(shop, "mug")
    with shop.database.session() as session:
        session.execute(
            text(
                "insert into webhook_delivery"
                " (id, tenant, event_id, endpoint_id, queue, state, attempts, not_before)"
                " select gen_random_uuid(), tenant, event_id, endpoint_id,"
                " case when n % 2 = 0 then queue else gen_random_uuid() end,"
                " case when n % 3 = 0 then 'pending' else 'delivered' end, 1,"
                " now() + interval '1 hour'"
                " from webhook_delivery, generate_series(1, 3000) n"
            )
        )
        session.execute(text("analyze webhook_delivery"))
        plan = "\n".join(
            session.execute(
                text("explain (analyze, costs off) " + deliveries.DUE),
                {
                    "after": deliveries.NIL,
                    "each": 4,
                    "queues": [],
                    "slots": [],
                    "most": 50,
                },
            ).scalars()
        )
    assert plan.count("ix_webhook_delivery_due") == 3, plan
    assert "Seq Scan" not in plan


def test_it_goes_on_when_postgres_was_away(shop, listening, receive, monkeypatch):
    receiver = receive()
    listening.register(receiver.url)
    finish(shop, "mug")
    real, failures = attempts.record, [1, 1]

    def record_badly(*arguments, **named):
        from sqlalchemy.exc import OperationalError

        if failures:
            failures.pop()
            raise OperationalError("update", {}, Exception("away"))
        return real(*arguments, **named)

    monkeypatch.setattr(attempts, "record", record_badly)
    with_deliverer(shop.database, Deliverer.drain)
    assert failures == []
    assert states(listening) == [DeliveryState.DELIVERED]
    assert len(receiver.received) == 1


def test_a_stopped_deliverer_finishes_what_it_has_begun(shop, listening, receive):
    receiver = receive()
    receiver.reply = lambda _: Reply(stalls=True)
    listening.register(receiver.url)
    finish(shop, "mug")

    async def work(deliverer: Deliverer) -> None:
        stopped = asyncio.Event()
        running = asyncio.create_task(deliverer.run(stopped))
        while not receiver.received:
            await asyncio.sleep(0.01)
        stopped.set()
        await asyncio.sleep(0.05)
        assert not running.done()
        receiver.ended.set()
        await running

    with_deliverer(shop.database, work)
    poll(lambda: states(listening) == [DeliveryState.DELIVERED])
