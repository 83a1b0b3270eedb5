"""Content credentials (C2PA): files signed with one's own certificate.

Signing is offline: no time stamp is asked for anywhere. It adds some kilobytes to a file, and no
thumbnail of it.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

from core.errors import InvalidSettingError
from core.pictures.formats import Format
from core.pictures.provenance import SOURCE_TYPE
from core.settings import Settings

MOST_BYTES = 64 * 2**10
"""What a signature may add to a file, with a long chain of certificates."""

_MANIFEST: dict[str, Any] = {
    "claim_generator_info": [{"name": "packshot"}],
    "ingredients": [],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
        }
    ],
}


class Credentials:
    """Signs files; any thread may call it."""

    def __init__(self, certificates: str, key: str) -> None:
        """Load a chain and its key.

        Args:
            certificates: PEM, the signing certificate first, without the root.
            key: PEM (PKCS #8), of a P-256 certificate: ES256 is what signs.

        Raises:
            InvalidSettingError: They cannot be used, or do not belong together.
        """
        # Loads its native library: only those who sign need it.
        import c2pa  # noqa: PLC0415

        self._c2pa = c2pa
        self._certificates = certificates.encode()
        self._key = key.encode()
        self._context = c2pa.Context(
            c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        )
        self._try()

    def sign(self, body: bytes, format_: Format) -> bytes:
        """Return a file with its credentials.

        Raises:
            c2pa.C2paError: The file is none of that format.
        """
        target = BytesIO()
        manifest = _MANIFEST | {"format": format_.content_type}
        with self._signer() as signer, self._c2pa.Builder(manifest, self._context) as builder:
            builder.sign(signer, format_.content_type, BytesIO(body), target)
        return target.getvalue()

    def _signer(self) -> Any:
        info = self._c2pa.C2paSignerInfo(b"es256", self._certificates, self._key, None)
        return self._c2pa.Signer.from_info(info)

    def _try(self) -> None:
        """Sign something now, so that a bad certificate is not found out image by image."""
        from PIL import Image  # noqa: PLC0415

        picture = BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        try:
            self.sign(picture.getvalue(), Format.PNG)
        except self._c2pa.C2paError as error:
            raise InvalidSettingError(
                f"PACKSHOT_C2PA_CERTIFICATE and PACKSHOT_C2PA_KEY cannot sign ({error}). Give a "
                "P-256 certificate that may sign C2PA claims, with the chain that issued it, and "
                "its key, both as PEM."
            ) from error


def credentials_of(settings: Settings) -> Credentials | None:
    """Read the certificate and key that the settings name; None: nothing is signed.

    Raises:
        InvalidSettingError: One of them is missing, or they cannot be used.
    """
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise InvalidSettingError(
            "PACKSHOT_C2PA_CERTIFICATE and PACKSHOT_C2PA_KEY go together: give both, or none."
        )
    return Credentials(_read(certificate), _read(key))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingError(
            f"{path} cannot be read as PEM ({error}). Correct PACKSHOT_C2PA_CERTIFICATE or "
            "PACKSHOT_C2PA_KEY."
        ) from error
