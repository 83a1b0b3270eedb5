"""WooCommerce's REST API v3, with WordPress's own for the files.

Both take an application password of a WordPress user who may edit products and upload files:
WooCommerce's own keys open nothing of WordPress. https://woocommerce.github.io/woocommerce-rest-api-docs/
and https://developer.wordpress.org/rest-api/reference/media/.
"""

import base64
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, urlencode

from core.publishing.records import Gallery, GalleryImage
from ops.publishing.store import CredentialsRefusedError, FoundProduct, StoreRefusedError
from ops.publishing.store_requests import StoreRequests

PRODUCT_FIELDS = "id,parent_id,name,sku,type,images"
VARIATION_FIELDS = "id,image"
MEDIA_FIELDS = "id,slug,alt_text,media_type"
SKUS_AT_ONCE = 50
MOST_FOUND = 100


def basic(username: str, password: str) -> str:
    """Return the Authorization header of a user (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class WooCommerce:
    """One WordPress with WooCommerce.

    A variation's images are its one image: `12/34` is variation 34 of product 12.
    """

    def __init__(self, exchange: StoreRequests, address: str) -> None:
        """Send nothing yet.

        Args:
            exchange: Sends the user's name and application password with each request.
            address: WordPress's, as in https://shop.example.
        """
        self._exchange = exchange
        self._products = f"{address.rstrip('/')}/wp-json/wc/v3/products"
        self._media = f"{address.rstrip('/')}/wp-json/wp/v2/media"

    async def find(self, skus: Sequence[str]) -> Mapping[str, FoundProduct]:
        """Find products and variations of these SKUs."""
        found: dict[str, FoundProduct] = {}
        for some in _groups(skus):
            query = {"sku": ",".join(some), "per_page": MOST_FOUND, "_fields": PRODUCT_FIELDS}
            for product in await self._exchange.json("GET", f"{self._products}?{urlencode(query)}"):
                if product["sku"] in some and product["sku"] not in found:
                    found[product["sku"]] = _found(product)
        return found

    def capacity(self, product: str) -> int | None:
        """Return 1 for a variation, which has one image."""
        return 1 if "/" in product else None

    async def gallery(self, product: str) -> Gallery | None:
        """Return a product's images, the featured one first; or a variation's one image."""
        document = await self._read(product)
        if document is None:
            return None
        images = [document["image"]] if "/" in product else document["images"]
        # A product without images has none; a variation without one may have an empty one.
        return [
            GalleryImage(id=str(one["id"]), alt=one["alt"] or "")
            for one in images
            if one and one["id"]
        ]

    async def upload(
        self,
        product: str,  # noqa: ARG002 - a file belongs to the whole shop
        name: str,
        body: bytes,
        *,
        content_type: str,
        alt: str,
    ) -> GalleryImage:
        """Upload a file, unless it is in the library; its slug is its name."""
        present = await self._of_name(name)
        if present is None:
            made = await self._exchange.json(
                "POST",
                f"{self._media}?{urlencode({'_fields': MEDIA_FIELDS})}",
                headers={
                    "Content-Type": content_type,
                    "Content-Disposition": f'attachment; filename="{name}"',
                },
                body=body,
            )
            present = str(made["id"])
        # Of its own: an upload takes no other fields, and may have been cut off before.
        await self._describe(present, alt)
        return GalleryImage(id=present, alt=alt)

    async def arrange(self, product: str, wanted: Gallery) -> None:
        """Set the images of a product, all at once."""
        texts = {one.id: one.alt for one in await self.gallery(product) or ()}
        for one in wanted:
            # Of its own: the list of images cannot take a text away.
            if texts.get(one.id, one.alt) != one.alt:
                await self._describe(one.id, one.alt)
        images = [{"id": int(one.id)} for one in wanted]
        if "/" not in product:
            changed: dict[str, Any] = {"images": images}
        elif images:
            changed = {"image": images[0]}
        else:
            # Its image goes with the file; there is no field that takes it away.
            return
        url = f"{self._url(product)}?{urlencode({'_fields': 'id'})}"
        answer = await self._exchange.json("PUT", url, changed, missing=True)
        if answer is None:
            raise StoreRefusedError("The product is not in the store any more.")

    async def assign(self, product: str, images: Mapping[str, str]) -> None:
        """Do nothing: each variation is a product of its own here."""

    async def remove(
        self,
        product: str,  # noqa: ARG002 - as above
        name: str,
        known: str | None,
    ) -> None:
        """Delete a file for good, and what a cut-off upload left of the same name."""
        named = [known] if known else []
        named += [one for one in await self._all_of_name(name) if one != known]
        for identity in named:
            await self._exchange.json(
                "DELETE", f"{self._media}/{identity}?force=true", missing=True
            )

    async def _describe(self, identity: str, alt: str) -> None:
        url = f"{self._media}/{identity}?{urlencode({'_fields': MEDIA_FIELDS})}"
        await self._exchange.json("POST", url, {"alt_text": alt})

    async def _read(self, product: str) -> Mapping[str, Any] | None:
        fields = VARIATION_FIELDS if "/" in product else PRODUCT_FIELDS
        url = f"{self._url(product)}?{urlencode({'_fields': fields})}"
        document: Mapping[str, Any] | None = await self._exchange.json("GET", url, missing=True)
        return document

    def _url(self, product: str) -> str:
        parent, _, variation = product.partition("/")
        url = f"{self._products}/{quote(parent)}"
        return f"{url}/variations/{quote(variation)}" if variation else url

    async def _of_name(self, name: str) -> str | None:
        found = await self._all_of_name(name)
        return found[0] if found else None

    async def _all_of_name(self, name: str) -> list[str]:
        """Return the files of a name, oldest first: WordPress calls a second one `name-2`."""
        if not name:
            return []
        slug = PurePath(name).stem.lower()
        query = {"search": slug, "per_page": 100, "orderby": "id", "order": "asc"}
        query["_fields"] = MEDIA_FIELDS
        try:
            found = await self._exchange.json("GET", f"{self._media}?{urlencode(query)}")
        except CredentialsRefusedError as error:
            raise CredentialsRefusedError(
                f"{error} The target needs an application password of a WordPress user who may "
                "upload files (Users, Profile, Application Passwords)."
            ) from error
        return [
            str(one["id"])
            for one in found
            if one["slug"] == slug or one["slug"].removeprefix(f"{slug}-").isdigit()
        ]


def _groups(skus: Sequence[str]) -> list[Sequence[str]]:
    """Group SKUs into queries, in which commas separate them: one that has a comma goes alone."""
    plain = [one for one in skus if "," not in one]
    groups: list[Sequence[str]] = [
        plain[start : start + SKUS_AT_ONCE] for start in range(0, len(plain), SKUS_AT_ONCE)
    ]
    return [*groups, *([one] for one in skus if "," in one)]


def _found(product: Mapping[str, Any]) -> FoundProduct:
    title = unescape(product["name"])
    if product["type"] == "variation":
        identity = f"{product['parent_id']}/{product['id']}"
        return FoundProduct(product=identity, title=title)
    return FoundProduct(product=str(product["id"]), title=title)
