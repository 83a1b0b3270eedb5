"""Exports as shops have them: what is found out, what rows become, and prompts of nothing else."""

from pathlib import Path

import pytest

from catalogue.sheets.model import Hints, SheetSource
from catalogue.sheets.readers import read_rows, read_sheet
from core.errors import InvalidSheetError
from tests.unit.catalogue.orders import make_order

EXAMPLES = Path(__file__).parents[3] / "examples" / "platforms"
SHOPIFY = (
    "Handle,Title,Body (HTML),Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n"
)
COLOURS = "Color (product.metafields.shopify.color-pattern)"
WOO = "ID,Type,SKU,Name,Categories,Parent,Images,Attribute 1 name,Attribute 1 value(s)\n"


def read(name: str, **hints):
    return read_sheet((EXAMPLES / name).read_bytes(), name=name, hints=Hints(**hints))


def parse(text: str, **hints):
    return read_sheet(text.encode(), name="sheet.csv", hints=Hints(**hints))


def prompts(sheet, limits, **fields):
    return [(one.sku, one.spec.prompt) for one in make_order(sheet, fields, limits).wanted]


def test_a_shopify_export_that_nobody_prepared_gives_an_image_per_variant(limits):
    sheet = read("shopify.csv")
    assert sheet.reading.source is SheetSource.SHOPIFY
    assert sheet.reading.columns["sku"] == "Variant SKU"
    assert prompts(sheet, limits) == [
        ("KIT-1001", "red harbour mug on a white background"),
        ("KIT-1002", "blue harbour mug on a white background"),
        ("CLO-3001-S", "blue sailor t-shirt on a white background"),
        ("CLO-3001-M", "blue sailor t-shirt on a white background"),
        ("sailor-t-shirt-Blue-L", "blue sailor t-shirt on a white background"),
        ("HOM-2003", "reading lamp on a white background"),
    ]


def test_a_shopify_line_of_an_image_is_skipped_and_told(limits):
    sheet = read("shopify.csv")
    assert sheet.reading.skipped == 1
    skipped, nameless = sheet.warnings
    assert (skipped.line, nameless.line) == (4, 7)
    assert "further image" in skipped.message
    assert "has no SKU" in nameless.message


def test_many_skipped_lines_are_counted_and_the_first_named():
    image = "mug,,,,,,,,https://cdn.example.com/1.jpg\n"
    (skipped,) = parse(SHOPIFY + "mug,Mug,,,Color,Red,A,1,\n" + image * 7).warnings
    assert skipped.line is None
    assert skipped.message.startswith("7 rows only hold further images")
    assert skipped.message.endswith("(lines 3, 4, 5, 6, 7, …).")


def test_a_products_cells_are_filled_forward_and_its_variants_own_are_not():
    first, second, *_ = read("shopify.csv").rows
    assert second.values()["Vendor"] == "Kaai & Co"
    assert second.fields["description"] == first.fields["description"]
    assert first.fields["description"] == ("Stoneware, 350 ml. Dishwasher safe Made in Portugal")
    assert "Image Alt Text" not in second.values()
    assert "Vendor" not in second.cells  # as it came: what results.csv gives back


def test_newer_shopify_headers_and_colour_metafields_are_known(limits):
    sheet = read("shopify-2025.csv")
    assert sheet.reading.source is SheetSource.SHOPIFY
    assert prompts(sheet, limits) == [
        ("TEA-1", "green meadow teapot on a white background"),
        ("BAG-B", "black city backpack on a white background"),
        ("BAG-O", "orange city backpack on a white background"),
    ]
    assert sheet.reading.skipped == 1
    # The product's metafield names the colours of both backpacks.
    assert sheet.rows[1].values()[COLOURS] == "black; orange"
    sheet = read("shopify-2025.csv", columns={"color": COLOURS})
    assert [row.fields["color"] for row in sheet.rows][1:] == ["black and orange"] * 2


def test_a_variants_own_option_wins_over_its_products_colour(limits):
    header = SHOPIFY.replace("Image Src", "Google Shopping / Color")
    sheet = parse(
        header + "mug,Mug,,,Color,Red,A,1,blue\nmug,,,,,Green,B,1,\ncup,Cup,,,,,C,1,Tan\n"
    )
    assert [row.fields["color"] for row in sheet.rows] == ["Red", "Green", "Tan"]


