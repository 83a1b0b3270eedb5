"""A shop as Shopify's Admin GraphQL API 2026-10 describes it, as far as publishing goes.

After https://shopify.dev/docs/api/admin-graphql: names of fields, arguments and error codes are
those of its schema. Files are read and media moved behind the answers; the search finds a file
only some requests after it was made; each operation has its cost.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.store_server import Answer, Asked, StoreServer

TOKEN = "shpat_0123456789"
VERSION = "2026-10"


@dataclass
class File:
    id: str
    filename: str
    alt: str
    content: bytes = b""
    status: str = "READY"
    unseen: int = 0
    """Operations until the search finds it."""
    unread: int = 0
    """Looks at it until it is READY."""


@dataclass
class Variant:
    id: str
    sku: str
    media: list[str] = field(default_factory=list)


@dataclass
class Product:
    id: str
    title: str
    media: list[str]
    variants: list[Variant]


@dataclass
class ShopifyDouble:
    """One shop: what is in it, and how it behaves."""

    products: dict[str, Product] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    staged: dict[str, bytes] = field(default_factory=dict)
    points: float = 1000.0
    most_points: float = 1000.0
    rate: float = 50.0
    search_lag: int = 0
    reading_lag: int = 0
    moving_lag: int = 0
    refuses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """User errors by mutation."""
    waiting: list[list[Any]] = field(default_factory=list)
    """Moves that were accepted: looks left, product, moves."""
    made: int = 0
    server: StoreServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = StoreServer(answer=self.answer)

    def add_product(self, *skus: str, media: Sequence[tuple[str, str]] = ()) -> Product:
        """Add a product with a variant for each SKU, and images of these names and texts."""
        product = Product(
            id=self._id("Product"),
            title=f"Product of {skus[0]}",
            media=[self.add_file(name, alt).id for name, alt in media],
            variants=[Variant(id=self._id("ProductVariant"), sku=sku) for sku in skus],
        )
        self.products[product.id] = product
        return product

    def add_file(self, filename: str, alt: str) -> File:
        made = File(id=self._id("MediaImage"), filename=filename, alt=alt)
        self.files[made.id] = made
        return made

    def shown(self, product: Product) -> list[tuple[str, str]]:
        """What a product's page has: names of files, and their texts."""
        return [(self.files[one].filename, self.files[one].alt) for one in product.media]

    def _id(self, kind: str) -> str:
        self.made += 1
        return f"gid://shopify/{kind}/{self.made}"

    def answer(self, asked: Asked) -> Answer:
        if asked.path.startswith("/staged/"):
            return self._take_upload(asked)
        if asked.path != f"/admin/api/{VERSION}/graphql.json":
            return Answer(status=404, content={"errors": "Not Found"})
        if asked.headers.get("x-shopify-access-token") != TOKEN:
            return Answer(status=401, content={"errors": "[API] Invalid API key or access token"})
        document = asked.json()
        # The one field of the operation.
        name = re.search(r"{\s*(\w+)\(", document["query"])[1]
        return self._charge(name, document["variables"])

    def _charge(self, name: str, variables: Mapping[str, Any]) -> Answer:
        cost = 10.0
        status = {
            "maximumAvailable": self.most_points,
            "currentlyAvailable": max(0.0, self.points - cost),
            "restoreRate": self.rate,
        }
        told = {"requestedQueryCost": cost, "actualQueryCost": cost, "throttleStatus": status}
        if self.points < cost:
            status["currentlyAvailable"] = self.points
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return Answer(content={"errors": [error], "extensions": {"cost": told}})
        self.points -= cost
        self._pass_time()
        if name in self.refuses:
            payload = {"userErrors": [dict(self.refuses[name])], "files": [], "stagedTargets": []}
        else:
            payload = getattr(self, f"_{name}")(**variables)
        return Answer(content={"data": {name: payload}, "extensions": {"cost": told}})

    def wait(self, seconds: float) -> None:
        """Let the bucket fill."""
        self.points = min(self.most_points, self.points + seconds * self.rate)

    def _pass_time(self) -> None:
        for one in self.files.values():
            one.unseen = max(0, one.unseen - 1)
        for one in list(self.waiting):
            one[0] -= 1
            if one[0] <= 0:
                self.waiting.remove(one)
                for move in one[2]:
                    if move["id"] in one[1].media:
                        one[1].media.remove(move["id"])
                        one[1].media.insert(int(move["newPosition"]), move["id"])

    def _productVariants(self, query: str, first: int) -> Any:  # noqa: N802
        wanted = {one.lower() for one in re.findall(r'sku:"((?:[^"\\]|\\.)*)"', query)}
        nodes = [
            {"id": variant.id, "sku": variant.sku, "product": {"id": one.id, "title": one.title}}
            for one in self.products.values()
            for variant in one.variants
            if variant.sku.lower() in wanted
        ]
        return {"nodes": nodes[:first]}

    def _product(self, id: str, first: int, after: str | None) -> Any:  # noqa: A002
        product = self.products.get(id)
        if product is None:
            return None

        def page(nodes: list[Any]) -> Any:
            start = int(after or 0)
            more = start + first < len(nodes)
            info = {"hasNextPage": more, "endCursor": str(start + first) if more else None}
            return {"nodes": nodes[start : start + first], "pageInfo": info}

        media = [{"id": one, "alt": self.files[one].alt or None} for one in product.media]
        variants = [
            {"id": one.id, "sku": one.sku, "media": {"nodes": [{"id": it} for it in one.media]}}
            for one in product.variants
        ]
        return {"media": page(media), "variants": page(variants)}

    def _node(self, id: str) -> Any:  # noqa: A002
        file = self.files.get(id)
        if file is None:
            return None
        if file.status in ("UPLOADED", "PROCESSING"):
            file.unread -= 1
            file.status = "PROCESSING" if file.unread > 0 else "READY"
        return {"id": id, "alt": file.alt, "fileStatus": file.status}

    def _files(self, query: str) -> Any:
        (name,) = re.fullmatch(r'filename:"(.*)"', query).groups()
        found = [one for one in self.files.values() if one.filename == name and not one.unseen]
        return {
            "nodes": [{"id": one.id, "alt": one.alt, "fileStatus": one.status} for one in found]
        }

    def _stagedUploadsCreate(self, input: Any) -> Any:  # noqa: A002, N802
        (wanted,) = input
        assert wanted["resource"] == "IMAGE"
        assert wanted["fileSize"].isdigit()
        key = f"tmp/{self.made}/{wanted['filename']}"
        self.made += 1
        target = {
            "url": f"{self.server.url}/staged/",
            "resourceUrl": f"{self.server.url}/staged/{key}",
            "parameters": [
                {"name": "Content-Type", "value": wanted["mimeType"]},
                {"name": "key", "value": key},
                {"name": "policy", "value": "signed"},
            ],
        }
        return {"stagedTargets": [target], "userErrors": []}

    def _take_upload(self, asked: Asked) -> Answer:
        assert "x-shopify-access-token" not in asked.headers
        boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
        parts = {}
        for part in asked.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
            (name,) = re.findall(rb' name="([^"]+)"', head)
            parts[name.decode()] = content
        # Google's storage wants the file last, and what it signed.
        assert list(parts)[-1] == "file"
        assert parts["policy"] == b"signed"
        self.staged[parts["key"].decode()] = parts["file"]
        return Answer(status=201)

    def _fileCreate(self, files: Any) -> Any:  # noqa: N802
        (wanted,) = files
        assert wanted["contentType"] == "IMAGE"
        assert wanted["duplicateResolutionMode"] == "RAISE_ERROR"
        if len(wanted["alt"]) > 512:
            return _refusal("ALT_VALUE_LIMIT_EXCEEDED", "The alt value exceeds the maximum limit")
        if any(one.filename == wanted["filename"] for one in self.files.values()):
            return _refusal("FILENAME_ALREADY_EXISTS", "The provided filename already exists.")
        key = wanted["originalSource"].partition("/staged/")[2]
        made = self.add_file(wanted["filename"], wanted["alt"])
        made.content, made.status = self.staged[key], "UPLOADED"
        made.unseen, made.unread = self.search_lag, self.reading_lag
        node = {"id": made.id, "alt": made.alt, "fileStatus": made.status}
        return {"files": [node], "userErrors": []}

    def _fileUpdate(self, files: Any) -> Any:  # noqa: N802
        for wanted in files:
            file = self.files.get(wanted["id"])
            if file is None:
                return _refusal("FILE_DOES_NOT_EXIST", "File does not exist.")
            if file.status != "READY":
                return _refusal("NON_READY_STATE", "The file is not in the READY state.")
            for identity in [
                *wanted.get("referencesToAdd", ()),
                *wanted.get("referencesToRemove", ()),
            ]:
                if identity not in self.products:
                    return _refusal("REFERENCE_TARGET_DOES_NOT_EXIST", "It does not exist.")
        for wanted in files:
            self.files[wanted["id"]].alt = wanted.get("alt", self.files[wanted["id"]].alt)
            for identity in wanted.get("referencesToAdd", ()):
                if wanted["id"] not in self.products[identity].media:
                    self.products[identity].media.append(wanted["id"])
            for identity in wanted.get("referencesToRemove", ()):
                self._detach(self.products[identity], wanted["id"])
        return {"files": [{"id": one["id"]} for one in files], "userErrors": []}

    def _productReorderMedia(self, id: str, moves: Any) -> Any:  # noqa: A002, N802
        product = self.products[id]
        if any(one["id"] not in product.media for one in moves):
            error = {"field": ["moves"], "message": "No such media", "code": "MEDIA_DOES_NOT_EXIST"}
            return {"job": None, "mediaUserErrors": [error]}
        self.waiting.append([self.moving_lag + 1, product, moves])
        return {"job": {"id": self._id("Job"), "done": False}, "mediaUserErrors": []}

    def _productVariantAppendMedia(self, productId: str, variantMedia: Any) -> Any:  # noqa: N802, N803
        product = self.products[productId]
        for wanted in variantMedia:
            (variant,) = [one for one in product.variants if one.id == wanted["variantId"]]
            if variant.media:
                return _refusal("PRODUCT_VARIANT_ALREADY_HAS_MEDIA", "It already has media.")
            assert set(wanted["mediaIds"]) <= set(product.media)
            variant.media += wanted["mediaIds"]
        return {"product": {"id": productId}, "userErrors": []}

    def _fileDelete(self, fileIds: Any) -> Any:  # noqa: N802, N803
        for identity in fileIds:
            if identity not in self.files:
                return _refusal("FILE_DOES_NOT_EXIST", "File does not exist.")
        for identity in fileIds:
            del self.files[identity]
            for product in self.products.values():
                self._detach(product, identity)
        return {"deletedFileIds": fileIds, "userErrors": []}

    def _detach(self, product: Product, identity: str) -> None:
        for place in (product, *product.variants):
            if identity in place.media:
                place.media.remove(identity)


def _refusal(code: str, message: str) -> Any:
    return {"userErrors": [{"field": ["files", "0"], "message": message, "code": code}]}
