"""What a request may say of seeds instead of a number."""

from enum import StrEnum


class SeedRule(StrEnum):
    """Where the seed of an image comes from."""

    DERIVED = "derived"
    """From all that decides the image: the same request gives the same image."""
    PER_SKU = "per_sku"
    """From the SKU: a product keeps its noise, and so much of its composition, whatever its prompt
    becomes."""
