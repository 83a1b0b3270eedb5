"""A tenant's words, and the model's words for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.prompts.glossary import MOST_WORDS, Glossary, check_entries
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet
from catalogue.validate import validate
from tests.unit.catalogue.models import only

WORDS = {
    "Becher": "mug",
    "Becher mit Deckel": "travel mug",
    "T-Shirt": "tee",
    "マグカップ": "mug",
    "Edition Nord": "",
    "Küche": "kitchen",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("roter Becher, Tassen", "roter mug, Tassen"),
        ("ROTER BECHER", "ROTER mug"),
        ("Kaffeebecher und Bechern", "Kaffeebecher und Bechern"),
        ("Becher  mit Deckel und Becher", "travel mug und mug"),
        ("Becher mit Henkel", "mug mit Henkel"),
        ("T-shirt, weiß", "tee, weiß"),
        ("赤いマグカップ", "赤いmug"),
        ("Vase Edition Nord blau", "Vase blau"),
        ("Ku\u0308che", "kitchen"),
        ("a red vase", "a red vase"),
        ("", ""),
    ],
)
def test_whole_words_are_replaced_in_whatever_case_the_longest_first(text, expected):
    assert Glossary(WORDS).apply(text) == expected


def test_what_was_put_in_is_not_replaced_again():
    assert Glossary({"cup": "mug", "mug": "cup"}).apply("cup mug") == "mug cup"


@given(
    st.dictionaries(st.text("ab -é茶", min_size=1, max_size=6), st.text("xyz", max_size=3)),
    st.text("abc -é茶", max_size=30),
)
def test_a_good_glossary_takes_any_text_and_without_words_leaves_it(entries, text):
    good = {word: one for word, one in entries.items() if not check_entries({word: one})}
    Glossary(good).apply(text)
    assert Glossary().apply(text) == text


def test_bad_entries_are_named():
    wrong = dict(check_entries({"-": "x", "mug": "a\nb", "Mug": "cup", "cup": "x" * 201}))
    assert "is no word" in wrong["-"]
    assert "control character" in wrong["mug"]
    assert "twice, as 'mug'" in wrong["Mug"]
    assert "201 characters" in wrong["cup"]
    assert check_entries(WORDS) == []
    ((_, reason),) = check_entries({f"w{number}": "" for number in range(MOST_WORDS + 1)})
    assert "2,001 words" in reason


SHEET = (
    "Handle,Title,Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Prompt\n"
    "a,Kaai Becher rot 350ml - SKU 42 ⭐ SALE,Kaai,Tassen,Size,S,A,1,\n"
    "b,Becher,Kaai,Tassen,Size,S,B,1,a Becher of my own\n"
)


def order(limits, *, glossary=None, clean_titles=True, **fields):
    sheet = read_sheet(SHEET.encode(), hints=Hints(clean_titles=clean_titles))
    found, issues = validate(
        sheet,
        {"clean_titles": clean_titles, **fields},
        only(limits),
        glossary=Glossary(glossary),
    )
    assert not list(issues)
    return found


def test_prompts_of_templates_have_the_models_words_and_own_prompts_stay(limits):
    found = order(limits, glossary={"Becher": "mug", "rot": "red", "tassen": "mugs"})
    prompts = [one.spec.prompt for one in found.wanted]
    assert prompts == ["mug red, mugs on a white background", "a Becher of my own"]
    assert found.translated == {2}
    own = order(limits, glossary={"Becher": "mug"}, template="one {{ title }}")
    assert own.wanted[0].spec.prompt == "one mug rot"


def test_what_a_title_lost_is_there_to_see_and_can_be_kept(limits):
    found = order(limits)
    written = "Kaai Becher rot 350ml - SKU 42 ⭐ SALE"
    assert found.titles == {2: (written, "Becher rot")}
    kept = order(limits, clean_titles=False)
    assert kept.titles == {2: (written, written)}
    assert kept.wanted[0].spec.prompt.startswith(written.lower())


def test_titles_of_plain_sheets_can_be_kept_too(limits):
    sheet = read_sheet(b"sku,title,brand\nA,Kaai mug 350ml,Kaai\n")
    for clean, used in ((True, "mug"), (False, "Kaai mug 350ml")):
        found, _ = validate(sheet, {"clean_titles": clean}, only(limits))
        assert found.titles == {2: ("Kaai mug 350ml", used)}
        assert found.wanted[0].spec.prompt == f"{used.lower()} on a white background"


def test_a_template_that_has_no_title_of_its_row_shows_none(limits):
    assert order(limits, template="a {{ type }}").titles == {}