def test_what_a_picture_shows_of_an_option_is_in_the_prompt(limits):
    options = {
        "Material": ("Oak", "oak tray"),
        "Muster": ("Striped", "striped tray"),
        "Style": ("Round", "round tray"),
        "Motiv": ("Fox", "fox tray"),
        "Shape": ("Heart", "heart tray"),
        "Finish": ("Brushed brass", "brushed brass tray"),
        "Colour Name": ("Red", "red tray"),
        "Size": ("XL", "tray"),
    }
    text = SHOPIFY + "".join(
        f"h{name},Tray,,,{name},{value},{name},1,\n" for name, (value, _) in options.items()
    )
    assert prompts(parse(text), limits) == [
        (name, f"{expected} on a white background") for name, (_, expected) in options.items()
    ]


def test_the_colours_of_a_frame_and_of_its_lenses_are_both_seen(limits):
    header = SHOPIFY.replace("Body (HTML),Type", "Option2 Name,Option2 Value")
    text = header + "a,Glasses,Lens colour,Blue,Frame colour,Black,A,1,\n"
    assert prompts(parse(text), limits) == [("A", "black and blue glasses on a white background")]


@pytest.mark.parametrize(
    ("column", "prompt"),
    [
        ("Farbe (product.metafields.shopify.color-pattern)", "rot tasse on a white background"),
        ("Barva (product.metafields.custom.colour)", "rot tasse on a white background"),
        ("Værdi (product.metafields.shopify.fabric)", "rot tasse on a white background"),
        ("Gruppe (product.metafields.custom.season)", "tasse on a white background"),
    ],
)
def test_a_metafield_is_known_by_its_key(limits, column, prompt):
    header = SHOPIFY.replace("Image Src", column)
    assert prompts(parse(header + "t,Tasse,,,,,A,1,rot\n"), limits) == [("A", prompt)]


def test_a_product_has_its_title_from_whichever_line_gives_it(limits):
    text = "Handle,Title,Type,Option1 Name,Option1 Value,Variant SKU,prompt\n"
    text += "cap,,,,Green,G,\ncap,,,,Pink,P,\ncap,Summer cap,Cap,Color,Blue,B,a cap\n"
    assert prompts(parse(text), limits) == [
        ("G", "green summer cap on a white background"),
        ("P", "pink summer cap on a white background"),
        # What somebody added to a line is that line's.
        ("B", "a cap"),
    ]


def test_a_line_of_an_image_may_repeat_options_and_prices():
    header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n"
    sheet = parse(
        header
        + "cap,Cap,Color,Green,,5,https://x.example/1.jpg\n"
        + "cap,,,Pink,,5,https://x.example/2.jpg\n"
        + "cap,,,Pink,,,https://x.example/3.jpg\n"
        + "cap,,,,,0.00,https://x.example/4.jpg\n"
        + "cap,,,Blue,,5,https://x.example/5.jpg\n"
        + "cap,,,Pink,X,5,https://x.example/6.jpg\n"
    )
    assert [row.line for row in sheet.rows] == [2, 3, 6, 7]


def test_a_title_does_not_say_another_variants_colour_nor_a_colour_twice(limits):
    rows = [
        "a,Red mug,Color,Red,A1", "a,,,Blue,A2", "b,Rote Tasse,Farbe,Rot,B",
        "c,Grey sofa,Color,Gray,C", "d,Navy-blue cap,Color,Navy Blue,D",
        "e,Blue/White vase,Color,Blue & White,E",
        "f,White vase,Color,Blue & White,F", "g,Mug - black,Color,Black,G1", "g,,,Green,G2",
        "h,Lamp,Finish,Matte black,H",
    ]  # fmt: skip
    sheet = parse("Handle,Title,Option1 Name,Option1 Value,Variant SKU\n" + "\n".join(rows))
    assert [
        prompt.removesuffix(" on a white background") for _, prompt in prompts(sheet, limits)
    ] == [
        "red mug", "blue mug", "rote tasse", "grey sofa", "navy-blue cap", "blue/white vase",
        "blue & white vase", "mug - black", "green mug", "matte black lamp",
    ]  # fmt: skip
    assert sheet.warnings == []


