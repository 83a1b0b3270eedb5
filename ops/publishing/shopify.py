"""A shop of Shopify; how it throttles: https://shopify.dev/docs/api/usage/limits."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from core.publishing.records import Gallery, GalleryImage
from ops.publishing.shopify_admin import AdminApi, ShopifyError
from ops.publishing.shopify_operations import (
    APPEND,
    CREATE,
    DELETE,
    FILE,
    FILES,
    FIND,
    GALLERY,
    REORDER,
    STAGE,
    UPDATE,
    VARIANTS,
)
from ops.publishing.store import (
    FoundProduct,
    StoreAwayError,
    StoreRefusedError,
)
from ops.publishing.store_requests import StoreRequests

SKUS_AT_ONCE = 20
FILES_AT_ONCE = 25
READY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Between looks at what Shopify does behind its answers: files are read, media are moved."""

GONE = {"FILE_DOES_NOT_EXIST"}


class Shopify:
    """One shop."""

    def __init__(self, exchange: StoreRequests, address: str) -> None:
        """Send nothing yet.

        Args:
            exchange: Sends the shop's access token with each request.
            address: As in https://example.myshopify.com.
        """
        self._exchange = exchange
        self._admin = AdminApi(exchange, address)

    async def find(self, skus: Sequence[str]) -> Mapping[str, FoundProduct]:
        """Find the products that have variants of these SKUs."""
        found = {}
        for start in range(0, len(skus), SKUS_AT_ONCE):
            some = skus[start : start + SKUS_AT_ONCE]
            query = " OR ".join(f"sku:{_quoted(sku)}" for sku in some)
            # The search ignores case, and one SKU may be in use several times.
            data = await self._admin.ask(FIND, query=query, first=5 * SKUS_AT_ONCE)
            for node in data["productVariants"]["nodes"]:
                product = node["product"]
                if node["sku"] in some and node["sku"] not in found:
                    found[node["sku"]] = FoundProduct(product=product["id"], title=product["title"])
        return found

    def capacity(self, product: str) -> int | None:  # noqa: ARG002 - of all products
        """Return None: a product has up to 250 media, and Shopify says when that is reached."""
        return None

    async def gallery(self, product: str) -> Gallery | None:
        """Return a product's media of all kinds, films too: all of them have a place."""
        images: list[GalleryImage] = []
        async for page in self._admin.pages(GALLERY, product, "media"):
            if page is None:
                return None
            images += [GalleryImage(id=one["id"], alt=one["alt"] or "") for one in page]
        return images

    async def upload(
        self,
        product: str,  # noqa: ARG002 - a file belongs to the whole shop
        name: str,
        body: bytes,
        *,
        content_type: str,
        alt: str,
    ) -> GalleryImage:
        """Upload a file. Its name makes that happen once: Shopify refuses a second one of it."""
        present = await self._of_name(name)
        if present is None:
            source = await self._stage(name, body, content_type)
            wanted = {
                "originalSource": source,
                "filename": name,
                "alt": alt,
                "contentType": "IMAGE",
                "duplicateResolutionMode": "RAISE_ERROR",
            }
            try:
                made = await self._admin.change("fileCreate", CREATE, files=[wanted])
            except ShopifyError as error:
                if "FILENAME_ALREADY_EXISTS" not in error.codes:
                    raise
                # Its search comes to know of files a moment later.
                raise StoreAwayError("Shopify has the file, and does not find it yet.") from error
            present = made["files"][0]["id"]
        await self._ready(present)
        return GalleryImage(id=present, alt=alt)

    async def arrange(self, product: str, wanted: Gallery) -> None:
        """Attach what is missing, detach what is not wanted, then set the texts and the order."""
        present = await self.gallery(product)
        if present is None:
            raise StoreRefusedError("The product is not in the store any more.")
        changes = _changes(product, present, wanted)
        for start in range(0, len(changes), FILES_AT_ONCE):
            await self._admin.change(
                "fileUpdate", UPDATE, files=changes[start : start + FILES_AT_ONCE]
            )
        await self._reorder(product, [one.id for one in wanted])

    async def assign(self, product: str, images: Mapping[str, str]) -> None:
        """Show images beside variants without one; a product of one variant shows its first."""
        variants: list[Mapping[str, Any]] = []
        async for page in self._admin.pages(VARIANTS, product, "variants"):
            variants += page or ()
        if len(variants) < 2:
            return
        wanted = [
            {"variantId": one["id"], "mediaIds": [images[one["sku"]]]}
            for one in variants
            if one["sku"] in images and not one["media"]["nodes"]
        ]
        if wanted:
            await self._admin.change(
                "productVariantAppendMedia", APPEND, productId=product, variantMedia=wanted
            )

    async def remove(
        self,
        product: str,  # noqa: ARG002 - as above
        name: str,
        known: str | None,
    ) -> None:
        """Delete a file, which takes it from all products and variants."""
        identity = known or await self._of_name(name)
        if identity is None:
            return
        try:
            await self._admin.change("fileDelete", DELETE, fileIds=[identity])
        except ShopifyError as error:
            if not error.codes & GONE:
                raise

    async def _stage(self, name: str, body: bytes, content_type: str) -> str:
        wanted = {
            "filename": name,
            "mimeType": content_type,
            "resource": "IMAGE",
            "httpMethod": "POST",
            "fileSize": str(len(body)),
        }
        made = await self._admin.change("stagedUploadsCreate", STAGE, input=[wanted])
        target = made["stagedTargets"][0]
        form = httpx.Request(
            "POST",
            target["url"],
            data={one["name"]: one["value"] for one in target["parameters"]},
            files={"file": (name, body, content_type)},
        )
        # Elsewhere, and without the shop's token.
        answer = await self._exchange.send(
            "POST",
            target["url"],
            {one: form.headers[one] for one in ("Content-Type", "Content-Length")},
            form.read(),
        )
        if not 200 <= answer.status < 300:
            raise StoreRefusedError(f"Shopify's storage answered {answer.status} to the file.")
        return str(target["resourceUrl"])

    async def _of_name(self, name: str) -> str | None:
        data = await self._admin.ask(FILES, query=f"filename:{_quoted(name)}")
        nodes = data["files"]["nodes"]
        return str(nodes[0]["id"]) if nodes else None

    async def _ready(self, identity: str) -> None:
        """Wait until Shopify has read a file."""
        for seconds in (*READY_SECONDS, None):
            node = (await self._admin.ask(FILE, id=identity))["node"]
            status = node["fileStatus"] if node else "FAILED"
            if status == "READY":
                return
            if status == "FAILED":
                await self.remove("", "", identity)
                raise StoreRefusedError("Shopify cannot use the image file.")
            if seconds is not None:
                await self._exchange.sleep(seconds)
        raise StoreAwayError("Shopify is still reading the image file.")

    async def _reorder(self, product: str, order: Sequence[str]) -> None:
        """Bring a product's media into an order, and wait until they are."""
        for seconds in (*READY_SECONDS, None):
            present = [one.id for one in await self.gallery(product) or ()]
            if present == list(order):
                return
            # What was attached shows a moment later. Moves name places: twice is as once.
            if sorted(present) == sorted(order):
                moves = _moves(present, order)
                await self._admin.change("productReorderMedia", REORDER, id=product, moves=moves)
            if seconds is not None:
                await self._exchange.sleep(seconds)
        raise StoreAwayError("Shopify is still moving the product's images.")


def _quoted(text: str) -> str:
    """Write a search's term (https://shopify.dev/docs/api/usage/search-syntax)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _changes(product: str, present: Gallery, wanted: Gallery) -> list[dict[str, Any]]:
    """Return what to change of files, so that a product has these, with these texts."""
    have = {one.id: one.alt for one in present}
    want = {one.id: one.alt for one in wanted}
    added = [{"id": one, "referencesToAdd": [product]} for one in want if one not in have]
    removed = [{"id": one, "referencesToRemove": [product]} for one in have if one not in want]
    texts = [
        {"id": one, "alt": alt} for one, alt in want.items() if one in have and have[one] != alt
    ]
    return [*added, *removed, *texts]


def _moves(present: Sequence[str], order: Sequence[str]) -> list[dict[str, str]]:
    """Return the moves, which Shopify makes one after the other, from one order to another."""
    moves, now = [], list(present)
    for position, identity in enumerate(order):
        if now[position] != identity:
            now.remove(identity)
            now.insert(position, identity)
            moves.append({"id": identity, "newPosition": str(position)})
    return moves
