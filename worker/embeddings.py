"""Text embeddings that were computed already."""

import threading
import time
from collections.abc import Callable, Collection, Sequence

import numpy as np

from core.cache_metrics import Level, Outcome, count, hold
from core.domain.texts import canonical_text
from core.eviction import BoundedMap, Policy
from worker.finite import check_finite
from worker.model import Conditioning
from worker.rows import EVERYBODY

Key = tuple[str, str, str]
"""Revision of the model, tenant and canonical text."""


class EmbeddingStore:
    """Where the models of a worker keep their embeddings: least recently used, with one budget.

    Those of a model that is unloaded stay, as long as there is room: they hold when it comes back.
    """

    def __init__(self, budget: int) -> None:
        """Make an empty one.

        Args:
            budget: Bytes, beside the pinned.
        """
        self._cache: BoundedMap[Key, Conditioning] = BoundedMap(
            policy=Policy.LRU, max_bytes=budget, max_entries=2**31
        )
        self._pinned: dict[Key, Conditioning] = {}
        self._lock = threading.Lock()
        self._evicted = 0
        """Evictions that were counted."""

    def find(self, key: Key) -> Conditioning | None:
        """Return what is there, which counts as a use."""
        pinned = self._pinned.get(key)
        return self._cache.get(key) if pinned is None else pinned

    def keep(self, key: Key, one: Conditioning, *, pinned: bool) -> None:
        """Store one; what is pinned is never evicted, and there is little of it."""
        if pinned:
            self._pinned[key] = one
        else:
            self._cache.put(key, one, size=_bytes(one))

    def count(self) -> None:
        """Count what was evicted since the last time, and what is held."""
        evicted = self._cache.evictions
        with self._lock:
            gone, self._evicted = evicted - self._evicted, evicted
        count(Level.EMBEDDING, Outcome.EVICTION, number=gone)
        pinned = sum(map(_bytes, list(self._pinned.values())))
        hold(
            Level.EMBEDDING,
            size=self._cache.size + pinned,
            entries=len(self._cache) + len(self._pinned),
        )


class EmbeddingCache:
    """A model's text embeddings.

    The key is the text in its canonical form: what the tokenizer makes equal is encoded once. And
    its tenant: how soon an image is there must not tell one tenant what another asked for. Only
    what everybody knows is shared, the bundle's own negative prompt and the empty text, which
    nearly every image with guidance needs: these are encoded once and stay.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Sequence[Conditioning]],
        *,
        store: EmbeddingStore,
        revision: str = "",
        pinned: Collection[str] = ("",),
        canonical: Callable[[str], str] = canonical_text,
    ) -> None:
        """Wire it.

        Args:
            encode: Encodes texts; `Model.encode`.
            store: Where they are kept.
            revision: The model's.
            pinned: Texts that everybody uses: once computed, they are never evicted.
            canonical: Makes texts equal that have equal embeddings.
        """
        self._encode = encode
        self._store = store
        self._revision = revision
        self._canonical = canonical
        self._pinned_texts = {canonical(text) for text in pinned}
        self._lock = threading.Lock()
        self._encoded_texts = 0
        self._encoded_seconds = 0.0
        self.hits = 0
        self.misses = 0

    def get(self, texts: Sequence[str], tenants: Sequence[str] | None = None) -> list[Conditioning]:
        """Return what each text conditions the UNet with; encode what is missing in one batch.

        Args:
            texts: Any number.
            tenants: Whose each one is; None: nobody's in particular.

        Raises:
            NotFiniteError: The embedding of one of them is not finite. It is not kept, those of
                the others are.
        """
        keys = [
            self._key(text, tenant)
            for text, tenant in zip(texts, tenants or [EVERYBODY] * len(texts), strict=True)
        ]
        known = {key: found for key in set(keys) if (found := self._store.find(key)) is not None}
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        if missing:
            known |= self._encode_all(missing)
        self._count(keys, missing)
        return [known[key] for key in keys]

    def _key(self, text: str, tenant: str) -> Key:
        canonical = self._canonical(text)
        owner = EVERYBODY if canonical in self._pinned_texts else tenant
        return self._revision, owner, canonical

    def _encode_all(self, keys: Sequence[Key]) -> dict[Key, Conditioning]:
        # Two tenants' equal texts are one text in the call that both wait for.
        texts = list(dict.fromkeys(text for *_, text in keys))
        began = time.perf_counter()
        encoded = dict(zip(texts, self._encode(texts), strict=True))
        seconds = time.perf_counter() - began
        with self._lock:
            self._encoded_texts += len(texts)
            self._encoded_seconds += seconds
        # Copied: a text's memory goes with the text, and not with the last one of its call.
        fresh: dict[Key, Conditioning] = {
            key: {name: one.copy() for name, one in encoded[key[-1]].items()} for key in keys
        }
        for key, one in fresh.items():
            if not all(np.isfinite(array).all() for array in one.values()):
                continue
            self._store.keep(key, one, pinned=key[-1] in self._pinned_texts)
        arrays = [array for one in fresh.values() for array in one.values()]
        # The text encoder computes in single precision, whatever the rest does.
        check_finite("the text encoder's output", *arrays, precision="f32")
        return fresh

    def _count(self, keys: Sequence[Key], missing: Collection[Key]) -> None:
        """Count each look-up; of several for one missing text, all but the first are hits."""
        with self._lock:
            seconds = self._encoded_seconds / max(1, self._encoded_texts)
        hits = len(keys) - len(missing)
        self.misses += len(missing)
        self.hits += hits
        count(Level.EMBEDDING, Outcome.MISS, number=len(missing))
        count(Level.EMBEDDING, Outcome.HIT, number=hits, seconds_saved=hits * seconds)
        self._store.count()


def _bytes(one: Conditioning) -> int:
    return sum(array.nbytes for array in one.values())
