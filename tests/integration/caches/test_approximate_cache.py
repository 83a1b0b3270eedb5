"""The worker's approximate cache on the real Postgres and S3, and what it does when they fail."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from core.cache_metrics import Level, Outcome
from core.db.engine import Database
from core.db.models import ApproximateEntry, ApproximateLatents
from core.db.models.columns import new_id
from core.domain.lanes import Lane
from core.lifecycle.claims import Claim
from core.storage import Storage
from ops.latents_janitor import ORPHAN_AGE, ORPHAN_SECONDS, ApproximateJanitor
from tests.cache_counts import CacheCounts
from tests.integration.shop import Shop
from tests.specs import apart
from worker.approximate import writer as module
from worker.approximate.blob import digest_of, pack
from worker.approximate.cache import NOTHING, PAUSE_SECONDS, ApproximateCache, StartPlan
from worker.loaded import LoadedModel
from worker.model import HIDDEN_STATES, Conditioning
from worker.rows import RowHandedBackError, RowResult
from worker.walk import NOISE, Resume

SHAPE = (4, 8, 8)

ANGLES = {"red mug": 0.0, "crimson mug": 0.2, "blue mug": 0.5, "chair": 1.5}
"""Prompts as directions in a plane, in radians: the cosine of the difference is the similarity."""


def embed(prompt: str, _tenant: str, _revision: str) -> "Future[Conditioning]":
    future: Future[Conditioning] = Future()
    angle = ANGLES[prompt]
    future.set_result({HIDDEN_STATES: np.array([[np.cos(angle), np.sin(angle)]], np.float32)})
    return future


class Compiled:
    """A model that has a shape of latents and nothing else."""

    taught = ()
    feature_caching = None
    encode = None

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        return 4, height // 8, width // 8


MODEL = LoadedModel(Compiled(), end=lambda prompt: 0)  # type: ignore[arg-type]


def claim(prompt: str = "red mug", **changes: Any) -> Claim:
    values = {
        "generation_id": new_id(),
        "owner": "me",
        "attempt": 1,
        "claimed_at": datetime.now(UTC),
        "tenant": "shop",
        "fingerprint": "f",
        "bundle_revision": "r1",
        "lane": Lane.STANDARD,
        "deadline_at": None,
        "prompt": prompt,
        "negative_prompt": "",
        "width": 64,
        "height": 64,
        "steps": 20,
        "guidance_scale": 3.0,
        "scheduler": "dpmpp_2m",
        "seed": 1,
        "approximate_scope": "s",
        "exact_fingerprint": "e",
    }
    return Claim(**apart(values | changes))


class Clock:
    """Seconds, as the test says."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters() -> CacheCounts:
    return CacheCounts()


Make = Callable[..., ApproximateCache]


@pytest.fixture
def make(database: Database, storage: Storage, clock: Clock, counters: CacheCounts) -> Make:
    def make(**changes: Any) -> ApproximateCache:
        values = {
            "database": database,
            "storage": storage,
            "embed": embed,
            "clock": clock,
        }
        return ApproximateCache(**values | changes)

    return make


@pytest.fixture
def cache(make: Make) -> ApproximateCache:
    return make()


def draw(cache: ApproximateCache, one: Claim) -> StartPlan:
    """Do what the runner does with a claim, with an engine that draws at once."""
    plan = cache.plan(one, MODEL)
    kept = {step: np.full(SHAPE, step, np.float16) for step in plan.keep}
    steps = one.spec.steps - (plan.begin.step if isinstance(plan.begin, Resume) else 0)
    image = np.zeros((64, 64, 3), np.uint8)
    cache.learn(
        one, plan, RowResult(image=image, seconds=9.0, unet_seconds=2.0, steps=steps, kept=kept)
    )
    return plan


def fill(cache: ApproximateCache, **changes: Any) -> Claim:
    """Draw one image from the first step on, and write what it leaves."""
    one = claim(**changes)
    assert draw(cache, one).begin is NOISE
    cache.flush()
    return one


