"""Text embeddings that were computed already."""

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from core.fingerprint import canonical_text

Embedding = NDArray[np.float32]
"""(tokens, features): the text encoder's last hidden state of one text."""


class EmbeddingCache:
    """A least-recently-used cache of text embeddings with a budget in bytes.

    One engine has one bundle, so the text alone is the key, in its canonical form: what the
    tokenizer makes equal is encoded once.
    """

    def __init__(self, encode: Callable[[Sequence[str]], NDArray[np.float32]], *, budget: int):
        self._encode = encode
        self._lock = Lock()
        self._cache: LRUCache[str, Embedding] = LRUCache(
            max(1, budget), getsizeof=lambda embedding: embedding.nbytes
        )
        self.hits = 0
        self.misses = 0

    def get(self, texts: Sequence[str]) -> list[Embedding]:
        """Give the embedding of each text; encode what is missing in one batch."""
        keys = [canonical_text(text) for text in texts]
        with self._lock:
            known = {key: self._cache[key] for key in set(keys) if key in self._cache}
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        self.hits += len(keys) - len(missing)
        self.misses += len(missing)
        if missing:
            fresh = dict(zip(missing, self._encode(missing), strict=True))
            known |= fresh
            with self._lock:
                for key, embedding in fresh.items():
                    # One that is larger than the whole budget is used, and not kept.
                    if embedding.nbytes <= self._cache.maxsize:
                        self._cache[key] = embedding.copy()
        return [known[key] for key in keys]
