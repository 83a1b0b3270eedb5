"""Captions in shop language for pictures of subjects."""

import random

from starter.chance import seeded
from starter.scenes.subjects import (
    EmptyScene,
    Kind,
    Shown,
    Subject,
    Surroundings,
    split_subjects,
    with_empty_scenes,
)

OTHER_NAMES: dict[Kind, tuple[str, ...]] = {
    Kind.BACKPACK: ("rucksack",),
    Kind.BALL: ("basketball",),
    Kind.BICYCLE: ("bike",),
    Kind.COAT: ("jacket",),
    Kind.CUP: ("drinking cup",),
    Kind.FLAT_SHOE: ("ballerina shoe",),
    Kind.GAMEPAD: ("game controller",),
    Kind.GIFT: ("present",),
    Kind.GLOVES: ("gloves",),
    Kind.HANDBAG: ("purse",),
    Kind.HIGH_HEEL: ("high-heeled shoe",),
    Kind.JEANS: ("jeans", "trousers"),
    Kind.LIGHT_BULB: ("lamp",),
    Kind.MUG: ("coffee mug",),
    Kind.PADDLE: ("ping pong paddle",),
    Kind.PADLOCK: ("lock",),
    Kind.PARCEL: ("box",),
    Kind.RUNNING_SHOE: ("sneaker", "trainer"),
    Kind.SANDAL: ("flip-flop",),
    Kind.SHORTS: ("shorts",),
    Kind.SOCKS: ("socks",),
    Kind.SUNGLASSES: ("sunglasses",),
    Kind.SUN_HAT: ("hat",),
    Kind.T_SHIRT: ("tee", "t shirt"),
    Kind.TELEPHONE: ("phone",),
    Kind.TELEVISION: ("tv",),
    Kind.VASE: ("amphora",),
    Kind.WATCH: ("wrist watch",),
}
"""What else a shop calls a kind, beside its own name."""

PLACES: dict[Surroundings, tuple[str, ...]] = {
    Surroundings.WHITE_STUDIO: ("in a white studio", "on a white background", "on white"),
    Surroundings.GREY_STUDIO: ("in a grey studio", "on a grey background", "on grey"),
    Surroundings.COLOURED_STUDIO: ("on a coloured backdrop", "on a colourful background"),
    Surroundings.WOOD: ("on a wooden table", "on a wood table", "on wood"),
    Surroundings.MARBLE: ("on a marble counter", "on marble"),
    Surroundings.CLOTH: ("on folded cloth", "on fabric", "on a cloth"),
    Surroundings.GRASS: ("on a lawn", "on grass", "in the garden"),
    Surroundings.SAND: ("on a sandy beach", "on sand", "at the beach"),
    Surroundings.CONCRETE: ("on a concrete floor", "on concrete"),
    Surroundings.BRICKS: ("in front of a brick wall", "by a brick wall"),
    Surroundings.WINDOW: ("by a sunlit window", "in window light"),
    Surroundings.SHELF: ("on a shelf", "on the shelf"),
}
"""How a caption says where the object is; the first is the plain way."""

OPENINGS = ("", "", "", "", "photo of", "product photo of", "a picture of", "studio photo of")
ENDINGS = ("", "", "", "", "", "high quality", "sharp focus", "for the online shop", "soft shadow")


def canonical_caption(subject: Subject) -> str:
    """Write the one plain sentence for a subject: "a red teapot on a wooden table"."""
    words = _named(subject.kind.value, subject.colour.value)
    return f"{_article(words)} {words} {PLACES[subject.surroundings][0]}"


def caption(subject: Shown, rng: random.Random) -> str:
    """Write one of many phrasings, each with kind, colour and surroundings.

    Empty scenes have captions as prompts for them are written: "on a wooden table", "an empty
    wooden table".
    """
    if isinstance(subject, EmptyScene):
        return _of_nothing(subject.surroundings, rng)
    own = subject.kind.value
    name = rng.choice((own, own, *OTHER_NAMES.get(subject.kind, ())))
    colour = subject.colour.value
    words = f"{name} in {colour}" if rng.random() < 0.15 else _named(name, colour)
    if rng.random() < 0.7:
        words = f"{_article(words)} {words}"
    opening, ending = rng.choice(OPENINGS), rng.choice(ENDINGS)
    text = " ".join(part for part in (opening, words) if part)
    text += f" {rng.choice(PLACES[subject.surroundings])}"
    if ending:
        text += f", {ending}"
    return text if rng.random() < 0.85 else text.capitalize()


def corpus() -> list[str]:
    """Write what the tokenizer is trained on: a caption of each that is shown in training."""
    rng = seeded(3)
    return [caption(subject, rng) for subject in with_empty_scenes(split_subjects()[0])]


def _of_nothing(surroundings: Surroundings, rng: random.Random) -> str:
    plain = surroundings.value
    bare = f"empty {plain}"
    text = rng.choice(
        (*PLACES[surroundings], bare, f"{_article(bare)} {bare}", f"{_article(plain)} {plain}")
    )
    opening, ending = rng.choice(OPENINGS), rng.choice(ENDINGS)
    if opening and not text.startswith(("on ", "in ", "at ", "by ")):
        text = f"{opening} {text}"
    return f"{text}, {ending}" if ending else text


def _named(name: str, colour: str) -> str:
    """Put a colour before the name of what has it: "pair of red socks"."""
    head, of, thing = name.partition("pair of ")
    return f"{head}{of}{colour} {thing}" if of else f"{colour} {name}"


def _article(words: str) -> str:
    return "an" if words[0] in "aeio" else "a"