def test_a_title_does_not_say_another_variants_material_or_pattern(limits):
    text = (
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU\n"
        "a,Oak table,Material,Oak,A1\na,,,Walnut,A2\n"
        "b,Scarf - striped,Pattern,Striped,B1\nb,,,Polka dots,B2\n"
        "c,Oak table,Material,Ash,C\n"
    )
    assert [
        prompt.removesuffix(" on a white background") for _, prompt in prompts(parse(text), limits)
    ] == ["oak table", "walnut table", "scarf - striped", "polka dots scarf", "ash oak table"]


def test_an_option_is_a_colour_where_its_values_are(limits):
    text = (
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU\n"
        "a,Mug,Variant,Red,A1\na,,,Dunkelblau,A2\nb,Cup,Variante,Lid,B1\nb,,,Red lid,B2\n"
    )
    order = make_order(parse(text), {}, limits)
    assert [one.spec.prompt.removesuffix(" on a white background") for one in order.wanted] == [
        "red mug", "dunkelblau mug", "cup", "cup"
    ]  # fmt: skip
    assert "'Variante' (Lid, Red lid)" in order.warnings[0]["message"]


def test_a_title_of_a_colour_that_no_variant_has_is_told():
    text = "Handle,Title,Option1 Name,Option1 Value,Variant SKU\n"
    (warning,) = parse(text + "a,Black Forest cake,Color,Cherry red,A\n").warnings
    assert (warning.line, "a different colour" in warning.message) == (2, True)


def test_titles_that_name_no_product_are_told_where_prompts_are_made_of_them(limits):
    text = "Handle,Title,Variant SKU,prompt\na,N/A,A,\nb,4006381333931,B,\nc,-,C,a mug\n"
    (warning,) = make_order(parse(text), {}, limits).warnings
    assert warning["message"].startswith("2 titles name no product")
    assert make_order(parse(text), {"template": "{{ handle }}"}, limits).warnings == []


def test_entities_are_read_in_attributes_too(limits):
    text = WOO + "1,simple,A,Mug,,,,Colour,Red &amp; Black\n2,simple,B,Mug,,,,Colour,Cr&egrave;me\n"
    assert [prompt for _, prompt in prompts(parse(text), limits)] == [
        "red & black mug on a white background",
        "crème mug on a white background",
    ]


def test_of_a_long_list_of_colours_the_first_is_drawn_and_that_is_told(limits):
    text = WOO + (
        '1,simple,A,Mug,,,,Color,"Red, Blue, Green"\n2,variable,B,Cap,,,,Color,"Red | Blue | Tan"\n'
        '3,simple,C,Shirt,,,,Color,"Navy, White stripes"\n4,simple,D,Hat,,,,Size,"S, M, L"\n'
    )
    sheet = parse(text)
    assert [prompt for _, prompt in prompts(sheet, limits)] == [
        "red mug on a white background",
        "red cap on a white background",
        "navy and white stripes shirt on a white background",
        "hat on a white background",
    ]
    (warning,) = sheet.warnings
    assert warning.message.startswith("2 rows list several values")


def test_a_variation_without_its_product_loses_its_attributes_in_the_name(limits):
    text = WOO + (
        '2,variation,A,"Summer cap - Green, S",,CAP,,Color,Green\n'
        "3,variation,B,Summer cap - Green,,CAP,,Color,Green\n"
        "4,variation,C,Summer cap - deluxe,,CAP,,Color,Green\n"
    )
    sheet = parse(text)
    assert [row.fields["title"] for row in sheet.rows] == [
        "Summer cap - Green", "Summer cap", "Summer cap - deluxe"
    ]  # fmt: skip


