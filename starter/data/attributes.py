"""What a drawn product can be: its kind, colour, pattern and background."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from starter.chance import seeded

HELD_OUT_COUNT = 200
HELD_OUT_SEED = 20


class Kind(StrEnum):
    """The products that the starter model knows; the value is the caption's main word."""

    MUG = "mug"
    BOTTLE = "bottle"
    T_SHIRT = "t-shirt"
    SNEAKER = "sneaker"
    HANDBAG = "handbag"
    LAMP = "lamp"
    CHAIR = "chair"
    WATCH = "watch"
    CAP = "cap"
    BACKPACK = "backpack"
    VASE = "vase"
    TEAPOT = "teapot"


class Colour(StrEnum):
    """The colour of the product's body."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    BROWN = "brown"
    BLACK = "black"
    WHITE = "white"


class Pattern(StrEnum):
    """What is printed on the product's body."""

    PLAIN = "plain"
    STRIPED = "striped"
    DOTTED = "dotted"


class Background(StrEnum):
    """What the product stands on."""

    WHITE = "white"
    GREY = "grey"
    BEIGE = "beige"
    MINT = "mint"
    WOOD = "wooden table"


ATTRIBUTES: dict[str, type[StrEnum]] = {
    "kind": Kind,
    "colour": Colour,
    "pattern": Pattern,
    "background": Background,
}
"""The four attributes by name, in the order of `Product`'s fields."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One combination of attributes: everything that a caption can say about a picture."""

    kind: Kind
    colour: Colour
    pattern: Pattern
    background: Background

    def labels(self) -> tuple[int, int, int, int]:
        """Return the four class numbers, in the order of `ATTRIBUTES`."""
        return (
            list(Kind).index(self.kind),
            list(Colour).index(self.colour),
            list(Pattern).index(self.pattern),
            list(Background).index(self.background),
        )


def all_products() -> list[Product]:
    """List every combination (12 x 10 x 3 x 5 = 1800), always in the same order."""
    return [
        Product(kind=kind, colour=colour, pattern=pattern, background=background)
        for kind, colour, pattern, background in product(Kind, Colour, Pattern, Background)
    ]


def split_products() -> tuple[list[Product], list[Product]]:
    """Return the combinations for training (1600) and the ones held out (200).

    A shuffle with a fixed seed decides, so that a held-out combination has never been seen in
    training while each of its attribute values, and nearly each pair of them, has.
    """
    shuffled = all_products()
    seeded(HELD_OUT_SEED).shuffle(shuffled)
    return shuffled[HELD_OUT_COUNT:], shuffled[:HELD_OUT_COUNT]
