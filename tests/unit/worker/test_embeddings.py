"""The cache of text embeddings."""

from collections.abc import Sequence

import numpy as np
from prometheus_client import REGISTRY

from core.cache_metrics import Level, Outcome
from tests.cache_counts import CacheCounts
from worker.embeddings import EmbeddingCache, EmbeddingStore
from worker.model import HIDDEN_STATES, Conditioning

ENTRY = np.zeros((2, 3), np.float32).nbytes


class Encoder:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[Conditioning]:
        self.calls.append(list(texts))
        return [{HIDDEN_STATES: np.full((2, 3), len(text), np.float32)} for text in texts]


def test_a_text_is_encoded_once_and_missing_ones_share_a_call():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(100 * ENTRY))
    cache.get(["mug"])
    embeddings = cache.get(["mug", "lamp", "a chair", "lamp"])
    assert encoder.calls == [["mug"], ["lamp", "a chair"]]
    assert [float(one[HIDDEN_STATES][0, 0]) for one in embeddings] == [3, 4, 7, 4]
    assert (cache.hits, cache.misses) == (2, 3)


def test_texts_that_the_tokenizer_makes_equal_share_an_entry():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(100 * ENTRY))
    cache.get(["Red  Mug"])
    cache.get([" red mug\n"])
    assert len(encoder.calls) == 1


def test_the_least_recently_used_leaves_when_the_budget_is_full():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(2 * ENTRY))
    cache.get(["a"])
    cache.get(["b"])
    cache.get(["a"])
    cache.get(["c"])
    encoder.calls.clear()
    cache.get(["a", "c"])
    assert encoder.calls == []
    cache.get(["b"])
    assert encoder.calls == [["b"]]


def test_without_a_budget_everything_is_encoded_again():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(0))
    assert [one[HIDDEN_STATES][0, 0] for one in cache.get(["mug"])] == [3]
    cache.get(["mug"])
    assert len(encoder.calls) == 2


def test_what_one_tenant_asked_for_makes_nothing_quicker_for_another():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(100 * ENTRY))
    cache.get(["red mug"], ["shop"])
    cache.get(["red mug"], ["other"])
    cache.get(["red mug"], ["shop"])
    assert encoder.calls == [["red mug"], ["red mug"]]


def test_equal_texts_of_two_tenants_in_one_call_are_one_text_in_it():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(100 * ENTRY))
    cache.get(["red mug", "red mug"], ["shop", "other"])
    assert encoder.calls == [["red mug"]]
    assert cache.misses == 2


def test_the_negative_prompt_is_encoded_once_for_everybody_and_stays():
    encoder = Encoder()
    cache = EmbeddingCache(encoder, store=EmbeddingStore(ENTRY), pinned=("", "blurry"))
    for number, tenant in enumerate(["shop", "other", "shop"]):
        cache.get([f"mug {number}", "Blurry ", ""], [tenant] * 3)
    texts = [text for call in encoder.calls for text in call]
    assert texts.count("blurry") == texts.count("") == 1


def test_look_ups_are_counted_with_what_they_saved():
    counts = CacheCounts()
    cache = EmbeddingCache(Encoder(), store=EmbeddingStore(ENTRY))
    cache.get(["a", "b", "a"], ["shop"] * 3)
    cache.get(["b"], ["shop"])
    counted = counts.take()
    assert counted[Level.EMBEDDING, Outcome.MISS].number == 2
    hits = counted[Level.EMBEDDING, Outcome.HIT]
    assert hits.number == 2
    assert hits.seconds_saved > 0
    assert counted[Level.EMBEDDING, Outcome.EVICTION].number == 1
    labels = {"level": "embedding"}
    assert REGISTRY.get_sample_value("packshot_cache_memory_bytes", labels) == ENTRY
    assert REGISTRY.get_sample_value("packshot_cache_memory_entries", labels) == 1