def test_a_path_of_categories_may_be_escaped_twice(limits):
    feed = (
        '<rss xmlns:g="https://base.google.com/ns/1.0"><channel><item><title>Mug</title><g:id>1</g:id>'
        "<g:title>Harbour</g:title><g:link>x</g:link><g:price>9</g:price>"
        "<g:product_type>Home &amp;gt; Mugs</g:product_type><g:color>Red &amp;amp; Blue</g:color>"
        "</item></channel></rss>"
    )
    sheet = read_sheet(feed.encode(), name="feed.xml")
    assert prompts(sheet, limits) == [("1", "red & blue harbour, mugs on a white background")]


def test_words_are_left_out_of_a_prompt_only_where_the_title_has_them_whole(limits):
    rows = [
        "Tiered wall shelf,Shelf,Red",
        "Tank top,Top,Tan",
        "Red mug,Mug,red",
        "Mug,Mugs,Off-White",
    ]
    text = SHOPIFY + "".join(
        f"h{n},{title},,{type_},Color,{color},S{n},1,\n"
        for n, (title, type_, color) in enumerate(row.split(",") for row in rows)
    )
    assert [
        prompt.removesuffix(" on a white background") for _, prompt in prompts(parse(text), limits)
    ] == [
        "red tiered wall shelf",
        "tan tank top",
        "red mug",
        "off-white mug",
    ]


def test_shops_noise_does_not_come_into_prompts(limits):
    shopify = parse(
        SHOPIFY + "a,Salt &amp;amp; Pepper <b>Mug</b>,,Uncategorized,,,A,1,\n".replace("Type", "")
    )
    assert shopify.rows[0].fields["title"] == "Salt & Pepper Mug"
    woo = parse(
        WOO
        + "1,simple,A,Bed &amp; Bath Vase,Uncategorized,,,,\n"
        + '2,simple,B,Mat,"Sale, Sport &amp; Fitness > Mats",,,,\n'
        + '3,simple,C,Cup,"Sale, Cups\\, large",,,,\n'
    )
    assert [(row.fields["title"], row.fields["type"]) for row in woo.rows] == [
        ("Bed & Bath Vase", ""),
        ("Mat", "Mats"),
        ("Cup", "Cups, large"),
    ]


def test_what_is_not_sold_is_made_all_the_same_and_told():
    header = SHOPIFY.replace("Image Src", "Status").replace("Body (HTML)", "Gift Card")
    sheet = parse(header + "a,A,,,,,A,1,draft\nb,B,,,,,B,1,archived\nc,C,true,,,,C,1,active\n")
    assert [row.fields["sku"] for row in sheet.rows] == ["A", "B", "C"]
    unsold, card = sheet.warnings
    assert (unsold.line, card.line) == (None, 4)
    assert "(lines 2, 3)" in unsold.message
    assert "gift card" in card.message
    woo = "ID,Type,SKU,Name,Published,Parent,Images\n"
    sheet = parse(woo + "1,variable,A,Cap,-1,,\n2,variation,B,Cap - S,1,A,\n3,simple,C,Cup,0,,\n")
    assert "drafts or private" in sheet.warnings[-1].message
    assert "(lines 3, 4)" in sheet.warnings[-1].message


def test_a_translated_export_can_be_told_which_columns_say_what(limits):
    text = (
        "ID,Typ,Artikelnummer,Name,Kategorien,Übergeordnetes Produkt,Wert 1\n"
        '1,variable,CAP,Kappe,Kleidung > Kappen,,"Rot, Blau"\n'
        "2,variation,CAP-R,Kappe - Rot,,CAP,Rot\n"
        "3,variation,CAP-B,Kappe - Blau,,id:1,Blau\n"
    )
    columns = {
        "kind": "Typ", "sku": "Artikelnummer", "type": "Kategorien",
        "parent": "Übergeordnetes Produkt", "color": "Wert 1",
    }  # fmt: skip
    sheet = parse(text, source=SheetSource.WOOCOMMERCE, columns=columns)
    assert prompts(sheet, limits) == [
        ("CAP-R", "rot kappe on a white background"),
        ("CAP-B", "blau kappe on a white background"),
    ]
    text = "Kennung,Titel,Farbe,Artikel\nmug,Mug,Red,A\nmug,,Blue,B\n"
    columns = {"handle": "Kennung", "title": "Titel", "color": "Farbe", "sku": "Artikel"}
    sheet = parse(text, source=SheetSource.SHOPIFY, columns=columns)
    assert [one for _, one in prompts(sheet, limits)][1] == "blue mug on a white background"


