"""Credentials of stores, encrypted: AES-256-GCM (NIST SP 800-38D) under the deployment's secret."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import ConflictError
from core.settings import Settings

NONCE_BYTES = 12


class NoSecretError(ConflictError):
    """The server has no secret for credentials; its operator sets PACKSHOT_SECRET_KEYS."""

    code = "no_secret_key"


class SealedByAnotherError(ConflictError):
    """PACKSHOT_SECRET_KEYS lacks the secret of these credentials; send the credentials again."""

    code = "unknown_secret_key"


class CredentialBox:
    """Encrypts and decrypts credentials; what is sealed for one target opens for no other."""

    def __init__(self, secrets: list[str]) -> None:
        """Derive a key from each secret; the first encrypts."""
        self._ciphers = [AESGCM(_derive(one)) for one in secrets]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the deployment's secrets."""
        written = settings.secret_keys
        parts = written.get_secret_value().split(",") if written else []
        return cls([one.strip() for one in parts if one.strip()])

    def seal(self, target_id: UUID, credentials: Mapping[str, str]) -> bytes:
        """Encrypt a target's credentials.

        Raises:
            NoSecretError: There is no secret.
        """
        if not self._ciphers:
            raise NoSecretError
        nonce = os.urandom(NONCE_BYTES)
        content = json.dumps(dict(credentials)).encode()
        return nonce + self._ciphers[0].encrypt(nonce, content, target_id.bytes)

    def open(self, target_id: UUID, sealed: bytes) -> Mapping[str, str]:
        """Decrypt a target's credentials.

        Raises:
            SealedByAnotherError: No secret opens them, or they were sealed for another target.
        """
        return self._open(target_id, sealed)[1]

    def renew(self, target_id: UUID, sealed: bytes) -> bytes | None:
        """Encrypt credentials with the first secret; None: they are, or no secret opens them."""
        try:
            number, credentials = self._open(target_id, sealed)
        except SealedByAnotherError:
            return None
        return self.seal(target_id, credentials) if number else None

    def _open(self, target_id: UUID, sealed: bytes) -> tuple[int, Mapping[str, str]]:
        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for number, cipher in enumerate(self._ciphers):
            try:
                opened = cipher.decrypt(nonce, content, target_id.bytes)
            except InvalidTag:
                continue
            credentials: Mapping[str, str] = json.loads(opened)
            return number, credentials
        raise SealedByAnotherError


def _derive(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"credentials").digest()
