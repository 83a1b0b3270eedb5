"""Pictures of rendered objects: what a caption says is in them, and the rest is open."""

import random

import numpy as np
import pytest
from PIL import Image, ImageColor

from starter.scenes.captions import OTHER_NAMES, PLACES, canonical_caption, caption
from starter.scenes.composition import SIZE, draw
from starter.scenes.objects import FOLDER, load_object, paint_object
from starter.scenes.subjects import (
    FILES,
    Colour,
    EmptyScene,
    Kind,
    Subject,
    Surroundings,
    split_subjects,
    with_empty_scenes,
)

# CSS's own idea of the colours' names, for an opinion that is not the painter's.
CSS = {
    Colour.RED: "crimson",
    Colour.ORANGE: "darkorange",
    Colour.YELLOW: "gold",
    Colour.GREEN: "forestgreen",
    Colour.TEAL: "darkcyan",
    Colour.BLUE: "royalblue",
    Colour.PURPLE: "rebeccapurple",
    Colour.PINK: "hotpink",
    Colour.BROWN: "saddlebrown",
    Colour.BLACK: "black",
    Colour.GREY: "grey",
    Colour.WHITE: "white",
}


def test_there_is_a_picture_of_each_kind_and_of_nothing_else() -> None:
    assert {path.stem for path in FOLDER.glob("*.webp")} == set(FILES.values())
    assert len(set(FILES.values())) == len(Kind) >= 60


def test_enough_is_left_to_decide() -> None:
    trained, held_out = split_subjects()
    assert (len(Colour), len(Surroundings)) >= (12, 10)
    assert not set(trained) & set(held_out)
    assert len(trained) + len(held_out) == len(Kind) * len(Colour) * len(Surroundings)


@pytest.mark.parametrize("colour", Colour)
def test_most_of_an_object_has_the_colour_that_its_caption_names(colour: Colour) -> None:
    lab = {
        name: np.asarray(
            Image.new("RGB", (1, 1), ImageColor.getrgb(css)).convert("LAB"), np.int8
        ).astype(int)[0, 0]
        for name, css in CSS.items()
    }
    nearest = []
    for number, kind in list(enumerate(Kind))[list(Colour).index(colour) % 3 :: 3]:
        painted = paint_object(kind, colour, np.random.default_rng(number))
        body = painted[..., 3] > 0.9
        middle = np.median(painted[body][:, :3], axis=0)
        one = Image.new("RGB", (1, 1), tuple(int(part * 255) for part in middle))
        seen = np.asarray(one.convert("LAB"), np.int8).astype(int)[0, 0]
        seen[0] %= 256
        distances = {
            name: np.hypot(np.hypot(*(seen - other)[1:]), 0.5 * (seen[0] - other[0] % 256))
            for name, other in lab.items()
        }
        nearest.append(min(distances, key=lambda name: distances[name]))
    assert nearest.count(colour) >= 0.7 * len(nearest), dict.fromkeys(nearest)


@pytest.mark.parametrize("surroundings", Surroundings)
def test_a_picture_depends_on_its_chance_alone(surroundings: Surroundings) -> None:
    subject = Subject(kind=Kind.TEAPOT, colour=Colour.RED, surroundings=surroundings)
    one, again, other = (draw(subject, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (SIZE, SIZE, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean() > 8


def test_objects_keep_their_outline() -> None:
    for kind in Kind:
        painted = paint_object(kind, Colour.GREEN, np.random.default_rng(0))
        assert np.array_equal(painted[..., 3], load_object(kind)[..., 3])


def test_captions_name_kind_colour_and_surroundings() -> None:
    rng = random.Random(0)
    for subject in split_subjects()[1]:
        words = caption(subject, rng).lower()
        names = (subject.kind.value, *OTHER_NAMES.get(subject.kind, ()))
        assert any(name.removeprefix("pair of ") in words for name in names)
        assert subject.colour.value in words
        assert any(place in words for place in PLACES[subject.surroundings])


def test_the_plain_caption_reads_as_a_sentence() -> None:
    subject = Subject(
        kind=Kind.SOCKS, colour=Colour.ORANGE, surroundings=Surroundings.COLOURED_STUDIO
    )
    assert canonical_caption(subject) == "a pair of orange socks on a coloured backdrop"


def test_some_scenes_have_nothing_in_them_and_their_captions_say_so() -> None:
    trained, _ = split_subjects()
    shown = with_empty_scenes(trained)
    empty = [one for one in shown if isinstance(one, EmptyScene)]
    assert [one for one in shown if isinstance(one, Subject)] == trained
    assert 0.05 < len(empty) / len(shown) < 0.15
    assert {one.surroundings for one in empty} == set(Surroundings)
    objects = {word for kind in Kind for word in (kind.value, *OTHER_NAMES.get(kind, ()))}
    rng = random.Random(0)
    for one in empty:
        text = caption(one, rng)
        assert not any(f" {word} " in f" {text} " for word in objects), text
        assert one.labels()[:2] == (len(Kind), len(Colour))


def test_nothing_stands_in_an_empty_scene() -> None:
    """Next to the same place with an object in it, an empty white studio is white all over."""
    place = Surroundings.WHITE_STUDIO
    empty = draw(EmptyScene(surroundings=place), np.random.default_rng(0))
    subject = Subject(kind=Kind.TEAPOT, colour=Colour.BLACK, surroundings=place)
    assert empty.min() > 150
    assert draw(subject, np.random.default_rng(0)).min() < 60
