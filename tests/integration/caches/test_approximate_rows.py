"""The approximate cache in Postgres: who finds what, who must go, and what jobs are told."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from core.db.engine import Database
from core.db.models import ApproximateEntry, ApproximateLatents
from core.db.models.approximate import EMBEDDING_WIDTH
from core.db.models.columns import new_id
from core.domain.approximation import Approximation
from core.domain.seeds import derived_seed
from core.domain.states import CacheOutcome
from core.lifecycle import approximation, completion
from core.lifecycle.approximation import NewEntry, find_nearest
from tests.integration.shop import Shop, finished, image_of, wanted
from tests.specs import made_by


def direction(*angles: float) -> list[float]:
    """Make an embedding from its first numbers."""
    vector = np.zeros(EMBEDDING_WIDTH)
    vector[: len(angles)] = angles
    return (vector / np.linalg.norm(vector)).tolist()


def entry(prompt: str = "red mug", *, steps: Sequence[int] = (2, 4), **changes) -> NewEntry:
    identity = changes.pop("generation_id", None) or new_id()
    values = {
        "generation_id": identity,
        "tenant": "shop",
        "scope": "s",
        "bundle_revision": "r1",
        "prompt": prompt,
        "embedding": direction(1),
        "latents": [
            ApproximateLatents(
                generation_id=identity, step=step, key=f"{identity}/{step}", digest="0", size=100
            )
            for step in steps
        ],
    }
    return NewEntry(**values | changes)


class Cache:
    """The cache's transactions, each in a session of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __getattr__(self, name: str):
        def call(*args, **values):
            with self.database.session() as session:
                return getattr(approximation, name)(session, *args, **values)

        return call

    def find(self, *angles: float, tenant: str = "shop", scope: str = "s"):
        return self.find_nearest(tenant=tenant, scope=scope, embedding=direction(*angles))


@pytest.fixture
def cache(database: Database) -> Cache:
    return Cache(database)


def test_the_nearest_prompt_is_found_with_its_latents(cache: Cache):
    near, far = entry(embedding=direction(1, 0.1)), entry(embedding=direction(1, 1))
    cache.add_entries([near, far])
    found = cache.find(1)
    assert found.generation_id == near.generation_id
    assert found.similarity == pytest.approx(1 / np.hypot(1, 0.1), abs=1e-3)
    assert [one.step for one in found.latents] == [4, 2]


@pytest.mark.parametrize("other", [{"tenant": "stranger"}, {"scope": "other"}])
def test_what_belongs_to_others_is_not_found(cache: Cache, other: dict[str, str]):
    cache.add_entries([entry(**other)])
    assert cache.find(1) is None
    assert cache.find(1, **other) is not None


def test_a_crowd_of_other_tenants_hides_nothing(cache: Cache, database: Database):
    """The index gives its nearest first: hundreds of others' must not use up what it gives."""
    mine = entry(embedding=direction(1, 1), steps=(2,))
    others = [
        entry(tenant="stranger", steps=(2,), embedding=direction(1, n / 1000)) for n in range(300)
    ]
    cache.add_entries([*others, mine])
    with database.session() as session:
        # What the planner chooses when a scope is large.
        session.execute(text("set local enable_seqscan = off"))
        session.execute(text("set local enable_sort = off"))
        session.execute(text("set local enable_bitmapscan = off"))
        found = find_nearest(session, tenant="shop", scope="s", embedding=direction(1))
        assert found is not None
        assert found.generation_id == mine.generation_id


def test_writing_an_entry_twice_changes_nothing(cache: Cache, shop: Shop):
    one = entry()
    cache.add_entries([one])
    cache.count_hits({(one.generation_id, 2): 1})
    cache.add_entries([one])
    assert {latents.step: latents.hits for latents in shop.all(ApproximateLatents)} == {2: 2, 4: 1}


def test_the_least_beneficial_go_first(cache: Cache, shop: Shop):
    one = entry(steps=(2, 4, 10))
    cache.add_entries([one])
    # Benefits: 2 × 6 hits = 12, 4 × 1 = 4, 10 × 1 = 10.
    cache.count_hits({(one.generation_id, 2): 5})
    gone = []
    for budget in (300, 200, 100, 0):
        gone += [key.rpartition("/")[2] for key in cache.evict(budget=budget)]
    assert gone == ["4", "10", "2"]
    assert shop.all(ApproximateEntry) == [], "an entry without latents is of no use"


def test_of_equal_benefit_the_older_go_first(cache: Cache):
    first, second = entry(steps=(2,)), entry(steps=(2,))
    cache.add_entries([first])
    cache.add_entries([second])
    assert cache.evict(budget=100) == [first.latents[0].key]