def test_structured_titles_give_their_words_and_stand_in_for_missing_titles():
    text = (
        "id\ttitle\tstructured_title\tprice\tavailability\n"
        'A\tOak chair\ttrained_algorithmic_media:"Oak chair, AI"\t1\tx\n'
        'B\t\ttrained_algorithmic_media:"Pleated: skirt"\t1\tx\n'
        "C\t\tdefault:Plain vase\t1\tx\n"
    )
    sheet = read_sheet(text.encode(), name="feed.tsv")
    assert [row.fields["title"] for row in sheet.rows] == [
        "Oak chair", "Pleated: skirt", "Plain vase",
    ]  # fmt: skip


def test_templates_see_descriptions_of_plain_sheets_without_markup(limits):
    sheet = parse("sku,Body (HTML),note\nA,<p>Soft &amp; <b>light</b></p>,<b>\n")
    template = "{{ body_html }} {{ note }}"
    assert prompts(sheet, limits, template=template) == [("A", "Soft & light <b>")]
    assert sheet.rows[0].cells["Body (HTML)"].startswith("<p>")
    sheet = parse("sku,Text\nA,<p>Soft</p>\n", columns={"description": "Text"})
    assert prompts(sheet, limits, template="{{ description }}") == [("A", "Soft")]


def test_woocommerce_variations_take_over_from_their_product(limits):
    sheet = read("woocommerce.csv")
    assert sheet.reading.source is SheetSource.WOOCOMMERCE
    assert prompts(sheet, limits) == [
        ("VAS-1", "purple bud vase on a white background"),
        ("CAP-G-S", "green summer cap on a white background"),
        ("CAP-G-M", "green summer cap on a white background"),
        ("id-105", "pink summer cap on a white background"),
        ("GIFT", "gift card on a white background"),
    ]
    assert sheet.rows[1].fields["description"] == "Light cotton twill."
    assert [warning.line for warning in sheet.warnings] == [3, 7, 6]


def test_a_variable_product_without_its_variations_is_made_itself(limits):
    sheet = parse(WOO + '1,variable,CAP,Summer cap,Caps,,,Color,"Green, Pink"\n')
    assert prompts(sheet, limits) == [("CAP", "green and pink summer cap on a white background")]


@pytest.mark.parametrize(
    ("name", "format_", "expected"),
    [
        (
            "google.tsv",
            "csv",
            [
                ("SHO-4001", "red court sneaker on a white background"),
                ("SHO-4002", "green and white court sneaker on a white background"),
                ("WAT-6001", "field watch, black on a white background"),
            ],
        ),
        (
            "google-rss.xml",
            "xml",
            [
                ("BAG-5003", "brown striped market handbag on a white background"),
                ("HOM-2005", "bistro chair on a white background"),
            ],
        ),
        (
            "google-atom.xml",
            "xml",
            [("KIT-1006", "orange trinkflasche, bottle on a white background")],
        ),
    ],
)
def test_google_feeds_are_read_in_every_form(limits, name, format_, expected):
    sheet = read(name)
    assert (sheet.reading.source, sheet.reading.format) == (SheetSource.GOOGLE, format_)
    assert prompts(sheet, limits) == expected


def test_an_item_lacks_no_column_that_another_has(limits):
    sheet = read("google-rss.xml")
    template = "{{ title }}{% if pattern %}, {{ pattern }}{% endif %}{{ product_type }}"
    assert [prompt for _, prompt in prompts(sheet, limits, template=template)] == [
        "Market handbag, stripedBags > Handbags",
        "Bistro chair",
    ]
    assert sheet.rows[0].fields["description"] == "Vegetable-tanned leather & brass."
    assert sheet.rows[0].cells["additional_image_link"].count("https://") == 2
    assert sheet.rows[0].line == 7


