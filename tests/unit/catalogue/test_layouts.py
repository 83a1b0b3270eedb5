"""Exports of ten platforms: small files in the layouts that these document."""

import csv
import io

import pytest

from catalogue.sheets.model import Hints, SheetSource
from catalogue.sheets.readers import read_sheet
from core.errors import InvalidSheetError
from tests.unit.catalogue.workbooks import xlsx_of

WIX = """handleId,fieldType,name,description,productImageUrl,collection,sku,price,visible,\
productOptionName1,productOptionType1,productOptionDescription1
p1,Product,Summer cap,<p>x</p>,https://w.test/a.jpg;https://w.test/b.jpg,Caps;Sale,CAP,9,true,\
Color,COLOR,#00ff00:Green;#ff00ff:Pink
p1,Variant,,,,,CAP-G,0,true,,,Green
p1,Variant,,,,,CAP-P,0,true,,,#ff00ff:Pink
p2,Product,Vase,,,Vases,VAS,9,true,,,
"""
WIX_NEW = """handle,fieldType,name,plainDescription,media,brand,sku,\
productOptionName1,productOptionType1,productOptionChoices1
cap,PRODUCT,Summer cap,x,,Kaai,,Color,TEXT_CHOICES,Green;Pink
cap,MEDIA,,,https://w.test/a.jpg,,,,,
cap,VARIANT,,,,,CAP-G,Color,,Green
cap,VARIANT,,,,,CAP-P,Color,,Pink
"""
SQUARESPACE = """Product ID [Non Editable],Variant ID [Non Editable],Product Type [Non Editable],\
Product Page,Product URL,Title,Description,SKU,Option Name 1,Option Value 1,Price,Categories,\
Weight,Length,Width,Height,Visible,Hosted Image URLs
1,11,PHYSICAL,shop,cap,Summer cap,<p>x</p>,CAP-G,Color,Green,9,"/caps, /sale",1,2,3,4,Yes,\
https://s.test/a.jpg https://s.test/b.jpg
,12,PHYSICAL,shop,,,,CAP-P,,Pink,9,,1,2,3,4,Yes,
2,21,PHYSICAL,shop,vase,Vase,x,VAS,,,9,/vases,1,2,3,4,Yes,
"""
MAGENTO = """sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,\
description,weight,base_image,additional_attributes,configurable_variations
CAP-G,,Default,simple,Default Category/Gear/Caps,base,Summer cap-Green,x,1,\
https://m.test/g.jpg,"color=Green,size=M",
CAP-P,,Default,simple,Default Category/Gear/Caps,base,Summer cap-Pink,x,1,/p.jpg,"color=Pink",
CAP,,Default,configurable,"Default Category/Gear,Default Category/Gear/Caps",base,Summer cap,x,,\
https://m.test/cap.jpg,,"sku=CAP-G,color=Green|sku=CAP-P,color=Pink"
CAP,german,,,,,Sommermütze,,,,,
SET,,Default,grouped,,base,Set,,,,,
"""
BIGCOMMERCE = """Item,ID,Name,Type,SKU,Options,Inventory Tracking,Price,Description,Categories,\
Image URL (Import),Width,Height,Depth
Product,101,Summer cap,physical,CAP,,variant,9,<p>x</p>,Clothing/Caps,,0,0,0
Variant,102,,,CAP-G,Type=Swatch|Name=Color|Value=Green[#00FF00]Type=Rectangle|Name=Size|Value=M,\
,9,,,,0,0,0
Variant,103,,,CAP-P,Type=Swatch|Name=Color|Value=Pink[#FF00FF],,9,,,https://b.test/p.jpg,0,0,0
Image,104,,,,,,,,,https://b.test/cap.jpg,,,
"""
BIGCOMMERCE_2 = """Item Type,Product ID,Product Name,Product Type,Product Code/SKU,Category
Product,1,Summer cap,P,CAP,Caps
SKU,2,"[CS]Color=Green:#00FF00,[RT]Size=M",,CAP-G,
SKU,3,[CS]Color=Pink:#FF00FF,,CAP-P,
"""
PRESTASHOP = """Product ID;Image;Name;Reference;Category;Price (tax excl.);Quantity;Status
1;https://p.test/1.jpg;Summer cap green;CAP-G;Caps;9.00;4;1
2;;Vase;VAS;Vases;9.00;4;1
"""
ETSY = """TITLE,DESCRIPTION,PRICE,CURRENCY_CODE,QUANTITY,TAGS,MATERIALS,IMAGE1,IMAGE2,\
VARIATION 1 TYPE,VARIATION 1 NAME,VARIATION 1 VALUES,SKU
Summer cap,x,9,EUR,4,cap,Cotton,https://e.test/a.jpg,,Primary color,Color,Green,"CAP-G,CAP-P"
Vase,x,9,EUR,4,vase,,,,,,,
"""
SQUARE = """Token,Item Name,Variation Name,SKU,Description,Category,Price,\
Option Name 1,Option Value 1
T1,Summer cap,Green,CAP-G,x,Caps,9,Color,Green
T1,Summer cap,Pink,CAP-P,x,Caps,9,Color,Pink
T2,Vase,Regular,VAS,x,Vases,9,,
T3,Mug,Red,MUG-R,x,Mugs,9,,
"""
ODOO = """External ID,Name,Internal Reference,Product Category,Product Attributes / Attribute,\
Product Attributes / Values
a,Summer cap,CAP,All / Clothing / Caps,Color,Green
,,,,Size,"S,M"
b,Vase,VAS,All / Vases,,
"""
ODOO_VARIANTS = """Internal Reference,Name,Product Category,Variant Values
CAP-G,Summer cap,All / Caps,"Color: Green, Size: M"
CAP-P,Summer cap,All / Caps,"Color: Pink"
"""
AMAZON = """TemplateType=fptcustom\tVersion=2025.0101\tThe top 3 rows are for Amazon.com use only.\
\t\t\tImages\t\tVariation\t
Seller SKU\tTitle\tBrand Name\tProduct Type\tMain Image URL\tParentage\tParent SKU\tTheme\tColor
item_sku\titem_name\tbrand_name\tfeed_product_type\tmain_image_url\tparent_child\tparent_sku\t\
variation_theme\tcolor_name
CAP\tSummer cap\tKaai\that\thttps://a.test/cap.jpg\tparent\t\tcolor\t
CAP-G\tSummer cap (Green)\tKaai\that\thttps://a.test/g.jpg\tchild\tCAP\tcolor\tGreen
CAP-P\tSummer cap (Pink)\tKaai\that\t\tchild\tCAP\tcolor\tPink
"""
AMAZON_NEW = """settings=attributeRow=3&contentLanguageTag=en_US\tImages\t\t\t\t
SKU\tItem Name\tProduct Type\tParentage\tParent SKU\tColor
contribution_sku#1.value\titem_name[marketplace_id=A][language_tag=en_US]#1.value\t\
product_type#1.value\tparentage_level[marketplace_id=A]#1.value\t\
child_parent_sku_relationship[marketplace_id=A]#1.parent_sku\tcolor[marketplace_id=A]#1.value
CAP\tSummer cap\tHAT\tParent\t\t
CAP-G\tSummer cap (Green)\tHAT\tChild\tCAP\tGreen
"""
EBAY = """#INFO,Version=1.0.0,Template=fx_category_template,,,,,
#INFO,Action and Category ID are required,,,,,,
*Action(SiteID=US|Country=US|Currency=USD|Version=1193),CustomLabel,*Category,*Title,PicURL,\
Relationship,RelationshipDetails,C:Material
Add,CAP,52365,Summer cap,https://y.test/a.jpg|https://y.test/b.jpg,,Color=Green;Pink|Size=S;M,Cotton
,CAP-G,,,,Variation,Color=Green|Size=S,
,CAP-P,,,,Variation,Color=Pink|Size=M,
Add,VAS,1,Vase,,,,
"""
CAP_G, CAP_P = ("CAP-G", "Summer cap", "Green"), ("CAP-P", "Summer cap", "Pink")
VASE = ("VAS", "Vase", "")


