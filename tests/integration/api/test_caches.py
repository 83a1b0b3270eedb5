"""Repeats, modes, purges and counts, as a caller sees them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from core.cache_metrics import Level, Outcome
from core.db.models import Image
from core.domain.cache_mode import CacheMode
from core.keys import create_key
from core.lifecycle import retention
from tests.cache_counts import CacheCounts
from tests.integration.api.conftest import PIXELS, api_process, connect, describe_bundle
from tests.integration.shop import poll

NOTHING = {"number": 0, "steps_saved": 0, "seconds_saved": 0}
EMPTY = {"size": 0, "entries": 0}


def ask(client, prompt="a red mug", **fields):
    answer = client.post("/v1/jobs", json={"prompt": prompt} | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def pixels(client, job):
    return client.get(job["image"]["url"])


def levels(client):
    return {one["level"]: one for one in client.get("/v1/stats").json()["levels"]}


def test_repeats_have_the_image_at_once_and_tell_what_served_them(client, worker):
    first = ask(client)
    image = worker.make(first["id"])
    for _ in range(3):
        job = ask(client)
        assert (job["state"], job["cache"], job["seconds"]) == ("succeeded", "exact", 0)
        assert job["image"]["digest"] == image.digest
        assert client.get(f"/v1/jobs/{job['id']}").json() == job
        assert pixels(client, job).content == PIXELS


def test_a_repeat_from_memory_asks_s3_for_nothing(client, worker, storage):
    image = worker.make(ask(client)["id"])
    assert pixels(client, ask(client)).content == PIXELS
    storage.delete([image.key])
    answer = pixels(client, ask(client))
    assert answer.content == PIXELS
    assert answer.headers["content-length"] == str(len(PIXELS))


def test_what_is_purged_answers_no_process_any_more(serve, settings, worker):
    one, other = serve(settings), serve(settings)
    worker.make(ask(one)["id"])
    for client in (one, other):
        for _ in range(2):
            assert ask(client)["cache"] == "exact"
    assert one.post("/v1/cache/purge", json={"prompt": "A  red mug"}).json()["images"] == 1
    assert ask(other)["cache"] == "miss"
    assert ask(one)["cache"] == "coalesced"


def test_a_refreshed_image_is_what_every_process_answers_with(serve, settings, worker):
    one, other = serve(settings), serve(settings)
    old = worker.make(ask(one)["id"])
    for client in (one, other):
        for _ in range(2):
            assert ask(client)["image"]["digest"] == old.digest
    refreshed = ask(one, cache="refresh")
    assert refreshed["cache"] == "miss"
    new = worker.make(refreshed["id"], PIXELS + b"again")
    for client in (one, other):
        for _ in range(2):
            job = ask(client)
            assert job["image"]["digest"] == new.digest
            assert pixels(client, job).content == PIXELS + b"again"


def test_an_image_whose_time_is_over_answers_no_process_that_remembers_it(
    serve, settings, worker, database
):
    client = serve(settings.model_copy(update={"result_ttl_seconds": 3600}))
    image = worker.make(ask(client)["id"])
    for _ in range(2):
        assert ask(client)["cache"] == "exact"
    with database.session() as session:
        image = session.get_one(Image, image.id)
        image.created_at = image.created_at.replace(year=2020)
    assert ask(client)["cache"] == "miss"


def test_an_evicted_image_is_gone_even_if_its_bytes_are_in_memory(client, worker, database):
    image = worker.make(ask(client)["id"])
    job = ask(client)
    assert pixels(client, job).content == PIXELS
    with database.session() as session:
        retention.lose(session, image.id)
    answer = pixels(client, job)
    assert answer.status_code == 410
    assert "Submit the request again" in answer.json()["detail"]
    assert client.get(f"/v1/jobs/{job['id']}").json()["image"] is None


def test_another_tenant_gains_nothing_from_what_is_remembered(client, stranger, worker):
    worker.make(ask(client)["id"])
    job = ask(client)
    assert pixels(client, job).content == PIXELS
    assert ask(stranger)["cache"] == "miss"
    assert stranger.get(job["image"]["url"]).status_code == 404
    assert stranger.post("/v1/cache/purge", json={"all": True}).json()["images"] == 0
    assert ask(client)["cache"] == "exact"


@pytest.mark.parametrize("where", ["request", "key", "setting"])
def test_a_bypass_can_be_asked_for_set_for_a_key_or_for_all(serve, settings, database, where):
    fields = {"cache": "bypass"} if where == "request" else {}
    if where == "setting":
        settings = settings.model_copy(update={"cache": CacheMode.BYPASS})
    client = serve(settings)
    if where == "key":
        with database.session() as session:
            key = create_key(session, "shop", cache=CacheMode.BYPASS)[1]
        client.headers["Authorization"] = f"Bearer {key}"
    assert [ask(client, **fields)["cache"] for _ in range(2)] == ["miss", "miss"]
    if where == "key":
        assert ask(client, cache="use")["cache"] == "miss"
        assert ask(client, cache="use")["cache"] == "coalesced"


def test_a_sheet_says_what_it_wants_of_the_caches(client, worker, send):
    worker.make(ask(client)["id"])
    for mode, expected in (("use", "exact"), ("bypass", "miss"), ("refresh", "miss")):
        batch = send(client, "sku,prompt\nA,a red mug\n", cache=mode)
        (job,) = client.get(batch["links"]["items"]).json()["items"]
        assert job["cache"] == expected


def test_an_unknown_mode_is_named_with_those_there_are(client):
    answer = client.post("/v1/jobs", json={"prompt": "a red mug", "cache": "sometimes"})
    assert answer.status_code == 422
    assert "bypass" in answer.text


@pytest.mark.parametrize("body", [{}, {"all": True, "prompt": "x"}, {"everything": True}])
def test_a_purge_must_say_what_it_means(client, body):
    assert client.post("/v1/cache/purge", json=body).status_code == 422


def test_stats_add_up_what_every_process_did_for_the_tenant(
    serve, settings, worker, stranger, client
):
    assert client.get("/v1/stats").json() == {
        "jobs": 0,
        "since": None,
        "levels": [
            {"level": "result", "outcomes": {"hit": NOTHING, "miss": NOTHING}, "stored": EMPTY},
            {"level": "in_flight", "outcomes": {"hit": NOTHING, "miss": NOTHING}, "stored": None},
            {"level": "approximate", "outcomes": {"hit": NOTHING}, "stored": EMPTY},
        ],
    }
    one, other = serve(settings), serve(settings)
    job = ask(one, steps=7)
    ask(one, steps=7)
    worker.make(job["id"])
    for process in (one, other, one):
        ask(process, steps=7)
    ask(stranger)
    stats = other.get("/v1/stats").json()
    assert (stats["jobs"], stats["since"]) == (5, job["created_at"])
    result = levels(other)["result"]
    assert result["outcomes"]["hit"]["number"] == 3
    assert result["outcomes"]["hit"]["steps_saved"] == 21
    assert result["outcomes"]["hit"]["seconds_saved"] == pytest.approx(4.5)
    assert result["outcomes"]["miss"]["number"] == 2
    assert result["stored"] == {"size": len(PIXELS), "entries": 1}
    in_flight = levels(other)["in_flight"]["outcomes"]
    assert (in_flight["hit"]["number"], in_flight["miss"]["number"]) == (1, 1)
    assert in_flight["hit"]["steps_saved"] == 7
    foreign = levels(stranger)
    assert foreign["result"]["outcomes"]["hit"] == NOTHING
    assert foreign["result"]["stored"] == EMPTY


def test_uses_reach_postgres_in_batches(serve, settings, worker, shop):
    client = serve(settings.model_copy(update={"stats_seconds": 0.05}))
    worker.make(ask(client)["id"])
    for _ in range(4):
        ask(client)
    poll(lambda: [image.uses for image in shop.images()] == [4])


def test_metrics_are_for_whoever_has_their_token(serve, settings, worker):
    client = serve(settings.model_copy(update={"metrics_token": SecretStr("t0ken")}))
    counts = CacheCounts()
    worker.make(ask(client)["id"])
    ask(client)
    assert client.get("/metrics").status_code == 401  # a tenant's key is not enough

    def metrics() -> str:
        answer = client.get("/metrics", headers={"Authorization": "Bearer t0ken"})
        assert answer.status_code == 200
        return answer.text

    taken = {}

    def counted() -> bool:
        taken.update(counts.take())
        return (Level.RESULT, Outcome.HIT) in taken

    poll(counted)  # after the answer
    assert taken[Level.RESULT, Outcome.HIT].number == 1
    assert 'packshot_cache_events_total{level="result",outcome="hit"}' in metrics()
    assert f'packshot_cache_bytes{{level="result",place="store"}} {len(PIXELS)}.0' in metrics()


def test_without_a_token_nobody_reads_metrics(client):
    for value in ("Bearer", "Bearer None", ""):
        assert client.get("/metrics", headers={"Authorization": value}).status_code == 401


def test_a_new_bundle_serves_no_image_of_the_old_one(client, worker, bundle):
    worker.make(ask(client)["id"])
    for _ in range(2):
        assert ask(client)["cache"] == "exact"
    describe_bundle(bundle, revision="2")
    assert ask(client)["cache"] == "miss"


def test_without_redis_repeats_are_answered_all_the_same(serve, settings, worker, client):
    worker.make(ask(client)["id"])
    lonely = serve(settings.model_copy(update={"broker_url": "redis://127.0.0.1:9/0"}))
    for _ in range(2):
        assert ask(lonely)["cache"] == "exact"


@pytest.mark.own_database
def test_200_equal_requests_to_several_processes_are_one_image(
    environment, bundle, database, shop, worker
):
    with ExitStack() as stack:
        # They take seconds to start, so all at once.
        starting = [stack.enter_context(api_process(environment, bundle)) for _ in range(2)]
        urls = [one.url() for one in starting]
        clients = [stack.enter_context(connect(database, url, "shop")) for url in urls]
        pool = stack.enter_context(ThreadPoolExecutor(50))
        jobs = list(pool.map(lambda number: ask(clients[number % 2]), range(200)))
        assert len(shop.generations()) == 1
        outcomes = [job["cache"] for job in jobs]
        assert (outcomes.count("miss"), outcomes.count("coalesced")) == (1, 199)
        worker.make(next(job["id"] for job in jobs if job["cache"] == "miss"))
        found = list(
            pool.map(
                lambda number: clients[number % 2].get(f"/v1/jobs/{jobs[number]['id']}").json(),
                range(200),
            )
        )
    assert {job["state"] for job in found} == {"succeeded"}
    assert len({job["image"]["digest"] for job in found}) == 1
    assert len(shop.images()) == 1
