"""Stores that images are published into."""

from enum import StrEnum


class StoreKind(StrEnum):
    """Whose API a target speaks."""

    SHOPIFY = "shopify"
    """Shopify's Admin GraphQL API."""
    WOOCOMMERCE = "woocommerce"
    """WooCommerce's REST API v3, and WordPress's for the files."""


CREDENTIALS: dict[StoreKind, tuple[str, ...]] = {
    StoreKind.SHOPIFY: ("access_token",),
    StoreKind.WOOCOMMERCE: ("username", "application_password"),
}
"""What each kind asks for."""


class Placement(StrEnum):
    """Where a product's new images go, among those that it has."""

    LAST = "last"
    """Behind them."""
    FIRST = "first"
    """Before them: the first becomes the product's main image."""
