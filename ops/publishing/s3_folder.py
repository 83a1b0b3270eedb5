"""A folder of an S3 bucket, with a folder for each SKU.

Requests are signed by botocore and sent as those to shops are, so that a tenant's address leads
nowhere that the operator did not allow. Path-style addresses: every S3 service answers them.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
"""

import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote, urlencode
from xml.etree import ElementTree

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from core.egress.client import EgressResponse
from core.publishing.records import Gallery, GalleryImage
from ops.publishing.store import CredentialsRefusedError, FoundProduct, StoreRefusedError
from ops.publishing.store_requests import StoreRequests

_SAFE = "/-._~"
_ESCAPED = frozenset('/\\%"<>|*?:') | frozenset(map(chr, range(32))) | {chr(127)}
"""What no folder is called, here or where somebody copies it to."""


class S3Folder:
    """What a product has are the files of its folder; their order is that of their names."""

    def __init__(
        self, exchange: StoreRequests, address: str, credentials: Credentials, region: str
    ) -> None:
        """Send nothing yet.

        Args:
            exchange: Sends.
            address: As in https://s3.eu-central-1.amazonaws.com/BUCKET/FOLDER.
            credentials: Of whoever may list, write and delete there.
            region: The service's; `us-east-1` where it has none.
        """
        parts = address.rstrip("/").split("/", 4)
        self._bucket = "/".join(parts[:4])
        # An address is kept escaped, and keys are escaped when they are asked for.
        self._prefix = f"{unquote(parts[4])}/" if len(parts) > 4 else ""
        self._exchange = exchange
        self._signer = S3SigV4Auth(credentials, "s3", region)

    async def find(self, skus: Sequence[str]) -> Mapping[str, FoundProduct]:
        """Return the folder of each SKU, which need not be there yet."""
        return {sku: FoundProduct(product=folder_name(sku), title=sku) for sku in skus}

    def capacity(self, product: str) -> int | None:
        """Return None: a folder has room for any number."""

    async def gallery(self, product: str) -> Gallery | None:
        """Return the files of a folder, not those of folders in it."""
        prefix, names = f"{self._prefix}{product}/", []
        query = {"delimiter": "/", "list-type": "2", "prefix": prefix}
        while True:
            answer = await self._send("GET", query=query)
            listing = _read_xml(answer)
            keys = [str(one.text) for one in listing.findall("{*}Contents/{*}Key")]
            names += [key.removeprefix(prefix) for key in keys]
            if listing.findtext("{*}IsTruncated") != "true":
                # The folder itself may be an object, where a console made it.
                return [GalleryImage(id=name, alt="") for name in names if name]
            query["continuation-token"] = listing.findtext("{*}NextContinuationToken") or ""

    async def upload(
        self,
        product: str,
        name: str,
        body: bytes,
        *,
        content_type: str,
        alt: str,  # noqa: ARG002 - a folder has no place for it
    ) -> GalleryImage:
        """Write a file; another time it is the same one."""
        headers = {"Content-Type": content_type}
        await self._send("PUT", self._key(product, name), headers=headers, body=body)
        return GalleryImage(id=name, alt="")

    async def arrange(self, product: str, wanted: Gallery) -> None:
        """Do nothing: files are where they are uploaded, and have no order but their names'."""

    async def assign(self, product: str, images: Mapping[str, str]) -> None:
        """Do nothing: each SKU has a folder of its own."""

    async def remove(
        self,
        product: str,
        name: str,
        known: str | None,  # noqa: ARG002 - its name is all that there is
    ) -> None:
        """Delete a file."""
        await self._send("DELETE", self._key(product, name))

    def _key(self, product: str, name: str) -> str:
        return f"{self._prefix}{product}/{name}"

    async def _send(
        self,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> EgressResponse:
        """Send a signed request; the signature holds for the retries of a quarter of an hour.

        Raises:
            StoreAwayError: The service does not answer, or not now.
            StoreRefusedError: It refuses this request.
            CredentialsRefusedError: It refuses the credentials.
        """
        url = f"{self._bucket}/{quote(key, safe=_SAFE)}".rstrip("/")
        if query:
            url += "?" + urlencode(sorted(query.items()), quote_via=quote, safe="-._~")
        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers or {}))
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
        self._signer.add_auth(request)
        answer = await self._exchange.send(method, url, dict(request.headers), body or None)
        if answer.status in (401, 403):
            raise CredentialsRefusedError(
                f"The service answered {answer.status}: its credentials are not valid, or may not "
                f"list, write and delete there. {_reason(answer)}".strip()
            )
        if not 200 <= answer.status < 300:
            raise StoreRefusedError(
                f"The service answered {answer.status}. {_reason(answer)}".strip()
            )
        return answer


def folder_name(sku: str) -> str:
    """Return the name of a SKU's folder; no two have the same."""
    name = "".join(f"%{ord(one):02X}" if one in _ESCAPED else one for one in sku)
    # Folders that are not there, on every file system.
    return name.replace(".", "%2E") if set(name) == {"."} else name


def _read_xml(answer: EgressResponse) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(answer.body)  # noqa: S314 - expat bounds what entities grow to
    except ElementTree.ParseError as error:
        raise StoreRefusedError(
            "The answer is no listing of S3's. Check the target's address: is it that of the "
            "service, with the bucket?"
        ) from error


def _reason(answer: EgressResponse) -> str:
    """Return what S3 says of an error: its code, and a sentence."""
    try:
        error = ElementTree.fromstring(answer.body)  # noqa: S314 - as above
    except ElementTree.ParseError:
        return ""
    said = [error.findtext(name) or "" for name in ("Code", "Message")]
    return ": ".join(filter(None, said))[:300]
