"""Where seeds come from."""

import hashlib
import unicodedata
from enum import StrEnum


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
