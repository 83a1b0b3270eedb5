"""In which language a prompt is, as far as that matters to a model of another one."""

from dataclasses import replace
from pathlib import Path

import pytest

from catalogue.models import Model
from catalogue.prompts.languages import LANGUAGES, foreign_language
from catalogue.sheets.readers import read_sheet
from catalogue.validate import validate
from tests.unit.catalogue.models import only

ENGLISH = ("en",)
ENDING = " on a white background"


@pytest.mark.parametrize(
    ("title", "language"),
    [
        ("becher mit deckel", "de"),
        ("große tasse aus holz", "de"),
        ("lampe de table en bois", "fr"),
        ("tasse avec couvercle", "fr"),
        ("bolso de cuero para mujer", "es"),
        ("borsa in pelle da donna", "it"),
        ("caneca de cerâmica com tampa, não", "pt"),
        ("lamp voor het bureau", "nl"),
        ("kubek z pokrywką dla dziecka", "pl"),
        ("lampa för sovrum", "sv"),
        ("stol uden armlæn", "da"),
        ("kahvikuppi ilman korvaa", "fi"),
        ("kadın deri çanta", "tr"),
        ("белая стиральная машина", "ru"),
        ("マグカップ 赤", "ja"),
        ("陶瓷杯", "zh"),
        ("머그컵", "ko"),
        ("κούπα καφέ", "el"),
        ("ספל קפה", "he"),
        ("كوب قهوة", "ar"),
        ("แก้วกาแฟ", "th"),
    ],
)
def test_titles_of_other_languages_are_told(title, language):
    assert foreign_language(title + ENDING, ENGLISH) == language
    assert foreign_language(title + ENDING, (language,)) is None
    assert language in LANGUAGES


@pytest.mark.parametrize(
    "title",
    [
        "women's jalapeño sauce", "eau de parfum bottle", "van gogh poster", "5 kΩ resistor",
        "crème brûlée dish", "café table", "häagen dish", "cash till", "sans serif print",
        "pour over kettle", "los angeles poster", "a mug in a box", "iphone 15 pro case",
        "茶 mug", "piña colada glass", "auf", "i do mug", "", "m&m's",
    ],
)  # fmt: skip
def test_english_titles_with_borrowed_words_stay_english(title):
    assert foreign_language(title + ENDING, ENGLISH) is None


def test_a_sheet_is_warned_of_once_for_each_language(limits):
    sheet = read_sheet(
        b"sku,title\nA,Becher mit Deckel\nB,Vase ohne Henkel\nC,Mug\nD,Tasse avec couvercle\n"
    )
    found, _ = validate(sheet, {}, only(limits))
    german, french = (one["message"] for one in found.warnings)
    assert german.startswith("2 prompts look German, but the model was trained on English")
    assert german.endswith("(lines 2, 3).")
    assert french.startswith("The prompt looks French")
    models: dict[str, Model] = {
        name: replace(model, languages=("en", "de", "fr")) for name, model in only(limits).items()
    }
    assert validate(sheet, {}, models)[0].warnings == []


EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    "name", ["catalogue.csv", "products.csv", "platforms/shopify.csv", "platforms/google-rss.xml"]
)
def test_the_examples_are_english(name, limits):
    sheet = read_sheet((EXAMPLES / name).read_bytes(), name=name)
    found, _ = validate(sheet, {}, only(limits))
    assert not [one for one in found.warnings if "trained on" in one["message"]]
