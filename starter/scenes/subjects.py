"""What a caption says of a picture: kind, colour, surroundings; everything else is left open."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, product

from starter.chance import seeded

HELD_OUT_SHARE = 0.08
HELD_OUT_SEED = 64
EMPTY_EVERY = 10


class Kind(StrEnum):
    """The objects, by the caption's main word; `FILES` has their pictures."""

    ALARM_CLOCK = "alarm clock"
    BACKPACK = "backpack"
    BALL = "ball"
    BALLOON = "balloon"
    BELL = "bell"
    BICYCLE = "bicycle"
    BOOK = "book"
    BOTTLE = "bottle"
    BOXING_GLOVE = "boxing glove"
    BRIEFCASE = "briefcase"
    BUCKET = "bucket"
    CANDLE = "candle"
    CHAIR = "chair"
    CLUTCH = "clutch bag"
    COAT = "coat"
    COMPASS = "compass"
    CROWN = "crown"
    CUP = "cup with a straw"
    DRESS = "dress"
    DRUM = "drum"
    FILE_CABINET = "file cabinet"
    FLAT_SHOE = "flat shoe"
    GAMEPAD = "gamepad"
    GIFT = "gift box"
    GLOVES = "pair of gloves"
    GUITAR = "guitar"
    HAMMER = "hammer"
    HANDBAG = "handbag"
    HELMET = "helmet"
    HIGH_HEEL = "high heel"
    JEANS = "pair of jeans"
    JUICE_BOX = "juice box"
    KEY = "key"
    LANTERN = "paper lantern"
    LIGHT_BULB = "light bulb"
    MAGNET = "magnet"
    MICROPHONE = "microphone"
    MUG = "mug"
    NOTEBOOK = "notebook"
    PADDLE = "table tennis bat"
    PADLOCK = "padlock"
    PARCEL = "parcel"
    PEN = "pen"
    PENCIL = "pencil"
    RADIO = "radio"
    RAZOR = "razor"
    RING = "ring"
    ROLLER_SKATE = "roller skate"
    RUNNING_SHOE = "running shoe"
    SANDAL = "sandal"
    SCARF = "scarf"
    SHORTS = "pair of shorts"
    SKATEBOARD = "skateboard"
    SOCKS = "pair of socks"
    SPONGE = "sponge"
    SUNGLASSES = "pair of sunglasses"
    SUN_HAT = "sun hat"
    SWIMSUIT = "swimsuit"
    T_SHIRT = "t-shirt"
    TEAPOT = "teapot"
    TELEPHONE = "telephone"
    TELEVISION = "television"
    TOP_HAT = "top hat"
    UMBRELLA = "umbrella"
    VASE = "vase"
    WATCH = "watch"
    WRENCH = "wrench"
    YARN = "ball of yarn"