def counted(counters: CacheCounts) -> dict[Outcome, int]:
    return {outcome: amount.number for (_, outcome), amount in counters.take().items()}


def test_a_near_prompt_begins_where_the_first_one_was(
    cache: ApproximateCache, counters: CacheCounts
):
    first = fill(cache)
    plan = draw(cache, claim("crimson mug"))
    assert isinstance(plan.begin, Resume)
    assert plan.begin.step == 10
    assert np.array_equal(plan.begin.latents, np.full(SHAPE, 10, np.float16))
    assert plan.approximation.source_generation == first.generation_id
    assert plan.approximation.similarity == pytest.approx(np.cos(0.2), abs=1e-3)
    assert plan.keep == (), "what began with another's latents leaves none"
    taken = counters.take()
    hit = taken[Level.APPROXIMATE, Outcome.HIT]
    assert (hit.number, hit.steps_saved, hit.seconds_saved) == (1, 10, 2.0)
    assert taken[Level.APPROXIMATE, Outcome.MISS].number == 1


@pytest.mark.parametrize(("prompt", "steps"), [("blue mug", 6), ("chair", 0)])
def test_the_farther_the_prompt_the_less_is_spared(cache, prompt: str, steps: int):
    fill(cache)
    plan = cache.plan(claim(prompt), MODEL)
    assert (plan.begin.step if isinstance(plan.begin, Resume) else 0) == steps


def test_what_was_evicted_is_made_up_for_by_fewer_steps(cache, database: Database):
    fill(cache)
    with database.session() as session:
        session.execute(text("delete from approximate_latents where step = 10"))
    assert cache.plan(claim("crimson mug"), MODEL).begin.step == 8


def test_hits_are_counted_in_the_row_of_the_latents(cache, shop: Shop):
    fill(cache)
    draw(cache, claim("crimson mug"))
    draw(cache, claim("crimson mug"))
    cache.flush()
    assert {one.step: one.hits for one in shop.all(ApproximateLatents)} == {
        2: 1, 4: 1, 6: 1, 8: 1, 10: 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"approximate_scope": None}, {"attempt": 2}, {"scheduler": "pndm"}, {"scheduler": "lcm"}],
    ids=["did not agree", "second attempt", "pndm", "lcm"],
)
def test_some_images_are_none_of_its_business(cache, shop: Shop, changes: dict[str, Any]):
    fill(cache)
    assert draw(cache, claim(**changes)) is NOTHING
    cache.flush()
    assert len(shop.all(ApproximateEntry)) == 1


def test_an_image_that_was_cancelled_leaves_nothing(cache, shop: Shop, storage: Storage):
    """The runner tells the cache of recorded images alone."""
    cache.plan(claim(), MODEL)
    cache.flush()
    assert shop.all(ApproximateEntry) == []


def test_a_replaced_bundle_finds_nothing_of_the_old_one(cache):
    fill(cache, approximate_scope="scope of r1")
    assert cache.plan(claim(approximate_scope="scope of r2"), MODEL).begin is NOISE


def key_of(one: Claim, step: int) -> str:
    return f"latents/{one.tenant}/{one.generation_id}/{step:03d}.npy"


def latents(dtype: type = np.float16, shape: tuple[int, ...] = SHAPE) -> bytes:
    return pack(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "body",
    [b"", b"not latents", latents(np.float32), latents(shape=(4, 4, 4)), latents()],
    ids=["empty", "text", "wrong type", "wrong shape", "another image's"],
)
def test_damaged_latents_are_not_used_and_go(cache, shop, storage, counters, body: bytes, caplog):
    first = fill(cache)
    counters.take()
    storage.put(key_of(first, 10), body, content_type="application/octet-stream")
    plan = cache.plan(claim("crimson mug"), MODEL)
    assert plan.begin is NOISE
    assert plan.keep, "it is computed as any other, and leaves latents of its own"
    assert counted(counters) == {Outcome.FALLBACK: 1}
    assert "cannot be used" in caplog.text
    cache.flush()
    assert 10 not in [one.step for one in shop.all(ApproximateLatents)]
    assert cache.plan(claim("crimson mug"), MODEL).begin.step == 8


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 8, 16)])
def test_latents_of_another_shape_are_refused_even_if_the_row_vouches_for_them(
    cache, storage, database, shape
):
    first = fill(cache)
    body = latents(shape=shape)
    storage.put(key_of(first, 10), body, content_type="application/octet-stream")
    with database.session() as session:
        session.execute(
            text("update approximate_latents set digest = :digest, size = :size"),
            {"digest": digest_of(body), "size": len(body)},
        )
    assert cache.plan(claim("crimson mug"), MODEL).begin is NOISE


