"""Captions in shop language for drawn products."""

import random

from starter.chance import seeded
from starter.data.attributes import Background, Kind, Pattern, Product, split_products

NAMES: dict[Kind, tuple[str, ...]] = {
    Kind.MUG: ("mug", "mug", "coffee mug", "cup"),
    Kind.BOTTLE: ("bottle", "bottle", "water bottle"),
    Kind.T_SHIRT: ("t-shirt", "t-shirt", "t shirt", "tee"),
    Kind.SNEAKER: ("sneaker", "sneaker", "shoe", "trainer"),
    Kind.HANDBAG: ("handbag", "handbag", "hand bag", "purse"),
    Kind.LAMP: ("lamp", "lamp", "table lamp"),
    Kind.CHAIR: ("chair", "chair", "dining chair"),
    Kind.WATCH: ("watch", "watch", "wrist watch", "wristwatch"),
    Kind.CAP: ("cap", "cap", "baseball cap", "hat"),
    Kind.BACKPACK: ("backpack", "backpack", "rucksack"),
    Kind.VASE: ("vase", "vase", "flower vase"),
    Kind.TEAPOT: ("teapot", "teapot", "tea pot"),
}
"""What a shop calls each kind; the usual word stands twice, so it is drawn more often."""

SETTINGS: dict[Background, tuple[str, ...]] = {
    Background.WHITE: ("white background", "pure white background", "white backdrop"),
    Background.GREY: ("grey background", "gray background", "grey studio background"),
    Background.BEIGE: ("beige background", "beige backdrop"),
    Background.MINT: ("mint background", "mint green background", "mint backdrop"),
    Background.WOOD: ("wooden table", "wooden table", "wood table", "wooden desk"),
}

BEFORE: dict[Pattern, tuple[str, ...]] = {
    Pattern.PLAIN: ("", "", "", "", "", "plain", "solid"),
    Pattern.STRIPED: ("striped",),
    Pattern.DOTTED: ("dotted", "dotted", "polka dot"),
}
AFTER: dict[Pattern, tuple[str, ...]] = {
    Pattern.PLAIN: ("",),
    Pattern.STRIPED: ("with stripes", "in stripes", "with a striped pattern"),
    Pattern.DOTTED: ("with dots", "with polka dots", "with a dotted pattern"),
}

OPENINGS = (
    "", "", "", "", "product photo of", "photo of", "studio photo of", "a picture of",
    "product image of", "new", "catalogue image of",
)  # fmt: skip
ENDINGS = (
    "", "", "", "", "", "", "studio light", "soft shadow", "high quality", "product photography",
    "studio lighting", "centered", "sharp focus", "for the online shop",
)  # fmt: skip
_SYLLABLES = (
    "ka", "no", "ri", "vel", "tam", "os", "lu", "men", "dor", "shi", "qua", "bex", "ul", "zan",
    "pre", "fig", "wy", "hol", "jy", "er",
)  # fmt: skip


def canonical_caption(product: Product) -> str:
    """Write the one plain sentence for a product: "a striped red mug on a white background"."""
    pattern = "" if product.pattern is Pattern.PLAIN else product.pattern.value
    words = _words(pattern, product.colour.value, product.kind.value)
    setting = SETTINGS[product.background][0]
    return f"{_article(words)} {words} on a {setting}"


def caption(product: Product, rng: random.Random) -> str:
    """Write one of many phrasings, each with the kind, the colour, and the pattern if there is one.

    A white background is left out at times, so that a prompt without one means white. Made-up
    brand names, sizes and article numbers appear too, so that such words change nothing.
    """
    text = _product_phrase(product, rng)
    if rng.random() < 0.12:
        text = _words(text, rng.choice(("by", "from", "-")), _made_up(rng))
    text = _words(rng.choice(OPENINGS), text)
    if product.background is not Background.WHITE or rng.random() < 0.6:
        text += _setting_phrase(product.background, rng)
    ending = rng.choice(ENDINGS)
    if ending:
        text += f", {ending}"
    return text if rng.random() < 0.85 else text.capitalize()


def corpus() -> list[str]:
    """Write the captions that the starter's tokenizer is trained on."""
    rng = seeded(3)
    products, _ = split_products()
    return [caption(product, rng) for product in products for _ in range(4)]


def _product_phrase(product: Product, rng: random.Random) -> str:
    colour, name = product.colour.value, rng.choice(NAMES[product.kind])
    before, after = rng.choice(BEFORE[product.pattern]), ""
    order = rng.random()
    if order < 0.5:
        words = _words(before, colour, name)
    elif order < 0.65:
        words = _words(colour, before, name)
    elif order < 0.75:
        words = _words(before, name, "in", colour)
    elif order < 0.85:
        words = f"{colour} {name}" + (f", {before}" if before else "")
    else:
        after = rng.choice(AFTER[product.pattern])
        words = _words(colour, name, after)
    if rng.random() < 0.06:
        words = _words(_made_up(rng), words)
    return f"{_article(words)} {words}" if rng.random() < 0.6 else words


def _setting_phrase(background: Background, rng: random.Random) -> str:
    setting = rng.choice(SETTINGS[background])
    return rng.choice((f" on a {setting}", f" on a {setting}", f", {setting}", f" on {setting}"))


def _made_up(rng: random.Random) -> str:
    """Make up a brand name or an article number that means nothing."""
    if rng.random() < 0.3:
        return f"{rng.choice('abcdefghkmnprstvwxz')}{rng.randrange(10, 9999)}"
    return "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3)))


def _article(words: str) -> str:
    return "an" if words[0] in "aeio" else "a"


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)