def test_a_template_sees_the_fields_whatever_the_columns_are_called(limits):
    template = "a {{ color|lower }} {{ type|lower }} by {{ brand }}"
    assert prompts(read("shopify.csv"), limits, template=template)[1] == (
        "KIT-1002",
        "a blue mug by Kaai & Co",
    )
    assert prompts(read("google.tsv"), limits, template=template)[0] == (
        "SHO-4001",
        "a red sneakers by Kaai",
    )


def test_columns_that_somebody_added_to_an_export_are_read_and_filled_forward(limits):
    text = (
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,prompt,steps\n"
        "mug,Mug,Color,Red,A,a tall mug,9\n"
        "mug,,,Blue,B,,\n"
        "cup,Cup,Title,Default Title,C,,\n"
    )
    wanted = make_order(parse(text), {}, limits).wanted
    assert [(one.spec.prompt, one.spec.steps) for one in wanted] == [
        ("a tall mug", 9),
        ("a tall mug", 9),
        ("cup on a white background", 4),
    ]


def test_the_request_wins_over_what_is_found_out(limits):
    sheet = read("shopify.csv", source=SheetSource.PLAIN, columns={"sku": "Variant Barcode"})
    assert sheet.reading.source is SheetSource.PLAIN
    with pytest.raises(InvalidSheetError, match="wrong"):
        make_order(sheet, {"template": "{{ title }}"}, limits)
    sheet = read("shopify.csv", columns={"color": "Vendor", "type": "Tags"})
    assert sheet.rows[1].fields["color"] == "Kaai & Co"
    assert sheet.rows[1].fields["type"] == "kitchen, stoneware"


def test_columns_of_a_plain_sheet_can_be_named(limits):
    text = "Artikel;Bezeichnung;Farbe;Schritte\nA;Vase;Rot;7\n"
    names = {"sku": "Artikel", "title": "Bezeichnung", "color": "Farbe", "steps": "Schritte"}
    (one,) = make_order(
        parse(text, columns=names), {"template": "{{ color|lower }} {{ title }}"}, limits
    ).wanted
    assert (one.sku, one.spec.prompt, one.spec.steps) == ("A", "rot Vase", 7)


@pytest.mark.parametrize(
    ("text", "hints", "words"),
    [
        ("sku,prompt\nA,a\n", {"source": SheetSource.SHOPIFY}, "'Handle' or 'URL handle'"),
        (
            "sku,prompt\nA,a\n",
            {"source": SheetSource.WOOCOMMERCE},
            "'Type' (`kind`) and no column 'Name'",
        ),
        ("sku,prompt\nA,a\n", {"source": SheetSource.GOOGLE}, "'id' (`sku`) and no column 'title'"),
        ("sku,prompt\nA,a\n", {"columns": {"colour": "prompt"}}, "Did you mean 'color'?"),
        ("sku,prompt\nA,a\n", {"columns": {"color": "Prompt"}}, "Did you mean 'prompt'?"),
        (SHOPIFY + ",Mug,,,,,A,1,\n", {}, "no handle"),
        (WOO + "1,grouped,A,Set,,,,,\n", {}, "every row of it was skipped"),
    ],
)
def test_a_sheet_that_is_not_what_it_should_be_is_refused_in_words(text, hints, words):
    with pytest.raises(InvalidSheetError) as caught:
        parse(text, **hints)
    assert words in caught.value.detail + str(caught.value.extensions["errors"])


def test_a_row_without_a_title_is_named_where_its_prompt_would_be_made_of_it(limits):
    sheet = parse(SHOPIFY + "mug,,,Mug,,,A,1,\n")
    with pytest.raises(InvalidSheetError) as caught:
        make_order(sheet, {}, limits)
    (one,) = caught.value.extensions["errors"]
    assert (one["line"], one["column"]) == (2, "Title")
    assert make_order(sheet, {"template": "a {{ type }}"}, limits).wanted[0].spec.prompt == "a Mug"


@pytest.mark.parametrize(
    "header",
    ["sku,prompt,title", "handle,sku,prompt", "id,sku,prompt", "sku,type,name,prompt", "title,id"],
)
def test_an_ordinary_sheet_is_not_taken_for_an_export(header):
    cells = ",".join("x" for _ in header.split(","))
    assert parse(f"{header}\n{cells}\n").reading.source is SheetSource.PLAIN