class Colour(StrEnum):
    """The colour of most of the object."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    TEAL = "teal"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    BROWN = "brown"
    BLACK = "black"
    GREY = "grey"
    WHITE = "white"


class Surroundings(StrEnum):
    """What the object stands on, or in front of."""

    WHITE_STUDIO = "white studio"
    GREY_STUDIO = "grey studio"
    COLOURED_STUDIO = "coloured backdrop"
    WOOD = "wooden table"
    MARBLE = "marble counter"
    CLOTH = "folded cloth"
    GRASS = "lawn"
    SAND = "sandy beach"
    CONCRETE = "concrete floor"
    BRICKS = "brick wall"
    WINDOW = "sunlit window"
    SHELF = "shelf"


ATTRIBUTES: dict[str, type[StrEnum]] = {
    "kind": Kind,
    "colour": Colour,
    "surroundings": Surroundings,
}
"""What a judge looks for, by name and in the order of `Subject`'s fields."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One combination of attributes: all that a caption says."""

    kind: Kind
    colour: Colour
    surroundings: Surroundings

    def labels(self) -> tuple[int, int, int]:
        """Return the class numbers, in the order of `ATTRIBUTES`."""
        return (
            list(Kind).index(self.kind),
            list(Colour).index(self.colour),
            list(Surroundings).index(self.surroundings),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EmptyScene:
    """Surroundings with nothing in them: what the products of photographs are put into."""

    surroundings: Surroundings

    def labels(self) -> tuple[int, int, int]:
        """Return the class numbers; those after the last kind and the last colour mean none."""
        return len(Kind), len(Colour), list(Surroundings).index(self.surroundings)


Shown = Subject | EmptyScene
"""What a picture shows."""


def with_empty_scenes(subjects: Sequence[Subject]) -> list[Shown]:
    """Return subjects, with an empty scene after every tenth of them."""
    places = cycle(Surroundings)
    shown: list[Shown] = []
    for count, subject in enumerate(subjects, 1):
        shown.append(subject)
        if count % EMPTY_EVERY == 0:
            shown.append(EmptyScene(surroundings=next(places)))
    return shown


def split_subjects() -> tuple[list[Subject], list[Subject]]:
    """Return the combinations to train on and those that are held out, each shuffled.

    A fixed seed decides; each value of a held-out combination is in many that are trained on.
    """
    subjects = [
        Subject(kind=kind, colour=colour, surroundings=surroundings)
        for kind, colour, surroundings in product(Kind, Colour, Surroundings)
    ]
    seeded(HELD_OUT_SEED).shuffle(subjects)
    held_out = round(len(subjects) * HELD_OUT_SHARE)
    return subjects[held_out:], subjects[:held_out]


FILES: dict[Kind, str] = {
    Kind.ALARM_CLOCK: "alarm-clock",
    Kind.BACKPACK: "backpack",
    Kind.BALL: "basketball",
    Kind.BALLOON: "balloon",
    Kind.BELL: "bell",
    Kind.BICYCLE: "bicycle",
    Kind.BOOK: "blue-book",
    Kind.BOTTLE: "bottle-with-popping-cork",
    Kind.BOXING_GLOVE: "boxing-glove",
    Kind.BRIEFCASE: "briefcase",
    Kind.BUCKET: "bucket",
    Kind.CANDLE: "candle",
    Kind.CHAIR: "chair",
    Kind.CLUTCH: "clutch-bag",
    Kind.COAT: "coat",
    Kind.COMPASS: "compass",
    Kind.CROWN: "crown",
    Kind.CUP: "cup-with-straw",
    Kind.DRESS: "dress",
    Kind.DRUM: "drum",
    Kind.FILE_CABINET: "file-cabinet",
    Kind.FLAT_SHOE: "flat-shoe",
    Kind.GAMEPAD: "video-game",
    Kind.GIFT: "wrapped-gift",
    Kind.GLOVES: "gloves",
    Kind.GUITAR: "guitar",
    Kind.HAMMER: "hammer",
    Kind.HANDBAG: "handbag",
    Kind.HELMET: "military-helmet",
    Kind.HIGH_HEEL: "high-heeled-shoe",
    Kind.JEANS: "jeans",
    Kind.JUICE_BOX: "beverage-box",
    Kind.KEY: "key",
    Kind.LANTERN: "red-paper-lantern",
    Kind.LIGHT_BULB: "light-bulb",
    Kind.MAGNET: "magnet",
    Kind.MICROPHONE: "microphone",
    Kind.MUG: "hot-beverage",
    Kind.NOTEBOOK: "notebook",
    Kind.PADDLE: "ping-pong",
    Kind.PADLOCK: "locked",
    Kind.PARCEL: "package",
    Kind.PEN: "pen",
    Kind.PENCIL: "pencil",
    Kind.RADIO: "radio",
    Kind.RAZOR: "razor",
    Kind.RING: "ring",
    Kind.ROLLER_SKATE: "roller-skate",
    Kind.RUNNING_SHOE: "running-shoe",
    Kind.SANDAL: "thong-sandal",
    Kind.SCARF: "scarf",
    Kind.SHORTS: "shorts",
    Kind.SKATEBOARD: "skateboard",
    Kind.SOCKS: "socks",
    Kind.SPONGE: "sponge",
    Kind.SUNGLASSES: "sunglasses",
    Kind.SUN_HAT: "womans-hat",
    Kind.SWIMSUIT: "one-piece-swimsuit",
    Kind.T_SHIRT: "t-shirt",
    Kind.TEAPOT: "teapot",
    Kind.TELEPHONE: "telephone",
    Kind.TELEVISION: "television",
    Kind.TOP_HAT: "top-hat",
    Kind.UMBRELLA: "closed-umbrella",
    Kind.VASE: "amphora",
    Kind.WATCH: "watch",
    Kind.WRENCH: "wrench",
    Kind.YARN: "yarn",
}
"""Pictures of the objects in the folder `objects`, without their ending."""
