"""Prompts that are too long for the model: the title gives way, the background stays."""

from pathlib import Path

import pytest

import starter
from catalogue.prompts.tokens import TokenLimit
from catalogue.sheets.readers import read_sheet
from catalogue.validate import validate
from tests.unit.catalogue.models import only

FEED = "id\ttitle\tproduct_type\tcolor\tprice\tavailability\n"
KETTLE = (
    "Pour Over Kettle, Gooseneck Kettle with Thermometer, Stainless Steel Coffee and Tea Pot for "
    "Induction, Gas and Electric Hobs, for Baristas at Home and in Cafés, with a Wooden Handle"
)


@pytest.fixture(scope="module")
def tokens() -> TokenLimit:
    """A real byte-pair vocabulary, which reads far fewer tokens than a text encoder does."""
    folder = Path(starter.__file__).parent / "weights" / "tokenizer"
    return TokenLimit(folder, max_tokens=77)


def made(limits, tokens, text, name="feed.tsv", **fields):
    order, issues = validate(read_sheet(text.encode(), name=name), fields, only(limits, tokens))
    assert not issues
    return order


@pytest.mark.parametrize(
    ("title", "kind", "color"),
    [
        (KETTLE, "Home > Kettles", "Matte black"),
        (
            "Стиральная машина с сушкой узкая, инверторный мотор, пар, Wi-Fi, белая",
            "Машины",
            "белый",
        ),
        (
            "ワイヤレス充電器付き木製ベッドサイドテーブルランプ調光調色タッチセンサーナチュラル"
            * 2,
            "照明",
            "",
        ),
        ("Mug", "very " * 80 + "long type", "red"),
        ("Mug " * 3, "Mugs", "a colour of very many words " * 20),
    ],
)
def test_the_end_of_a_prompt_stays_whatever_is_too_long(limits, tokens, title, kind, color):
    order = made(limits, tokens, FEED + f"A\t{title}\t{kind}\t{color}\t1\tx\n")
    (one,) = order.wanted
    assert one.spec.prompt.endswith(" on a white background")
    assert tokens.count(one.spec.prompt) <= tokens.limit
    assert title[:3].lower() in one.spec.prompt
    assert "shortened" in one.warning
    # The title's language is another matter.
    assert [one for one in order.warnings if "trained on" not in one["message"]] == []
    assert "The title was shortened" in order.notes[0]["message"]


def test_as_much_of_a_title_is_kept_as_fits_in_whole_words(limits, tokens):
    (one,) = made(limits, tokens, FEED + f"A\t{KETTLE}\tKettles\tBlack\t1\tx\n").wanted
    title = one.spec.prompt.removeprefix("black ").removesuffix(" on a white background")
    assert KETTLE.lower().startswith(title)
    assert KETTLE.lower()[len(title)] in " ,"
    rest = KETTLE.lower()[len(title) :].split()
    longer = one.spec.prompt.replace(title, f"{title} {' '.join(rest[:3])}")
    assert tokens.count(longer) > tokens.limit
    assert one.warning.endswith(f"{KETTLE[len(title) :].strip()[:77]}...”.") or (
        KETTLE[len(title) :].strip() in one.warning
    )


def test_prompts_and_templates_of_ones_own_are_not_rewritten(limits, tokens):
    text = f'sku,prompt\nA,"{KETTLE} {KETTLE}"\n'
    order = made(limits, tokens, text, name="a.csv")
    assert order.wanted[0].spec.prompt == f"{KETTLE} {KETTLE}"
    assert "is cut off" in order.warnings[0]["message"]
    feed = FEED + f"A\t{KETTLE} {KETTLE}\tKettles\t\t1\tx\n"
    order = made(limits, tokens, feed, template="{{ title }} on a table")
    assert order.wanted[0].spec.prompt.endswith("on a table")
    assert "is cut off" in order.wanted[0].warning


def test_titles_that_become_the_same_are_told(limits, tokens):
    feed = FEED + "".join(f"{n}\t{KETTLE} {n} edition{n}\tKettles\tred\t1\tx\n" for n in "AB")
    order = made(limits, tokens, feed)
    assert len({one.spec.prompt for one in order.wanted}) == 1
    assert any("differ only in 'title'" in one["message"] for one in order.notes)


def test_letters_of_several_bytes_may_be_more_tokens_than_letters(tokens):
    prompt = "漢" * (tokens.limit - 10)
    assert tokens.count(prompt) > tokens.limit
    assert prompt in tokens.cut_off([prompt])


def test_the_part_that_names_the_product_is_not_what_is_cut_off(limits, tokens):
    title = " - ".join(["Nordic Home Living Collection of quiet mornings"] * 3)
    parts = [f"{title.replace('Home', word)}" for word in ("Home", "House", "Garden", "Forest")]
    title = " - ".join([*parts, "Harbour Mug"])
    order = made(limits, tokens, FEED + f"A\t{title}\tHome > Mugs\tred\t1\tx\n")
    (one,) = order.wanted
    assert one.spec.prompt.startswith("red harbour mug, nordic home living")
    assert one.spec.prompt.endswith(" on a white background")
    assert tokens.count(one.spec.prompt) <= tokens.limit
