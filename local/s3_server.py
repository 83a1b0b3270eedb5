"""ministack's S3 as an ASGI application for uvicorn, behind checks of signatures and of room.

By itself ministack lets the account's own key in without looking at the signature, and
`POST /_ministack/reset`, which deletes everything, without any key: a web page open on this
machine could send that. Here a request without a valid SigV4 signature goes no further.

What it cannot write, ministack keeps in memory, and answers 200: the object is gone when the server
ends. Here an object for which the disk has no room is refused.
"""

import hmac
import os
import shutil
from typing import Any
from urllib.parse import parse_qs

from ministack.app import app as ministack  # type: ignore[import-untyped]
from ministack.core.sigv4 import (  # type: ignore[import-untyped]
    header_signature_failure,
    parse_header_signature,
    parse_query_signature,
    presigned_request_is_expired,
    request_time_failure,
)

_ACCESS_KEY_ID = os.environ["AWS_ACCESS_KEY_ID"]
_SECRET_ACCESS_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
_FOLDER = os.environ["S3_DATA_DIR"]
_DENIED = (
    b"<Error><Code>AccessDenied</Code>"
    b"<Message>Not signed with the key of this stack.</Message></Error>"
)
_FULL = (
    b"<Error><Code>InsufficientStorage</Code>"
    b"<Message>The disk is full. Make room.</Message></Error>"
)
LEAST_FREE_BYTES = 32 * 2**20
"""What objects leave free on the disk: Postgres and the logs are on it, too."""


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Respond 403 to what is not signed with our key, 507 to objects without room.

    The rest is passed to ministack.
    """
    if scope["type"] == "http" and not is_signed(scope):
        await _refuse(send, 403, _DENIED)
    elif scope["type"] == "http" and scope["method"] == "PUT" and not has_room(scope):
        await _refuse(send, 507, _FULL)
    elif scope["type"] != "websocket":
        await ministack(scope, receive, send)


async def _refuse(send: Any, status: int, body: bytes) -> None:
    # The body is not read: what comes of it would be taken for the next request.
    headers = [(b"content-type", b"application/xml"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def has_room(scope: dict[str, Any]) -> bool:
    """Check that the disk has room for a body of the announced length."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    existing = _FOLDER if os.path.isdir(_FOLDER) else os.path.dirname(_FOLDER)
    return shutil.disk_usage(existing).free >= LEAST_FREE_BYTES + int(announced)


def is_signed(scope: dict[str, Any]) -> bool:
    """Check the SigV4 signature, its key and its age, in the header or a presigned URL."""
    if scope["path"].startswith("/_"):  # no bucket's name does: administration
        return False
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    presigned = "authorization" not in headers
    signature = parse_query_signature(query) if presigned else parse_header_signature(headers)
    if isinstance(signature, tuple) or signature.service != "s3":
        return False
    if not hmac.compare_digest(signature.access_key_id.encode(), _ACCESS_KEY_ID.encode()):
        return False
    if not presigned and "x-amz-content-sha256" not in headers:  # the body is not read here
        return False
    if presigned:
        try:
            expired = presigned_request_is_expired(signature.amz_date, query["X-Amz-Expires"][0])
        except (KeyError, ValueError):
            return False
    else:
        expired = request_time_failure(signature) is not None
    return not expired and not header_signature_failure(
        signature,
        _SECRET_ACCESS_KEY,
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        query,
        headers,
        b"",
        presigned=presigned,
    )