def test_a_row_without_its_object_is_a_warning_and_a_miss(cache, storage, counters):
    first = fill(cache)
    counters.take()
    storage.delete([key_of(first, 10)])
    assert cache.plan(claim("crimson mug"), MODEL).begin is NOISE
    assert counted(counters) == {Outcome.FALLBACK: 1}


def test_an_object_that_is_far_too_large_is_not_read_whole(cache, storage, monkeypatch):
    first = fill(cache)
    storage.put(key_of(first, 10), b"x" * 2**20, content_type="application/octet-stream")
    # Its size shows before its first byte is read.
    monkeypatch.setattr(StreamingBody, "read", lambda *_: pytest.fail("it is read"))
    assert cache.plan(claim("crimson mug"), MODEL).begin is NOISE


class Away:
    """A service that can be switched off."""

    def __init__(self, real: Any, error: Exception, *names: str) -> None:
        self.real, self.error, self.names = real, error, names
        self.away = False
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        if name in self.names:
            self.calls += 1
            if self.away:
                raise self.error
        return getattr(self.real, name)


@pytest.fixture
def bucket(storage: Storage) -> Away:
    error = EndpointConnectionError(endpoint_url="http://s3")
    return Away(storage, error, "read", "put", "delete", "listed")


@pytest.fixture
def postgres(database: Database) -> Away:
    error = OperationalError("select", {}, Exception("the server closed the connection"))
    return Away(database, error, "session")


def test_s3_gone_for_a_minute_costs_one_failure_and_no_image(make, bucket, clock, counters):
    cache = make(storage=bucket)
    fill(cache)
    counters.take()
    bucket.away, bucket.calls = True, 0
    for _ in range(5):
        assert draw(cache, claim("crimson mug")).begin is NOISE
    assert bucket.calls == 1, "the others do not wait for a timeout each"
    assert counted(counters) == {Outcome.FALLBACK: 1, Outcome.SKIP: 4}
    bucket.away = False
    clock.now += PAUSE_SECONDS + 1
    assert cache.plan(claim("crimson mug"), MODEL).begin is not NOISE


def test_postgres_gone_for_a_minute_costs_one_failure_and_no_image(make, postgres, clock, counters):
    cache = make(database=postgres)
    fill(cache)
    counters.take()
    postgres.away = True
    for _ in range(5):
        assert draw(cache, claim("crimson mug")).begin is NOISE
    assert counted(counters) == {Outcome.FALLBACK: 1, Outcome.SKIP: 4}
    postgres.away = False
    clock.now += PAUSE_SECONDS + 1
    assert cache.plan(claim("crimson mug"), MODEL).begin is not NOISE


def test_what_cannot_be_written_now_is_written_later(make, bucket, postgres, shop: Shop):
    cache = make(storage=bucket, database=postgres)
    for service in (bucket, postgres):
        service.away = True
        draw(cache, claim("red mug", approximate_scope=str(service.error)))
        with pytest.raises(type(service.error)):
            cache.flush()
        service.away = False
    cache.flush()
    assert len(shop.all(ApproximateEntry)) == 2
    assert len(shop.all(ApproximateLatents)) == 10


def test_memory_for_what_waits_to_be_written_is_bounded(cache, shop, monkeypatch, caplog):
    monkeypatch.setattr(module, "UNWRITTEN_BYTES", 6 * len(latents()))
    for _ in range(3):
        draw(cache, claim())
    cache.flush()
    assert len(shop.all(ApproximateEntry)) == 1
    assert "latents dropped" in caplog.text


