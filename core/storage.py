"""Images and photographs in S3: immutable objects under keys that never name other content."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from mimetypes import guess_type
from typing import IO, Any
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from core.errors import ServiceDownError, StoredObjectLostError
from core.object_keys import IMAGES, PROBE, RENDITIONS
from core.s3_client import make_client
from core.settings import Settings
from core.stored_object import Stored, StoredObject

CACHE_CONTROL = "public, max-age=31536000, immutable"


PROBE_SECONDS = 30.0


READS = 2
"""Times that an object is read whole before it is called damaged: a bad wire is no bad disk."""

_MISSING = {"NoSuchKey", "NotFound", "404"}

AT_ONCE = 1000
"""The most objects that S3 deletes, and lists, in one request."""

STORAGE_ERRORS = (BotoCoreError, ClientError)
"""S3 is away, or refuses."""


class Storage:
    """One bucket of any S3-compatible service."""

    def __init__(self, settings: Settings, *, silence_seconds: float | None = None) -> None:
        """Make it; it connects when it is first used.

        Args:
            settings: Where S3 is.
            silence_seconds: How long it may be silent in an answer; None: as the settings say.
        """
        silence_seconds = silence_seconds or settings.s3_timeout
        self.bucket = settings.s3_bucket
        self.address = settings.s3_endpoint_url or f"AWS S3 in {settings.s3_region}"
        self.presigned_url_seconds = settings.presigned_url_seconds
        self.client = make_client(settings, settings.s3_endpoint_url, silence_seconds)
        self._writes_until = float("-inf")
        self._signer = self.client
        if settings.s3_public_url:
            self._signer = make_client(settings, settings.s3_public_url, silence_seconds)

    def put_image(
        self,
        body: bytes,
        *,
        tenant: str,
        fingerprint: str,
        extension: str,
        content_type: str,
        generation_id: UUID | None = None,
    ) -> StoredObject:
        """Store an image.

        The key holds the digest of the bytes: writing the same image twice changes nothing, and
        a key never serves anything else. It also holds the generation's id: two images are never
        the same object, so that one of them can be deleted, and an object whose generation
        recorded no image is known to be nobody's.
        """
        digest = hashlib.sha256(body).hexdigest()
        owner = f"-{generation_id.hex}" if generation_id else ""
        name = f"{fingerprint}{owner}-{digest[:16]}.{extension}"
        key = f"{IMAGES}{tenant}/{fingerprint[:2]}/{name}"
        self._put_immutable(key, body, content_type)
        return StoredObject(key=key, digest=digest, size=len(body))

    def put_rendition(
        self,
        body: bytes,
        *,
        tenant: str,
        name: str,
        extension: str,
        content_type: str,
        generation_id: UUID,
    ) -> StoredObject:
        """Store what was made of an image; the key ends as that of an image does, and for the same.

        Args:
            body: The file.
            tenant: Whose it is.
            name: What it is of the image, such as the channel that it is for.
            extension: What the key ends with.
            content_type: The file's.
            generation_id: What made the image.
        """
        digest = hashlib.sha256(body).hexdigest()
        owner = generation_id.hex
        # The end of an id: the beginning is the time.
        key = f"{RENDITIONS}{tenant}/{owner[-2:]}/{name}-{owner}-{digest[:16]}.{extension}"
        self._put_immutable(key, body, content_type)
        return StoredObject(key=key, digest=digest, size=len(body))

    def _put_immutable(self, key: str, body: bytes, content_type: str) -> None:
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body,
            ContentType=content_type,
            CacheControl=CACHE_CONTROL,
        )

    def stream(self, stored: Stored, *, chunk_bytes: int = 64 * 1024) -> Iterator[bytes]:
        """Open an object and return its bytes in chunks.

        Raises:
            StoredObjectLostError: It is missing, or of another size, which shows before the first
                chunk; or it has other bytes, which shows before the last one.
        """
        return _checked(self._open(stored), stored, chunk_bytes)

    def _open(self, stored: Stored) -> Any:
        found = self._ask(stored, self.client.get_object)
        return found["Body"]

    def _ask(self, stored: Stored, operation: Any) -> Any:
        """Request an object that should be there, and compare its size."""
        try:
            found = operation(Bucket=self.bucket, Key=stored.key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise StoredObjectLostError(f"{stored.key} is not in the bucket.") from error
            raise
        if found["ContentLength"] != stored.size:
            if body := found.get("Body"):
                body.close()
            raise StoredObjectLostError(
                f"{stored.key} has {found['ContentLength']} bytes, not the {stored.size} that were "
                "stored."
            )
        return found

    def check_presence(self, stored: Stored) -> None:
        """Check that an object is there and has its size, without reading it.

        Raises:
            StoredObjectLostError: It is not, or has another.
        """
        self._ask(stored, self.client.head_object)

    def put(self, key: str, body: bytes | IO[bytes], *, content_type: str) -> None:
        """Store bytes, or a file from where it stands, that are read through packshot only."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    def put_back(self, key: str, body: bytes) -> None:
        """Store an object under a key that it had, served as it was."""
        kind = guess_type(key)[0] or "application/octet-stream"
        if key.startswith((IMAGES, RENDITIONS)):
            self._put_immutable(key, body, kind)
        else:
            self.put(key, body, content_type=kind)

    def read(self, stored: Stored) -> bytes:
        """Return an object's bytes, compared with their digest.

        Raises:
            StoredObjectLostError: It is missing, or has other bytes, however often it is read.
        """
        for _ in range(READS):
            with closing(self._open(stored)) as body:
                content = bytes(body.read())
            if hashlib.sha256(content).hexdigest() == stored.digest:
                return content
        raise _damaged(stored)

    def find(self, key: str) -> bytes | None:
        """Return the bytes of an object of which no digest is known; None: it is not there."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return None
            raise
        with closing(answer["Body"]) as body:
            return bytes(body.read())

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; one that is not there is no error.

        Raises:
            ClientError: S3 did not delete one of them; others may be gone.
        """
        for start in range(0, len(keys), AT_ONCE):
            part = keys[start : start + AT_ONCE]
            answer = self.client.delete_objects(
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": key} for key in part], "Quiet": True},
            )
            # An answer of 200 may hold refusals.
            for error in answer.get("Errors", ()):
                raise ClientError({"Error": error}, "DeleteObjects")

    def listed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Yield the key and the moment of writing, by S3's clock, of each object under a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield found["Key"], found["LastModified"]

    def presign(self, key: str) -> str:
        """Make a URL that reads one object for a while without credentials."""
        return str(
            self._signer.generate_presigned_url(
                "get_object",
                Params={"Bucket": self.bucket, "Key": key},
                ExpiresIn=self.presigned_url_seconds,
            )
        )

    def check(self) -> None:
        """Check that S3 answers, and that the bucket is there.

        Raises:
            ServiceDownError: naming the address and the bucket, when it gives none.
        """
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except STORAGE_ERRORS as error:
            raise ServiceDownError(
                f"S3 at {self.address}, bucket {self.bucket!r}, does not answer ({error}). "
                "Start it and create the bucket, or correct PACKSHOT_S3_ENDPOINT_URL and "
                "PACKSHOT_S3_BUCKET.",
                reason="refuses" if isinstance(error, ClientError) else "does not answer",
            ) from error

    def check_writes(self) -> None:
        """Write an empty object: storage whose disk is full still answers.

        What was written lately is not written again: services that charge for it charge for this.

        Raises:
            ServiceDownError: S3 does not take it, or does not answer.
        """
        self.check()
        if time.monotonic() < self._writes_until:
            return
        try:
            self.put(PROBE, b"", content_type="application/octet-stream")
        except STORAGE_ERRORS as error:
            raise ServiceDownError(
                f"S3 at {self.address}, bucket {self.bucket!r}, stores nothing ({error}). Make "
                "room in it, or allow its access key to write.",
                reason="refuses writes" if isinstance(error, ClientError) else "does not answer",
            ) from error
        self._writes_until = time.monotonic() + PROBE_SECONDS

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def _checked(body: Any, stored: Stored, chunk_bytes: int) -> Iterator[bytes]:
    """Return an object's chunks; the last one when the digest of all is the stored one's."""
    digest, held = hashlib.sha256(), b""
    with closing(body):
        for chunk in body.iter_chunks(chunk_bytes):
            digest.update(chunk)
            if held:
                yield held
            held = chunk
    if digest.hexdigest() != stored.digest:
        raise _damaged(stored)
    yield held


def _damaged(stored: Stored) -> StoredObjectLostError:
    return StoredObjectLostError(f"{stored.key} has other bytes than were stored.")
