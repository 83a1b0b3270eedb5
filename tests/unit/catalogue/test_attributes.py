"""What shops' options are, by their names in whatever language and spelling."""

import pytest

from catalogue.prompts.attributes import are_sizes, is_size, meaning_of, without_sizes


@pytest.mark.parametrize(
    ("meaning", "names"),
    [
        (
            "color",
            "Color|colour|COLOUR NAME|Frame color|Lens Colour|Color / Couleur|Color:|Select colour"
            "|Farben|Rahmenfarbe|Farbe (außen)|Shade|Couleur du cadre|Renk|Culoare|색상|Màu sắc"
            "|Clor|Coluor|Farbne|Color & Size|Цвет товара|カラー|Strap color*|color_name",
        ),
        (
            "size",
            "Size|Shoe size|Größe|Bettgröße|Taille (EU)|Talla|Длина и размер|Length|Pack size",
        ),
        ("material", "Material|Frame material|Print material|Obermaterial|Matière|Stoff|Wood"),
        ("pattern", "Pattern|Muster|Motif"),
        ("design", "Design|Motiv|Print|Artwork"),
        ("shape", "Shape|Form|Kształt"),
        ("style", "Style|Stil|Neckline"),
        ("finish", "Finish|Oberfläche|Finitura"),
        ("flavor", "Flavour|Geschmacksrichtung"),
        (
            None,
            "Model|Scent|Collar|Cooler|Personalisation|Colour temperature|Farbe Temperatur|Option"
            "|Floor|1|",
        ),
    ],
)
def test_an_options_name_says_what_it_is(meaning, names):
    assert {name: meaning_of(name) for name in names.split("|")} == dict.fromkeys(
        names.split("|"), meaning
    )


def test_sizes_are_known_by_their_values_too():
    sizes = 'S|xl|XXL|2XL|38|38.5|38,5|500 ml|0,5 L|EU 42|42 EU|90 x 200|10-12|One Size|16"'
    assert [one for one in sizes.split("|") if not is_size(one)] == []
    others = "Oak|Small dots|Set of 2 lamps|Red|M-16 camouflage|64 stripes"
    assert [one for one in others.split("|") if is_size(one)] == []
    assert are_sizes("Ausführung", ["S", "38"])
    assert not are_sizes("Ausführung", ["S", "Lid"])
    assert not are_sizes("Color", ["1", "2"])
    assert are_sizes("Bed size", ["Queen", "King"])
    assert are_sizes("Length", ["30 inch", "32 inch"])
    assert not are_sizes("Length", ["Midi", "Maxi"])


def test_a_size_beside_a_colour_is_no_difference_of_the_colour():
    assert [without_sizes(one) for one in ("Red / M", "Red - 38", "Red", "M", "Navy, matt")] == [
        "Red", "Red", "Red", "M", "Navy / matt"
    ]  # fmt: skip
