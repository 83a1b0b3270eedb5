"""Rows that differ and get one image are always told: loudly, or of sizes quietly."""

from catalogue.sheets.readers import read_sheet
from tests.unit.catalogue.orders import make_order

SHOPIFY = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU\n"


def told(limits, text, name="sheet.csv", **fields):
    order = make_order(read_sheet(text.encode(), name=name), fields, limits)
    return [[one["message"] for one in found] for found in (order.warnings, order.notes)]


def test_an_option_that_is_not_understood_is_told_with_its_values_and_the_way_out(limits):
    (warning,), notes = told(
        limits, SHOPIFY + "tray,Tray,Handles,With,,,A\ntray,,,Without,,,B\ncup,Cup,,,,,C\n"
    )
    assert warning == (
        "2 rows differ in 'Handles' (With, Without), but have the same prompt, and so get the same "
        "image: “tray on a white background” (lines 2, 3). Use {{ handles }} in a template, or "
        "write their prompts."
    )
    assert notes == []


def test_the_template_that_is_proposed_makes_them_differ(limits):
    text = SHOPIFY + "tray,Tray,With handles?,Yes,,,A\ntray,,,No,,,B\ncup,Cup,,,,,C\n"
    ((warning,), _) = told(limits, text)
    assert "{{ with_handles }}" in warning
    template = "{{ title }} {{ with_handles }}"
    assert told(limits, text, template=template) == [[], []]
    wanted = make_order(
        read_sheet(text.encode(), name="a.csv"), {"template": template}, limits
    ).wanted
    assert [one.spec.prompt for one in wanted] == ["Tray Yes", "Tray No", "Cup"]


def test_sizes_share_an_image_rightly_and_that_is_told_quietly(limits):
    warnings, (note,) = told(
        limits,
        SHOPIFY + "cap,Cap,Color,Red,Size,S,A\ncap,,,Red,,M,B\ncap,,,Blue,,S,C\ncap,,,Blue,,M,D\n",
    )
    assert warnings == []
    assert note == (
        "4 rows differ only in 'Size' (S, M), which an image does not show, and share 2 images "
        "(lines 2, 3, …)."
    )
    warnings, (note,) = told(limits, SHOPIFY + "oil,Oil,Ausführung,250 ml,,,A\noil,,,1 L,,,B\n")
    assert warnings == []
    assert "'Ausführung' (250 ml, 1 L)" in note


def test_a_length_in_words_is_seen_and_a_size_beside_a_colour_is_not(limits):
    text = SHOPIFY + "a,Dress,Length,Midi,,,A\na,,,Maxi,,,B\n"
    (warning,), notes = told(limits, text)
    assert ("'Length' (Midi, Maxi)" in warning, notes) == (True, [])
    text = SHOPIFY + "a,Dress,Color/Size,Red / M,,,A\na,,,Red / L,,,B\na,,,Blue / L,,,C\n"
    warnings, (note,) = told(limits, text)
    assert ("'Color/Size' (Red / M, Red / L)" in note, warnings) == (True, [])


def test_a_thousand_products_of_one_kind_are_one_sentence(limits):
    text = SHOPIFY + "".join(
        f"p{n},Tray {chr(97 + n % 20)}{chr(97 + n // 20)},Lid,With,,,A{n}\np{n},,,Without,,,B{n}\n"
        for n in range(400)
    )
    (warning,), _ = told(limits, text)
    assert warning.startswith("800 rows differ in 'Lid' (With, Without), but share 400 prompts")
    assert "(lines 2, 3, …)" in warning


def test_values_that_nobody_filled_in_and_other_spellings_are_no_difference(limits):
    text = SHOPIFY + "a,Tray,Lid,With,,,A\nb,Tray,Lid,N/A,,,B\nc,Tray,lid,WITH ,,,C\n"
    assert told(limits, text) == [[], []]


def test_a_colour_that_says_nothing_is_told_where_it_is_all_that_differs(limits):
    (warning,), _ = told(limits, SHOPIFY + "a,Tray,Color,Color 1,,,A\na,,,Color 2,,,B\n")
    assert "'Color' (Color 1, Color 2)" in warning
    assert "{{ row['Color'] }}" in warning


def test_a_template_that_leaves_out_what_differs_is_told_in_every_kind_of_sheet(limits):
    plain = "sku,title,Farbe,Größe\nA,Tray,rot,S\nB,Tray,blau,S\nC,Mug,rot,S\nD,Mug,rot,M\n"
    (warning,), (note,) = told(limits, plain, template="{{ title }}")
    assert "'Farbe' (rot, blau)" in warning
    assert "'Größe' (S, M)" in note
    google = "id\ttitle\tprice\tavailability\tmaterial\nA\tTray\t1\tx\toak\nB\tTray\t1\tx\tash\n"
    (warning,), _ = told(limits, google, name="feed.tsv", template="{{ title }}")
    assert "'material' (oak, ash)" in warning
    woo = "ID,Type,SKU,Name,Parent,Images,Attribute 1 name,Attribute 1 value(s)\n"
    woo += "1,simple,A,Tray,,,Rim,Wavy\n2,simple,B,Tray,,,Rim,Plain\n"
    (warning,), _ = told(limits, woo)
    assert "'Rim' (Wavy, Plain)" in warning
