"""The prompts that a model is calibrated and judged on when nobody names others."""

from bundles.manifest import Manifest
from modelkit.export.source import Profile
from starter.chance import seeded
from starter.data.attributes import Product, split_products
from starter.data.captions import canonical_caption, caption

STARTER = "starter"
"""What the starter calls itself."""

CALIBRATION = (
    "product photo of a white ceramic mug on a white background",
    "a pair of red running shoes, studio light, side view",
    "stainless steel water bottle on a grey background",
    "brown leather handbag with gold buckle, catalogue image",
    "black wireless headphones on a wooden desk, soft shadow",
    "a folded blue denim shirt, flat lay, top view",
    "glass perfume bottle with water drops, close-up, dark background",
    "wooden dining chair in a bright living room",
    "silver wrist watch on black velvet, macro photo",
    "green potted plant in a terracotta pot, window light",
    "a striped cotton t-shirt on a hanger, white wall",
    "yellow rain jacket for children, ghost mannequin",
    "desk lamp with brass arm, evening light, bokeh",
    "set of kitchen knives on a marble worktop",
    "sunglasses with tortoiseshell frame, isolated on white",
    "a jar of strawberry jam with linen cloth, rustic table",
    "mountain bike, side view, studio background",
    "white sofa with grey cushions, scandinavian interior",
    "gold necklace with pearl pendant on a bust",
    "a stack of hardcover books, pastel colours",
    "hiking backpack, olive green, outdoor scene on rocks",
    "ceramic teapot with floral pattern, tea table",
    "gaming keyboard with coloured lights, dark room",
    "knitted wool scarf, burgundy, close-up of the texture",
)
"""General product prompts for models whose folder names none."""

EVALUATION = (
    "a blue enamel coffee pot on a white background",
    "white leather sneakers on a concrete floor, soft light",
    "a red umbrella, isolated, studio photo",
    "scented candle in amber glass, wooden table, warm light",
    "black office chair, three-quarter view, grey background",
    "a bottle of olive oil with herbs, kitchen scene",
    "pink cotton baby bodysuit, flat lay",
    "vintage film camera, leather case, top view",
    "patterned carpet in a hallway, daylight",
    "silver ring with a green stone, macro, white background",
    "electric guitar, sunburst finish, on a stand",
    "canvas tote bag with print, hanging on a white wall",
    "wooden toy train on a pastel background",
    "glass vase with tulips on a window sill",
    "men's grey suit jacket on a mannequin",
    "box of chocolates, opened, festive setting",
)
"""Others of the kind, never calibrated on."""


def is_starter(manifest: Manifest) -> bool:
    """Check whether a bundle is of the starter's family, which its classifier can judge."""
    return STARTER in (manifest.family, manifest.name)


def held_out_products(count: int) -> list[Product]:
    """Return the first of the starter's held-out products, at most all 200."""
    return split_products()[1][:count]


def calibration_prompts(profile: Profile, count: int, *, seed: int = 0) -> list[str]:
    """Choose what a model draws while its UNet's inputs are recorded.

    The starter gets captions of products it was trained on, in all their phrasings: the held-out
    ones stay unseen for the evaluation. Other models get their profile's prompts, else general
    ones. Fewer prompts than `count` are repeated in turn.
    """
    if profile.name == STARTER:
        rng = seeded(seed)
        return [caption(product, rng) for product in rng.sample(split_products()[0], count)]
    prompts = profile.prompts or CALIBRATION
    return [prompts[number % len(prompts)] for number in range(count)]


def evaluation_prompts(manifest: Manifest, count: int) -> list[str]:
    """Choose what a bundle is judged on: at most `count` prompts, each of them once.

    The starter's family draws held-out products; others what their profile named, else general
    ones.
    """
    if is_starter(manifest):
        return [canonical_caption(product) for product in held_out_products(count)]
    return list((manifest.prompts or EVALUATION)[:count])
