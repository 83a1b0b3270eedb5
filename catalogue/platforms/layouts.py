"""Exports whose rows are products and variants by a fixed layout: which columns say what.

Sources: Wix Help Center, "Importing products" (`fieldType`: Product, Variant, MEDIA); Squarespace
Help Center, "Completing the product import .csv file"; Adobe Commerce, "Product data attributes
reference"; BigCommerce, "Supported Product Fields" (`Item`: Product, Variant, Image) and its v2
template; PrestaShop's export of products and its sample import; Etsy's download of listings;
Square, "Import or export your item library"; Odoo, "Import products"; Amazon's inventory file
templates; eBay, "File Exchange Advanced Template Instructions".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalogue.sheets.model import SheetSource

_NAME_IS_VALUE = re.compile(r"([^=|,;]+)=([^|,]*)")
_NAME_COLON_VALUE = re.compile(r"([^:,|]+):([^,|]*)")


@dataclass(frozen=True, kw_only=True)
class ExportLayout:
    """What the columns of an export mean; all names are canonical."""

    source: SheetSource
    known_by: Sequence[Sequence[str]]
    """Columns of which it has all, or all of another of these."""
    fields: Mapping[str, Sequence[str]]
    """The columns of a field, the more telling first."""
    role: Sequence[str] = ()
    """The column that says what a row is."""
    variants: frozenset[str] = frozenset()
    """Roles of variants; folded."""
    media: frozenset[str] = frozenset()
    """Roles of rows that only hold a further image."""
    ignored: frozenset[str] = frozenset()
    """Roles of rows that are nothing of a product's look."""
    product: Sequence[str] = ()
    """The column that a product shares with its variants."""
    parent: Sequence[str] = ()
    """The column in which a variant names its product's SKU."""
    children: Sequence[str] = ()
    """The column in which a product names its variants' SKUs, as `sku=…`."""
    continues: bool = False
    """Whether rows without a title are variants of the product above them."""
    adds: bool = False
    """Whether rows without a title add options to the product above them."""
    is_variant_too: bool = False
    """Whether the row of a product is its first variant."""
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]] = ()
    """Columns of options' names and values; `{}` is their number."""
    listed: Sequence[str] = ()
    """Columns that hold options' names and values in one text."""
    listing: re.Pattern[str] = _NAME_IS_VALUE
    """How: the name and the value."""
    variation: Sequence[str] = ()
    """The column that names a variant where no option does."""
    lists_skus: bool = False
    """Whether a product's SKU is a list of its variants'."""
    path: str = ">"
    """Between the names of a category's path."""
    language: str = ""
    """The column that is filled where a row only translates another one."""


_LOOK = {
    name: (name,)
    for name in ("color", "finish", "pattern", "material", "shape", "style", "flavor", "size")
} | {"color": ("color", "colour")}


