"""A WordPress with WooCommerce, as their REST APIs (wc/v3, wp/v2) are documented.

After https://woocommerce.github.io/woocommerce-rest-api-docs/ and
https://developer.wordpress.org/rest-api/reference/media/.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from tests.support.store_server import Answer, Asked, StoreServer

USER, PASSWORD = "editor", "abcd efgh ijkl mnop"


@dataclass
class Media:
    id: int
    slug: str
    alt: str = ""
    content: bytes = b""


@dataclass
class WooProduct:
    id: int
    sku: str
    name: str
    type: str = "simple"
    parent_id: int = 0
    images: list[int] = field(default_factory=list)


@dataclass
class WooCommerceDouble:
    """One shop."""

    products: dict[int, WooProduct] = field(default_factory=dict)
    media: dict[int, Media] = field(default_factory=dict)
    made: int = 10
    server: StoreServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = StoreServer(answer=self.answer)

    def add_product(
        self, sku: str, *, media: Sequence[tuple[str, str]] = (), parent: WooProduct | None = None
    ) -> WooProduct:
        product = WooProduct(
            id=self._id(),
            sku=sku,
            name=f"Product of {sku} &amp; more",
            type="variation" if parent else "simple",
            parent_id=parent.id if parent else 0,
            images=[self.add_media(name, alt).id for name, alt in media],
        )
        self.products[product.id] = product
        return product

    def add_media(self, slug: str, alt: str, content: bytes = b"") -> Media:
        taken = {one.slug for one in self.media.values()}
        names = (slug, *(f"{slug}-{number}" for number in range(2, 100)))
        free = next(one for one in names if one not in taken)
        made = Media(id=self._id(), slug=free, alt=alt, content=content)
        self.media[made.id] = made
        return made

    def shown(self, product: WooProduct) -> list[tuple[str, str]]:
        return [(self.media[one].slug, self.media[one].alt) for one in product.images]

    def _id(self) -> int:
        self.made += 1
        return self.made

    def answer(self, asked: Asked) -> Answer:
        sent = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {sent}":
            return _error(401, "rest_not_logged_in", "You are not currently logged in.")
        places = {
            r"/wp-json/wc/v3/products": self._list,
            r"/wp-json/wc/v3/products/(\d+)": self._one,
            r"/wp-json/wc/v3/products/(\d+)/variations/(\d+)": self._variation,
            r"/wp-json/wp/v2/media": self._library,
            r"/wp-json/wp/v2/media/(\d+)": self._file,
        }
        for path, take in places.items():
            found = re.fullmatch(path, asked.path)
            if found:
                return take(asked, *map(int, found.groups()))
        return _error(404, "rest_no_route", "No route was found matching the URL.")

    def _list(self, asked: Asked) -> Answer:
        written = asked.query["sku"]
        # WooCommerce splits at commas, and takes the whole text for a SKU, too.
        skus = {*written.split(","), written}
        found = [one for one in self.products.values() if one.sku in skus]
        return Answer(content=[self._view(one) for one in found[: int(asked.query["per_page"])]])

    def _view(self, product: WooProduct) -> Any:
        return {
            "id": product.id,
            "parent_id": product.parent_id,
            "name": product.name,
            "sku": product.sku,
            "type": product.type,
            "images": [self._image(one) for one in product.images],
        }

    def _image(self, identity: int) -> Any:
        return {"id": identity, "name": self.media[identity].slug, "alt": self.media[identity].alt}

    def _one(self, asked: Asked, identity: int) -> Answer:
        product = self.products.get(identity)
        if product is None:
            return _error(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        if asked.method == "PUT":
            images = asked.json()["images"]
            refusal = self._refusal(images)
            if refusal:
                return refusal
            product.images = [self._set(one) for one in images]
        return Answer(content=self._view(product))

    def _variation(self, asked: Asked, parent: int, identity: int) -> Answer:
        product = self.products.get(identity)
        if product is None or product.parent_id != parent:
            return _error(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        if asked.method == "PUT":
            image = asked.json()["image"]
            refusal = self._refusal([image])
            if refusal:
                return refusal
            product.images = [self._set(image)]
        image = self._image(product.images[0]) if product.images else None
        return Answer(content={"id": identity, "image": image})

    def _refusal(self, images: Any) -> Answer | None:
        for one in images:
            if one["id"] not in self.media:
                message = f"#{one['id']} is an invalid image ID."
                return _error(400, "woocommerce_product_invalid_image_id", message)
        return None

    def _set(self, image: Any) -> int:
        # An empty text changes nothing: WooCommerce asks `! empty`.
        if image.get("alt"):
            self.media[image["id"]].alt = image["alt"]
        return int(image["id"])

    def _library(self, asked: Asked) -> Answer:
        if asked.method == "GET":
            found = sorted(
                (one for one in self.media.values() if asked.query["search"] in one.slug),
                key=lambda one: one.id,
            )
            return Answer(content=[_view_media(one) for one in found])
        (name,) = re.findall(r'filename="([^"]+)"', asked.headers["content-disposition"])
        slug = PurePath(name).stem.lower()
        made = self.add_media(slug, "", asked.body)
        return Answer(status=201, content=_view_media(made))

    def _file(self, asked: Asked, identity: int) -> Answer:
        media = self.media.get(identity)
        if media is None:
            return _error(404, "rest_post_invalid_id", "Invalid post ID.")
        if asked.method == "DELETE":
            if asked.query.get("force") != "true":
                return _error(501, "rest_trash_not_supported", "Set 'force=true' to delete.")
            del self.media[identity]
            for product in self.products.values():
                product.images = [one for one in product.images if one != identity]
            return Answer(content={"deleted": True, "previous": _view_media(media)})
        media.alt = asked.json()["alt_text"]
        return Answer(content=_view_media(media))


def _view_media(media: Media) -> Any:
    return {"id": media.id, "slug": media.slug, "alt_text": media.alt, "media_type": "image"}


def _error(status: int, code: str, message: str) -> Answer:
    content = {"code": code, "message": message, "data": {"status": status}}
    return Answer(status=status, content=content)