def test_a_long_description_is_kept_once_for_all_variants():
    text = SHOPIFY + f"mug,Mug,{'x' * 100_000},Mug,Color,Red,A,1,\n"
    text += "".join(f"mug,,,,,Red,A{number},1,\n" for number in range(100))
    rows = parse(text).rows
    assert len({id(row.fields["description"]) for row in rows}) == 1
    assert len({id(row.product) for row in rows}) == 1


ITEMS = "id,sku,title,link,price,condition\n"


@pytest.mark.parametrize(
    ("rows", "skus"),
    [
        ("1,MUG-R,Red mug,x,9,new\n2,MUG-B,Blue mug,x,9,new\n", ["MUG-R", "MUG-B"]),
        ("1,MUG,Red mug,x,9,new\n2,MUG,Blue mug,x,9,new\n", ["1", "2"]),
        ("1,MUG,Red mug,x,9,new\n2,,Blue mug,x,9,new\n", ["1", "2"]),
    ],
)
def test_items_are_named_by_their_sku_where_each_has_its_own(rows, skus):
    sheet = parse(ITEMS + rows)
    assert sheet.reading.source is SheetSource.GOOGLE
    assert [row.fields["sku"] for row in sheet.rows] == skus
    named = parse(ITEMS + rows, columns={"sku": "id"})
    assert [row.fields["sku"] for row in named.rows] == ["1", "2"]


def test_objects_with_a_feeds_names_are_a_feed_unless_they_have_prompts(limits):
    objects = [
        {"id": name, "title": "Mug", "color": colour, "link": "x", "price": 9}
        for name, colour in (("A", "Red"), ("B", "Blue"))
    ]
    sheet = read_rows(objects)
    assert sheet.reading.source is SheetSource.GOOGLE
    assert prompts(sheet, limits)[1] == ("B", "blue mug on a white background")
    sheet = read_rows([{**one, "sku": one["id"], "prompt": "a mug"} for one in objects])
    assert (sheet.reading.source, prompts(sheet, limits)[0]) == (SheetSource.PLAIN, ("A", "a mug"))


@pytest.mark.parametrize(
    ("header", "row", "prompt"),
    [
        ("sku,title,color,category", "A,Harbour mug 350ml,red,Home > Mugs", "red harbour mug"),
        ("sku;Bezeichnung;Farbe;Material", "A;Vase;blau;Glas", "blau glas vase"),
        ("sku,product_name,Frame color,Type", "A,Chair,N/A,Chairs", "chair"),
    ],
)
def test_a_plain_sheet_with_titles_gets_the_prompts_of_exports(limits, header, row, prompt):
    order = make_order(parse(f"{header}\n{row}\n"), {}, limits)
    assert [one.spec.prompt for one in order.wanted] == [f"{prompt} on a white background"]
    assert "neither prompts nor a template" in order.notes[0]["message"]


def test_a_title_that_the_caller_named_gets_the_same_prompts(limits):
    named = {"sku": "Artikel", "title": "Ware", "color": "Ton"}
    sheet = parse("Artikel,Ware,Ton\nA,Harbour mug 350ml,red\n", columns=named)
    assert prompts(sheet, limits) == [("A", "red harbour mug on a white background")]
    alone = parse("Artikel,Ware\nA,Harbour mug\n", columns={"sku": "Artikel", "title": "Ware"})
    assert prompts(alone, limits) == [("A", "harbour mug on a white background")]


def test_a_plain_sheets_columns_are_what_they_are_where_there_is_a_template(limits):
    text = "sku,title,color\nA,Mug 350ml,N/A\n"
    order = make_order(parse(text), {"template": "{{ color }} {{ title }}"}, limits)
    assert (order.wanted[0].spec.prompt, order.notes) == ("N/A Mug 350ml", [])
    text = "sku,title,prompt\nA,Mug 350ml,a mug\n"
    assert make_order(parse(text), {}, limits).wanted[0].spec.prompt == "a mug"
    with pytest.raises(InvalidSheetError) as caught:
        make_order(parse("sku,title\nA,\n"), {}, limits)
    assert caught.value.extensions["errors"][0]["column"] == "title"