@pytest.mark.parametrize(
    ("source", "text", "found", "types", "photographs"),
    [
        ("wix", WIX, [CAP_G, CAP_P, VASE], "Caps", ["w.test/a.jpg", "w.test/a.jpg", ""]),
        ("wix", WIX_NEW, [CAP_G, CAP_P], "", ["w.test/a.jpg"] * 2),
        ("squarespace", SQUARESPACE, [CAP_G, CAP_P, VASE], "caps",
         ["s.test/a.jpg", "s.test/a.jpg", ""]),
        ("magento", MAGENTO, [CAP_G, CAP_P], "Caps", ["m.test/g.jpg", "m.test/cap.jpg"]),
        ("bigcommerce", BIGCOMMERCE, [CAP_G, CAP_P], "Caps", ["b.test/cap.jpg", "b.test/p.jpg"]),
        ("bigcommerce", BIGCOMMERCE_2, [CAP_G, CAP_P], "Caps", ["", ""]),
        ("prestashop", PRESTASHOP, [("CAP-G", "Summer cap green", ""), VASE], "Caps",
         ["p.test/1.jpg", ""]),
        ("etsy", ETSY, [CAP_G, ("Vase", "Vase", "")], "", ["e.test/a.jpg", ""]),
        ("square", SQUARE, [CAP_G, CAP_P, VASE, ("MUG-R", "Mug", "Red")], "Caps", [""] * 4),
        ("odoo", ODOO, [("CAP", "Summer cap", "Green"), VASE], "Caps", ["", ""]),
        ("odoo", ODOO_VARIANTS, [CAP_G, CAP_P], "Caps", ["", ""]),
        ("amazon", AMAZON, [CAP_G, CAP_P], "hat", ["a.test/g.jpg", "a.test/cap.jpg"]),
        ("amazon", AMAZON_NEW, [CAP_G], "HAT", [""]),
        ("ebay", EBAY, [CAP_G, CAP_P, VASE], "", ["y.test/a.jpg", "y.test/a.jpg", ""]),
    ],
)  # fmt: skip
def test_products_and_variants_are_read_as_their_platform_means_them(
    source, text, found, types, photographs
):
    for content in (text.encode(), xlsx_of(_cells(text))):
        sheet = read_sheet(content, name="export.txt")
        assert sheet.reading.source == source
        rows = [row.fields for row in sheet.rows]
        assert [(row["sku"], row["title"], row["color"]) for row in rows] == found
        assert rows[0]["type"] == types
        addresses = [row.photograph.removeprefix("https://") for row in sheet.rows]
        assert addresses == photographs
        assert not sheet.issues


