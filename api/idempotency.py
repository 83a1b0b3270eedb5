"""Idempotency-Key: a POST that comes twice is done once, and answered twice.

For every POST of a `api.routing.transaction_route.TransactionRoute`, which writes the answer down
in the transaction that does the work. Only what was done is kept, an answer of 2xx: what was
refused or failed did nothing, and may be sent again with the same key.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Scope

from core.errors import AnswerNotKeptError, InvalidRequestError
from core.idempotency import LARGEST_ANSWER, KeptAnswer

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_LONGEST_BOUNDARY = 256
"""Bytes that the parser takes."""

_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')


class DigestedRequest(Request):
    """A request that is digested while its body is received."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, self._receive_and_digest)
        self._source = request.receive
        self._digest = _RequestDigest(request.scope)
        self._ended = False

    async def digest(self) -> str:
        """Return the digest of all of it, hex; what the route did not read is received here.

        Raises:
            ClientDisconnect: The client left before its end.
        """
        while not self._ended:
            if (await self._receive_and_digest())["type"] == "http.disconnect":
                raise ClientDisconnect
        return self._digest.hex()

    async def _receive_and_digest(self) -> Message:
        message = await self._source()
        if message["type"] == "http.request":
            self._digest.update(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        return message


class _RequestDigest:
    """SHA-256 of a request's method, path, query and body.

    Of a form it is that of its parts: clients make a new boundary each time.
    """

    def __init__(self, scope: Scope) -> None:
        media_type, options = parse_options_header(Headers(scope=scope).get("content-type", ""))
        head = (scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        named = "\n".join((*head, media_type.decode("latin-1"), ""))
        self._hash = hashlib.sha256(named.encode(errors="surrogatepass"))
        self._form: MultipartParser | None = None
        boundary = options.get(b"boundary", b"")
        if media_type == b"multipart/form-data" and 0 < len(boundary) <= _LONGEST_BOUNDARY:
            self._form = MultipartParser(boundary, _PartsDigest(self._hash).callbacks())

    def update(self, chunk: bytes) -> None:
        """Add the next bytes of the body."""
        if self._form is not None:
            try:
                self._form.write(chunk)
            except FormParserError:
                # Whatever reads the form refuses it too.
                self._form = None
        if self._form is None:
            self._hash.update(chunk)

    def hex(self) -> str:
        """Return the digest of all that was added."""
        return self._hash.hexdigest()


class _PartsDigest:
    """Adds a form's parts to a digest, each text with its length or as a digest of its own."""

    def __init__(self, whole: "hashlib._Hash") -> None:
        self._whole = whole
        self._name = self._value = b""

    def callbacks(self) -> "MultipartCallbacks":
        """Return what a parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
        }

    def _begin(self) -> None:
        self._data = hashlib.sha256()

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        for text in (self._name.lower(), self._value):
            self._whole.update(b"%d:%b" % (len(text), text))
        self._name = self._value = b""

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._data.update(memoryview(data)[start:end])

    def _end_part(self) -> None:
        self._whole.update(b"=" + self._data.digest())


def read_key(sent: Sequence[str]) -> str:
    """Read the header's value, a quoted string as in the draft or a bare one.

    Raises:
        InvalidRequestError: It is neither, or there are several.
    """
    if len(sent) > 1:
        raise InvalidRequestError(f"There are two {HEADER} headers. Send one.")
    found = _KEY.fullmatch(sent[0].strip())
    if found is None:
        raise InvalidRequestError(
            f"{HEADER} must be 1 to 255 visible ASCII characters, a new UUID for example."
        )
    return found[1] or found[2]


def answer_of(response: Response) -> KeptAnswer:
    """Return what is kept of a response: no body that is too long, streamed, or has a secret."""
    body = getattr(response, "body", None)
    secret = "no-store" in response.headers.get("cache-control", "")
    return KeptAnswer(
        status=response.status_code,
        headers=list(response.headers.items()),
        body=None if body is None or len(body) > LARGEST_ANSWER or secret else bytes(body),
    )


def replay(answer: KeptAnswer) -> Response:
    """Return an answer a second time.

    Raises:
        AnswerNotKeptError: It was not kept.
    """
    headers = {**dict(answer.headers), REPLAYED: "true"}
    if answer.body is None:
        where = headers.get("location")
        raise AnswerNotKeptError(
            "This was done when it came first, but its answer was not kept: it was too long, or "
            "showed a secret once." + (f" What was made is at {where}." if where else "")
        )
    return Response(answer.body, status_code=answer.status, headers=headers)