LAYOUTS = (
    ExportLayout(
        source=SheetSource.WIX,
        known_by=(("handleid", "fieldtype"), ("handle", "fieldtype")),
        fields={
            "sku": ("sku",), "title": ("name",), "type": ("collection", "categories"),
            "description": ("description", "plaindescription"), "brand": ("brand",),
            "image": ("productimageurl", "mediaurl", "media"),
        },
        role=("fieldtype",), variants=frozenset({"variant"}), media=frozenset({"media"}),
        product=("handleid", "handle"),
        pairs=(
            (("productoptionname{}",), ("productoptiondescription{}", "productoptionchoices{}")),
        ),
    ),
    ExportLayout(
        source=SheetSource.SQUARESPACE,
        known_by=(("product_id_non_editable",), ("product_type_non_editable",),
                  ("hosted_image_urls", "product_url", "option_name_1")),
        fields={
            "sku": ("sku",), "title": ("title",), "type": ("categories",),
            "description": ("description",), "image": ("hosted_image_urls",),
        },
        continues=True, is_variant_too=True,
        pairs=((("option_name_{}",), ("option_value_{}",)),), path="/",
    ),
    ExportLayout(
        source=SheetSource.MAGENTO,
        known_by=(("sku", "attribute_set_code"), ("sku", "attribute_set", "product_websites")),
        fields=_LOOK | {
            "sku": ("sku",), "title": ("name",), "type": ("categories", "category"),
            "description": ("description", "short_description"),
            "brand": ("brand", "manufacturer"), "image": ("base_image", "image"),
        },
        role=("product_type", "type"), ignored=frozenset({"grouped"}),
        children=("configurable_variations",), listed=("additional_attributes",), path="/",
        language="store_view_code",
    ),
    ExportLayout(
        source=SheetSource.BIGCOMMERCE,
        known_by=(("item", "id", "options"), ("item", "inventory_tracking")),
        fields={
            "sku": ("sku",), "title": ("name",), "type": ("categories", "category"),
            "description": ("description",), "brand": ("brand", "brand_name"),
            "image": ("image_url_import", "internal_image_url_export", "product_image_file_1"),
        },
        role=("item",), variants=frozenset({"variant"}),
        media=frozenset({"image"}), ignored=frozenset({"video", "modifier", "rule"}),
        listed=("options",),
        listing=re.compile(r"Name=([^|]*)\|Value=(.*?)(?=\[|\|?\s*Type=|$)"), path="/",
    ),
    ExportLayout(
        source=SheetSource.BIGCOMMERCE,
        known_by=(("item_type", "product_code_sku"),),
        fields={
            "sku": ("product_code_sku",), "title": ("product_name",), "type": ("category",),
            "description": ("product_description",), "brand": ("brand_name",),
            "image": ("product_image_url_1", "product_image_file_1"),
        },
        role=("item_type",), variants=frozenset({"sku"}), ignored=frozenset({"rule"}),
        listed=("product_name",), listing=re.compile(r"\[\w+\]([^=,]+)=([^,:]*)"), path="/",
    ),
    ExportLayout(
        source=SheetSource.PRESTASHOP,
        known_by=(("product_id", "active_0_1"), ("product_id", "reference", "final_price"),
                  ("product_id", "reference", "price_tax_excl")),
        fields={
            "sku": ("reference",), "title": ("name",), "type": ("categories_x_y_z", "category"),
            "description": ("description", "summary", "short_description"),
            "brand": ("manufacturer", "brand"), "image": ("image_urls_x_y_z", "image"),
        },
        listed=("feature_name_value_position_customized",), listing=_NAME_COLON_VALUE,
    ),
    ExportLayout(
        source=SheetSource.ETSY,
        known_by=(("currency_code", "variation_1_type"), ("title", "currency_code", "image1")),
        fields={
            "sku": ("sku",), "title": ("title",), "description": ("description",),
            "material": ("materials",), "image": ("image1",),
        },
        lists_skus=True,
        pairs=((("variation_{}_name", "variation_{}_type"), ("variation_{}_values",)),),
    ),
    ExportLayout(
        source=SheetSource.SQUARE,
        known_by=(("token", "item_name", "variation_name"), ("item_name", "variation_name", "sku")),
        fields={
            "sku": ("sku",), "title": ("item_name",),
            "type": ("category", "categories", "reporting_category"),
            "description": ("description",), "image": ("image_url",),
        },
        product=("reference_handle", "item_name"), is_variant_too=True,
        variation=("variation_name",),
        pairs=((("option_name_{}",), ("option_value_{}",)),),
    ),
    ExportLayout(
        source=SheetSource.ODOO,
        known_by=(("internal_reference", "name"), ("default_code", "name"),
                  ("name", "product_attributes_attribute")),
        fields={
            "sku": ("internal_reference", "default_code"), "title": ("name",),
            "type": ("product_category", "categ_id", "website_product_category"),
            "description": ("sales_description", "description_sale", "description"),
            "image": ("image_url", "image_1920"),
        },
        adds=True, is_variant_too=True, product=("product_template", "name"),
        pairs=((("product_attributes_attribute", "attribute_line_ids_attribute_id"),
                ("product_attributes_values", "attribute_line_ids_value_ids")),),
        listed=("variant_values", "product_template_variant_value_ids", "attribute_values",
                "product_template_attribute_value_ids"),
        listing=_NAME_COLON_VALUE, path="/",
    ),
    ExportLayout(
        source=SheetSource.AMAZON,
        known_by=(("item_sku", "item_name"), ("contribution_sku", "item_name")),
        fields={
            "sku": ("item_sku", "contribution_sku"), "title": ("item_name",),
            "type": ("feed_product_type", "product_type", "item_type"),
            "description": ("product_description",), "brand": ("brand_name", "brand"),
            "image": ("main_image_url", "main_product_image_locator"),
            "color": ("color_name", "color"), "size": ("size_name", "size"),
            "material": ("material_type", "material_type1", "material", "material_composition"),
            "pattern": ("pattern_name", "pattern_type", "pattern"),
            "style": ("style_name", "style"),
            "shape": ("item_shape",), "finish": ("finish_type", "finish_type1"),
            "flavor": ("flavor_name", "flavor"),
        },
        role=("parent_child", "parentage_level"), variants=frozenset({"child"}),
        parent=("parent_sku", "child_parent_sku_relationship"),
    ),
    ExportLayout(
        source=SheetSource.EBAY,
        known_by=(("relationship", "relationshipdetails"), ("relationship", "relationship_details"),
                  ("customlabel", "title"), ("custom_label_sku", "title")),
        fields={
            "sku": ("customlabel", "custom_label_sku", "custom_label"), "title": ("title",),
            "type": ("category_name",), "description": ("description",),
            "brand": ("c_brand",), "image": ("picurl", "item_photo_url"),
            "color": ("c_color", "c_colour", "c_farbe"), "material": ("c_material",),
            "pattern": ("c_pattern",), "style": ("c_style",), "shape": ("c_shape",),
            "size": ("c_size",),
        },
        role=("relationship",), variants=frozenset({"variation"}),
        listed=("relationshipdetails", "relationship_details", "variation_details"), path="/",
    ),
)  # fmt: skip
"""In the order in which they are looked for: those that are told by more come first."""

MOST_OPTIONS = 10
"""Numbered columns of options."""
