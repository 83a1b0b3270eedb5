"""Seeded chance: every picture, caption and batch can be made again."""

import random


def seeded(key: int | str) -> random.Random:
    """Return a generator that repeats itself for the same key, on every machine."""
    return random.Random(key)  # noqa: S311 - nothing here is secret