def test_a_prompt_that_cannot_be_encoded_is_the_rows_affair(make, counters):
    def broken(*_: str) -> "Future[Conditioning]":
        future: Future[Conditioning] = Future()
        future.set_exception(RuntimeError("no such word"))
        return future

    assert make(embed=broken).plan(claim(), MODEL) is NOTHING
    assert counted(counters) == {Outcome.FALLBACK: 1}


def test_an_engine_that_stops_hands_the_image_back(make):
    def stopping(*_: str) -> "Future[Conditioning]":
        future: Future[Conditioning] = Future()
        future.set_exception(RowHandedBackError("the engine is stopping"))
        return future

    with pytest.raises(RowHandedBackError):
        make(embed=stopping).plan(claim(), MODEL)


class Watched:
    """What a block asks of Postgres and S3."""

    def __init__(self, database: Database, bucket: Away) -> None:
        self.statements: list[str] = []
        self.bucket = bucket
        self._engine = database.engine

    def __enter__(self) -> "Watched":
        event.listen(self._engine, "before_cursor_execute", self._note)
        self.bucket.calls = 0
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement: str, *_: object) -> None:
        self.statements.append(statement)


def test_a_tenant_can_neither_hit_nor_time_anothers_entries(make, database, bucket, shop):
    """With another tenant's entry for the very prompt a look-up does what it does without."""
    cache = make(storage=bucket)

    def look(tenant: str) -> tuple[StartPlan, list[str], int]:
        with Watched(database, bucket) as watched:
            plan = cache.plan(claim(tenant=tenant), MODEL)
        return plan, watched.statements, bucket.calls

    _, before, objects_before = look("stranger")
    fill(cache, tenant="shop")
    plan, after, objects_after = look("stranger")
    assert plan.begin is NOISE
    assert plan.approximation is None
    assert after == before, "the same statements: none more for an entry that is there"
    assert objects_after == objects_before == 0

    hit, statements, objects = look("shop")
    assert hit.begin is not NOISE
    assert len(statements) > len(before), "a hit would be seen here"
    assert objects == 1


@pytest.fixture
def janitor(database: Database, bucket: Away, clock: Clock) -> Iterator[ApproximateJanitor]:
    return ApproximateJanitor(
        database=database, storage=bucket, budget_bytes=0, ttl_seconds=60, clock=clock
    )


def objects(storage: Storage) -> list[str]:
    return [key for key, _ in storage.listed("latents/")]


def empty(storage: Storage) -> None:
    storage.delete(objects(storage))


def test_what_exceeds_the_budget_leaves_postgres_and_s3(cache, janitor, shop, storage):
    empty(storage)
    fill(cache)
    assert len(objects(storage)) == 5
    janitor.clean()
    assert shop.all(ApproximateEntry) == []
    assert objects(storage) == []
    assert cache.plan(claim("crimson mug"), MODEL).begin is NOISE


def test_a_crash_between_row_and_object_leaves_an_orphan_that_goes_later(
    cache, janitor, bucket, storage, clock, monkeypatch
):
    empty(storage)
    fill(cache)
    bucket.away = True
    with pytest.raises(EndpointConnectionError):
        janitor.clean()
    bucket.away = False
    janitor.clean()
    assert len(objects(storage)) == 5, "too young: their rows may be on their way"

    monkeypatch.setattr("ops.latents_janitor.ORPHAN_AGE", -ORPHAN_AGE)
    janitor.clean()
    assert len(objects(storage)) == 5, "the bucket is looked through now and then only"
    clock.now += ORPHAN_SECONDS
    janitor.clean()
    assert objects(storage) == []


def test_objects_with_a_row_are_no_orphans(cache, janitor, storage, monkeypatch):
    empty(storage)
    fill(cache)
    monkeypatch.setattr("ops.latents_janitor.ORPHAN_AGE", -ORPHAN_AGE)
    assert janitor.collect_orphans() == 0
    assert len(objects(storage)) == 5
