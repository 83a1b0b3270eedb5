"""Content credentials (C2PA): files signed with one's own certificate.

Signing is offline: no time stamp is asked for anywhere. It adds some kilobytes to a file, and no
thumbnail of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

from core.errors import InvalidSettingError
from core.pictures.certificate import Certificate
from core.pictures.credentials_reading import Signer, read_credentials
from core.pictures.formats import Format
from core.pictures.provenance import TRAINED

MOST_BYTES = 64 * 2**10
"""What a signature may add to a file, with a long chain of certificates."""


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """What an image was made of: named in its credentials, and none of its bytes are in them."""

    title: str
    """What it is called, for people."""
    content_type: str
    digest: str
    """SHA-256 of its bytes, hex."""
    is_part: bool
    """Whether it stands in the image among others (a scene); else all of the image was made of it
    (a cut-out, a rendition)."""


class Credentials:
    """Signs files; any thread may call it.

    The certificate and C2PA's native library are loaded when first something is signed, or by
    `load`: most of the API's processes never sign anything.
    """

    def __init__(self, certificate: Callable[[], Certificate]) -> None:
        """Prepare.

        Args:
            certificate: Gives what signs.
        """
        self._certificate = certificate

    def load(self) -> None:
        """Load what signs, and try it, so that a bad certificate is not found out image by image.

        Raises:
            InvalidSettingError: It cannot be used, or its key belongs to another.
        """
        _ = self._loaded

    @property
    def signer(self) -> Signer | None:
        """What the certificate says of its owner; files that it signed say the same."""
        return self._loaded.signer

    def sign(
        self,
        body: bytes,
        format_: Format,
        *,
        source_type: str = TRAINED,
        ingredient: Ingredient | None = None,
    ) -> bytes:
        """Return a file with its credentials.

        Args:
            body: The file.
            format_: What it is.
            source_type: Its digital source type, as in its XMP.
            ingredient: The photograph, or image, that it was made of; None: of nothing.

        Raises:
            c2pa.C2paError: The file is none of that format.
        """
        return self._loaded.sign(body, format_, source_type, ingredient)

    @cached_property
    def _loaded(self) -> "_Loaded":
        return _Loaded(self._certificate())


class _Loaded:
    """A certificate that was tried, with the library that signs."""

    def __init__(self, certificate: Certificate) -> None:
        import c2pa  # noqa: PLC0415

        self._c2pa = c2pa
        self._certificate = certificate
        self._context = c2pa.Context(
            c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        )
        self.signer = self._try()

    def sign(
        self, body: bytes, format_: Format, source_type: str, ingredient: Ingredient | None
    ) -> bytes:
        target = BytesIO()
        manifest = {
            "claim_generator_info": [{"name": "packshot"}],
            "format": format_.content_type,
            "ingredients": [_named(ingredient)] if ingredient else [],
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": _actions(source_type, ingredient)}}
            ],
        }
        with self._signer() as signer, self._c2pa.Builder(manifest, self._context) as builder:
            builder.sign(signer, format_.content_type, BytesIO(body), target)
        return target.getvalue()

    def _signer(self) -> Any:
        chain, key = self._certificate.chain.encode(), self._certificate.key.encode()
        return self._c2pa.Signer.from_info(self._c2pa.C2paSignerInfo(b"es256", chain, key, None))

    def _try(self) -> Signer | None:
        from PIL import Image  # noqa: PLC0415

        picture = BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        try:
            signed = self.sign(picture.getvalue(), Format.PNG, TRAINED, None)
        except self._c2pa.C2paError as error:
            raise InvalidSettingError(
                f"PACKSHOT_C2PA_CERTIFICATE and PACKSHOT_C2PA_KEY cannot sign ({error}). Give a "
                "P-256 certificate that may sign C2PA claims and is valid today, with the chain "
                "that issued it, and its key, both as PEM."
            ) from error
        read = read_credentials(signed, Format.PNG.content_type)
        return read.signer if read else None


_LABEL = "source"
"""What actions call the ingredient by."""


def _named(ingredient: Ingredient) -> Mapping[str, str]:
    return {
        "title": ingredient.title,
        "format": ingredient.content_type,
        "instance_id": f"urn:sha256:{ingredient.digest}",
        "relationship": "componentOf" if ingredient.is_part else "parentOf",
        "label": _LABEL,
    }


def _actions(source_type: str, ingredient: Ingredient | None) -> Sequence[Mapping[str, Any]]:
    """Return what was done, in the words of C2PA 2.2, section 18.15.4."""
    created = {"action": "c2pa.created", "digitalSourceType": source_type}
    if ingredient is None:
        return [created]
    named = {"parameters": {"ingredientIds": [_LABEL]}}
    if ingredient.is_part:
        return [created, {"action": "c2pa.placed", **named}]
    edited = {"action": "c2pa.edited", "digitalSourceType": source_type}
    return [{"action": "c2pa.opened", **named}, edited]
