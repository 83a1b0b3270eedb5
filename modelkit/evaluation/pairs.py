"""Prompts and near ones: what approximate images are judged on."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from bundles.manifest import Manifest
from modelkit.prompts import EVALUATION, held_out_products, is_starter
from starter.data.attributes import Background, Colour, Kind, Pattern, Product
from starter.data.captions import canonical_caption, caption
from starter.data.chance import seeded

Value = TypeVar("Value", bound=StrEnum)

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
    "grey", "gold", "silver",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt that is drawn with the beginning of another one's image."""

    relation: str
    """In which way the two differ, for people."""
    target: str
    source: str
    product: Product | None = None
    """What the target shows, where the starter's classifier can judge it."""


def make_pairs(manifest: Manifest, count: int, *, seed: int = 0) -> list[Pair]:
    """Give pairs of different similarity for each of `count` prompts of the bundle's own.

    The starter draws held-out products, beside the same in other words, and others that differ in
    one attribute, in two, and in all of them. Other bundles draw their prompts beside shorter and
    longer ones, such with other colours, and other prompts.
    """
    rng = seeded(f"pairs/{seed}")
    if is_starter(manifest):
        return [
            pair for product in held_out_products(count) for pair in _product_pairs(product, rng)
        ]
    prompts = (manifest.prompts or EVALUATION)[:count]
    return [pair for prompt in prompts for pair in _text_pairs(prompt, prompts, rng)]


def _product_pairs(product: Product, rng: random.Random) -> list[Pair]:
    kind, colour = _other(Kind, product.kind, rng), _other(Colour, product.colour, rng)
    pattern = _other(Pattern, product.pattern, rng)
    background = _other(Background, product.background, rng)
    others: Mapping[str, Product] = {
        "colour": replace(product, colour=colour),
        "background": replace(product, background=background),
        "pattern": replace(product, pattern=pattern),
        "kind": replace(product, kind=kind),
        "colour and background": replace(product, colour=colour, background=background),
        "everything": Product(kind=kind, colour=colour, pattern=pattern, background=background),
    }
    sources = {"other words": caption(product, rng)} | {
        relation: canonical_caption(other) for relation, other in others.items()
    }
    return [
        Pair(
            relation=relation,
            target=canonical_caption(product),
            source=source,
            product=product,
        )
        for relation, source in sources.items()
    ]


def _other(values: type[Value], one: Value, rng: random.Random) -> Value:
    return rng.choice([value for value in values if value is not one])


def _text_pairs(prompt: str, prompts: Sequence[str], rng: random.Random) -> list[Pair]:
    sources = {
        "fewer words": prompt.rpartition(",")[0],
        "more words": f"{prompt}, studio light",
        "colour": _recoloured(prompt, rng),
        "another prompt": rng.choice([other for other in prompts if other != prompt] or [""]),
    }
    return [
        Pair(relation=relation, target=prompt, source=source)
        for relation, source in sources.items()
        if source
    ]


def _recoloured(prompt: str, rng: random.Random) -> str:
    """Put another colour in the place of the first; empty where there is none."""
    words = prompt.split(" ")
    place = next((n for n, word in enumerate(words) if word.lower() in COLOURS), None)
    if place is None:
        return ""
    words[place] = rng.choice([colour for colour in COLOURS if colour != words[place].lower()])
    return " ".join(words)
