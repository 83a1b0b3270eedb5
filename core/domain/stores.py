"""Stores that images are published into."""

from enum import StrEnum


class StoreKind(StrEnum):
    """Whose API a target speaks."""

    SHOPIFY = "shopify"
    """Shopify's Admin GraphQL API."""
    WOOCOMMERCE = "woocommerce"
    """WooCommerce's REST API v3, and WordPress's for the files."""
    S3 = "s3"
    """A folder of an S3 bucket, with a folder for each SKU."""


CREDENTIALS: dict[StoreKind, tuple[str, ...]] = {
    StoreKind.SHOPIFY: ("access_token",),
    StoreKind.WOOCOMMERCE: ("username", "application_password"),
    StoreKind.S3: ("access_key_id", "secret_access_key", "region"),
}
"""What each kind asks for."""

SHOWN = ("username", "access_key_id", "region")
"""Those that nobody needs to hide while they are typed."""


class Placement(StrEnum):
    """Where a product's new images go, among those that it has."""

    LAST = "last"
    """Behind them."""
    FIRST = "first"
    """Before them: the first becomes the product's main image."""
