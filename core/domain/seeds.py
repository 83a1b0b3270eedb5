"""Where seeds come from."""

import hashlib
import unicodedata
from collections.abc import Collection
from enum import StrEnum
from itertools import count


class SeedRule(StrEnum):
    """What a request may say of a seed instead of a number."""

    DERIVED = "derived"
    """From all that decides the image: the same request gives the same image."""
    PER_SKU = "per_sku"
    """From the SKU: a product keeps its noise, and so much of its composition, whatever its prompt
    becomes."""


def derived_seed(digest: str) -> int:
    """Make the seed of a request that gave none: 63 bits of its fingerprint.

    The same prompt then gives the same image, on every machine and in every run.
    """
    return int(digest[:16], 16) >> 1


def sku_seed(sku: str) -> int:
    """Make the seed of a product from its SKU: 63 bits, the same for every prompt.

    SKUs are compared as they are written, in NFC.
    """
    encoded = unicodedata.normalize("NFC", sku).encode()
    return derived_seed(hashlib.sha256(b"sku:" + encoded).hexdigest())


def variant_seed(seed: int, variant: int) -> int:
    """Make the seed of a variant from the caller's; the first variant has the caller's own."""
    return (seed + variant - 1) % 2**63


def another_seed(digest: str, variant: int, taken: Collection[int | None]) -> int:
    """Make a seed for an image that is wanted once more, other than those that it had.

    Whoever wants the same image as often again gets the same one: it is shared as any other.

    Args:
        digest: The image's fingerprint without a seed.
        variant: From 1.
        taken: Seeds that the variant had.

    Returns:
        The caller's seed: see `variant_seed`.
    """
    seeds = (
        derived_seed(hashlib.sha256(f"again:{digest}:{attempt}".encode()).hexdigest())
        for attempt in count(1)
    )
    return next(one for one in seeds if variant_seed(one, variant) not in taken)
