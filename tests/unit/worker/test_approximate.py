"""The parts of the approximate cache that need no services."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.db.models.approximate import EMBEDDING_WIDTH
from core.domain.approximation import NIRVANA, SHARES, Threshold, kept_steps, most_steps
from worker.approximate.blob import DamagedLatentsError, pack, unpack
from worker.approximate.pooling import pool
from worker.approximate.predictor import PATIENCE, SPARSEST, Predictor

SHAPE = (4, 2, 3)
LATENTS = np.arange(24, dtype=np.float16).reshape(SHAPE)


def test_fifty_steps_are_kept_where_the_paper_keeps_them():
    assert kept_steps(50) == (5, 10, 15, 20, 25)


@given(st.integers(1, 200))
def test_what_is_kept_lies_inside_the_schedule(steps: int):
    kept = kept_steps(steps)
    assert list(kept) == sorted(set(kept))
    assert all(0 < step <= steps / 2 + 1 and step < steps for step in kept)
    assert len(kept) <= len(SHARES)


@pytest.mark.parametrize(
    ("similarity", "steps"),
    [(1.0, 25), (0.96, 25), (0.95, 20), (0.9, 15), (0.8, 10), (0.7, 5), (0.65, 0), (-1.0, 0)],
)
def test_the_papers_thresholds_spare_what_they_say(similarity: float, steps: int):
    assert most_steps(similarity, 50, NIRVANA) == steps


def test_a_bundle_may_allow_nothing_at_all():
    assert most_steps(1.0, 50, ()) == 0


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 100))
def test_a_nearer_prompt_is_never_spared_less(one: float, other: float, steps: int):
    near, far = max(one, other), min(one, other)
    assert most_steps(near, steps, NIRVANA) >= most_steps(far, steps, NIRVANA)


def test_only_steps_that_are_kept_are_spared():
    assert most_steps(0.9, 7, [Threshold(share=0.35, similarity=0.5)]) in {0, *kept_steps(7)}


def test_latents_come_back_as_they_were():
    body = pack(LATENTS)
    read = unpack(body, shape=SHAPE)
    assert read.dtype == np.float16
    assert np.array_equal(read, LATENTS)


def damaged() -> list[tuple[str, bytes, str]]:
    """Give what may lie in S3 instead of latents: a name, the bytes, and what is said of them."""
    return [
        ("other shape", pack(LATENTS.reshape(4, 3, 2)), "shape"),
        ("other type", pack(LATENTS.astype(np.float32)), "FP16"),
        ("objects", b"\x93NUMPY\x01\x00", "no array"),
        ("nothing", b"", "no array"),
        ("infinite", pack(np.full(SHAPE, np.inf, np.float16)), "infinite"),
        ("no array", b"<html>not found</html>", "no array"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"), [case[1:] for case in damaged()], ids=[case[0] for case in damaged()]
)
def test_what_is_no_latents_is_refused_even_if_it_was_noted_so(body: bytes, reason: str):
    with pytest.raises(DamagedLatentsError, match=reason):
        unpack(body, shape=SHAPE)


def test_pickled_objects_are_never_loaded():
    body = pack(LATENTS).replace(b"<f2", b"|O ", 1)
    with pytest.raises(DamagedLatentsError):
        unpack(body, shape=SHAPE)


def test_a_pooled_embedding_is_a_direction_of_the_indexs_width():
    states = np.random.default_rng(1).normal(size=(77, 768)).astype(np.float32)
    pooled = pool(states, 5)
    assert pooled.shape == (EMBEDDING_WIDTH,)
    assert pooled[:768] @ states[5] == pytest.approx(np.linalg.norm(states[5]), rel=1e-5)
    assert np.linalg.norm(pooled) == pytest.approx(1, abs=1e-5)
    assert not pooled[768:].any()


@pytest.mark.parametrize(
    "states",
    [
        np.zeros((77, 8), np.float32),
        np.full((77, 8), np.nan, np.float32),
        np.ones((77, EMBEDDING_WIDTH + 1), np.float32),
    ],
    ids=["zeros", "no numbers", "too wide"],
)
def test_what_has_no_direction_is_refused(states):
    with pytest.raises(ValueError, match=r"no direction|more than"):
        pool(states, 3)


HERE, THERE = ("shop", "s"), ("stranger", "s")


def test_hopeless_look_ups_are_thinned_out_but_never_end():
    predictor = Predictor()
    made = []
    for _ in range(400):
        if predictor.worth(HERE):
            made.append(True)
            predictor.learn(HERE, hit=False)
        else:
            made.append(False)
    assert all(made[:PATIENCE])
    assert sum(made[-80:]) == 80 / SPARSEST


def test_a_hit_makes_the_next_look_ups_worth_it():
    predictor = Predictor()
    for _ in range(10 * PATIENCE):
        predictor.learn(HERE, hit=False)
    predictor.learn(HERE, hit=True)
    assert all(predictor.worth(HERE) for _ in range(PATIENCE))


def test_one_tenants_luck_does_not_change_anothers_look_ups():
    predictor = Predictor()
    for _ in range(10 * PATIENCE):
        predictor.learn(HERE, hit=False)
    assert all(predictor.worth(THERE) for _ in range(PATIENCE))
