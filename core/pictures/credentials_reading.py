"""Content credentials (C2PA) as files from outside have them: whole, broken, or kept elsewhere.

Offline: manifests that are named by an address are not fetched, and no certificate is asked about.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any

from core.pictures.provenance import strongest


class CredentialsState(StrEnum):
    """What a file's credentials are worth."""

    WHOLE = "whole"
    """The signature fits, and the file is as it was signed."""
    BROKEN = "broken"
    """The file was changed since, or the credentials are damaged."""
    ELSEWHERE = "elsewhere"
    """The file names an address at which they are kept; it is not fetched."""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Whose certificate signed, by what the certificate says."""

    organisation: str
    name: str
    serial: str
    """Of the certificate, decimal."""


@dataclass(frozen=True, kw_only=True)
class FileCredentials:
    """A file's credentials."""

    state: CredentialsState
    signer: Signer | None = None
    generator: str | None = None
    """The program that says that it made the file."""
    source_type: str | None = None
    """The strongest digital source type of the actions."""


_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


def read_credentials(body: bytes, content_type: str) -> FileCredentials | None:
    """Read a file's credentials.

    Whether a certificate can be trusted is not judged: packshot brings no list of authorities.

    Args:
        body: The file.
        content_type: Its media type.

    Returns:
        What its newest manifest says; None: it has none, or its format cannot have any.
    """
    # Loads its native library, which few processes need.
    import c2pa  # noqa: PLC0415

    context = c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))
    try:
        with c2pa.Reader(content_type, BytesIO(body), context=context) as reader:
            state, store = reader.get_validation_state(), json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        # The library has a class for neither of its own.
        is_remote = str(error).startswith("Remote")
        return FileCredentials(
            state=CredentialsState.ELSEWHERE if is_remote else CredentialsState.BROKEN
        )
    manifest: Mapping[str, Any] = store["manifests"][store["active_manifest"]]
    generators = manifest.get("claim_generator_info") or [{}]
    return FileCredentials(
        state=CredentialsState.BROKEN if state == "Invalid" else CredentialsState.WHOLE,
        signer=_signer(manifest.get("signature_info") or {}),
        generator=generators[0].get("name") or manifest.get("claim_generator"),
        source_type=strongest(_source_types(manifest)),
    )


def _signer(info: Mapping[str, Any]) -> Signer:
    return Signer(
        organisation=info.get("issuer") or "",
        name=info.get("common_name") or "",
        serial=info.get("cert_serial_number") or "",
    )


def _source_types(manifest: Mapping[str, Any]) -> Iterator[str]:
    for assertion in manifest.get("assertions", ()):
        if assertion["label"].startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", ()):
                if source_type := action.get("digitalSourceType"):
                    yield source_type