def _cells(text: str) -> list[list[str]]:
    separator = max("\t;,", key=text.splitlines()[-1].count)
    return list(csv.reader(io.StringIO(text), delimiter=separator))


def test_what_is_left_out_is_told():
    sheet = read_sheet(MAGENTO.encode())
    assert [one.message.split(" was")[0] for one in sheet.warnings if one.line] == ["The product"]
    assert any("no products of their own" in one.message for one in sheet.warnings)
    assert sheet.reading.skipped == 3


def test_a_products_list_of_colours_is_one_image_with_a_warning():
    text = ETSY.replace(",Green,", ',"Green,Pink,Red",')
    sheet = read_sheet(text.encode())
    assert sheet.rows[0].fields["color"] == "Green"
    assert "several values" in sheet.warnings[-1].message


def test_materials_of_a_product_hold_for_its_variants():
    assert [row.fields["material"] for row in read_sheet(EBAY.encode()).rows] == [
        "Cotton", "Cotton", "",
    ]  # fmt: skip


def test_variants_without_their_product_are_products():
    text = WIX.replace("p1,Product,", "p9,Product,")
    sheet = read_sheet(text.encode())
    assert [row.fields["sku"] for row in sheet.rows] == ["CAP", "CAP-G", "CAP-P", "VAS"]


def test_a_platform_that_it_is_not_is_refused_with_what_it_would_have():
    with pytest.raises(InvalidSheetError, match=r"no magento export.*sku and attribute_set_code"):
        read_sheet(WIX.encode(), hints=Hints(source=SheetSource.MAGENTO))


def test_sheets_with_prompts_of_their_own_stay_plain():
    text = "item_sku,item_name,prompt,sku\nA,Cap,a cap,A\n"
    assert read_sheet(text.encode()).reading.source is SheetSource.PLAIN