def test_old_latents_expire_by_the_clock_of_postgres(cache: Cache, shop: Shop, database: Database):
    old, young = entry(), entry()
    cache.add_entries([old, young])
    with database.session() as session:
        session.execute(
            text("update approximate_latents set created_at = now() - interval '1 hour'")
        )
        session.execute(
            text("update approximate_latents set created_at = now() where generation_id = :one"),
            {"one": young.generation_id},
        )
    assert sorted(cache.expire(seconds=60)) == [one.key for one in old.latents]
    assert [one.generation_id for one in shop.all(ApproximateEntry)] == [young.generation_id]


def test_a_clock_that_jumps_back_expires_nothing(cache: Cache, database: Database):
    cache.add_entries([entry()])
    with database.session() as session:
        session.execute(
            text("update approximate_latents set created_at = now() + interval '1 day'")
        )
    assert cache.expire(seconds=60) == []
    assert cache.find(1) is not None


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({"tenant": "shop"}, {"blue mug"}),
        ({"bundle_revision": "r1"}, {"green mug"}),
        ({"prompt": "Red  MUG"}, {"blue mug", "green mug"}),
        ({"tenant": "shop", "bundle_revision": "r1"}, {"blue mug", "green mug"}),
    ],
    ids=["tenant", "revision", "prompt", "both"],
)
def test_purging_takes_what_matches_everything_named(cache, shop, named, left):
    cache.add_entries(
        [
            entry("red mug"),
            entry("blue mug", tenant="stranger"),
            entry("green mug", bundle_revision="r2"),
        ]
    )
    keys = cache.purge(**named)
    if named == {"tenant": "shop"}:
        assert len(keys) == 4
    assert {one.prompt for one in shop.all(ApproximateEntry)} == left


def willing(product: str = "red mug", **values):
    return wanted(product, approximate=True, **values)


def test_who_agrees_gets_the_same_seed_as_who_does_not(shop: Shop):
    agreed, plain = (shop.want(one).job_ids[0] for one in (willing(), wanted()))
    assert shop.job(agreed).seed == shop.job(plain).seed
    assert shop.job(agreed).fingerprint != shop.job(plain).fingerprint
    generation = shop.generation(shop.generation_of(agreed))
    assert generation.exact_fingerprint == shop.job(plain).fingerprint
    assert generation.seed == derived_seed(generation.exact_fingerprint)
    assert shop.generation(shop.generation_of(plain)).approximate_scope is None


def test_the_scope_is_all_but_the_prompt():
    scope = willing().scope()
    assert willing("blue mug").scope() == scope
    for change in (
        {"width": 128},
        {"steps": 5},
        {"scheduler": "euler"},
        {"guidance_scale": 3.0},
        {"seed": 7},
        {"variant": 2},
    ):
        assert willing(**change).scope() != scope
    assert willing(model=made_by("r2")).scope() != scope


def approximated(shop: Shop, job_id: UUID) -> Approximation:
    """Finish a job as a worker does that found a near prompt."""
    claim = shop.start(job_id)
    found = Approximation(
        steps_spared=2, similarity=0.96, source_generation=new_id(), source_job=new_id()
    )
    one = completion.Finished(claim=claim, image=image_of(claim), seconds=1.0, approximation=found)
    with shop.database.session() as session:
        assert completion.succeed(session, [one])
    return found


def test_a_job_is_told_what_its_image_began_with(shop: Shop):
    first, joined = shop.want(willing(), willing(), batch=True).job_ids
    found = approximated(shop, first)
    assert shop.job(first).cache is CacheOutcome.APPROXIMATE
    assert shop.job(joined).cache is CacheOutcome.COALESCED
    stored = shop.generation(shop.generation_of(first)).approximation
    assert stored == found.document()
    assert stored["source_generation"] == str(found.source_generation)


def test_an_approximate_image_answers_only_those_who_agree(shop: Shop):
    approximated(shop, shop.want(willing()).job_ids[0])
    (agreed,) = shop.want(willing()).job_ids
    assert shop.job(agreed).cache is CacheOutcome.EXACT
    (plain,) = shop.want(wanted()).job_ids
    assert shop.job(plain).cache is CacheOutcome.MISS


def test_who_agrees_gets_the_exact_image_that_is_in_store(shop: Shop):
    (plain,) = shop.want(wanted()).job_ids
    (joined,) = shop.want(willing()).job_ids
    assert shop.job(joined).cache is CacheOutcome.COALESCED
    assert shop.generation_of(joined) == shop.generation_of(plain)
    shop.succeed(shop.start(plain))
    (later,) = shop.want(willing()).job_ids
    assert shop.job(later).cache is CacheOutcome.EXACT


def test_an_entry_names_a_job_that_it_was_computed_for(shop: Shop, cache: Cache):
    first, _ = shop.want(willing(), willing(), batch=True).job_ids
    claim = shop.start(first)
    with shop.database.session() as session:
        completion.succeed(session, [finished(claim)])
    cache.add_entries([entry(generation_id=claim.generation_id)])
    assert cache.find(1).job_id == first
