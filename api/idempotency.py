"""Idempotency-Key: a POST that comes twice is done once, and answered twice.

For every POST of a `api.transaction_route.TransactionRoute`, which writes the answer down in the
transaction that does the work. Only what was done is kept, an answer of 2xx: what was refused or
failed did nothing, and may be sent again with the same key.
"""

import hashlib
import re

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Scope

from core.errors import AnswerNotKeptError, InvalidRequestError
from core.idempotency import LARGEST_ANSWER, Answer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

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

    The boundary of a form is left out: clients make a new one each time.
    """

    def __init__(self, scope: Scope) -> None:
        content_type = Headers(scope=scope).get("content-type", "")
        media_type, _, parameters = content_type.partition(";")
        boundary = re.search(r'boundary="?([^";]+)', parameters)
        self._boundary = boundary[1].strip().encode() if boundary else b""
        self._rest = b""
        head = (scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        named = "\n".join((*head, media_type.strip().lower(), ""))
        self._hash = hashlib.sha256(named.encode(errors="surrogatepass"))

    def update(self, chunk: bytes) -> None:
        """Add the next bytes of the body."""
        if not self._boundary:
            self._hash.update(chunk)
            return
        parts = (self._rest + chunk).split(self._boundary)
        for part in parts[:-1]:
            self._hash.update(part)
        # The boundary may go on in the next chunk.
        kept = len(self._boundary) - 1
        last = parts[-1]
        self._hash.update(last[: max(0, len(last) - kept)])
        self._rest = last[max(0, len(last) - kept) :]

    def hex(self) -> str:
        """Return the digest of all that was added."""
        whole = self._hash.copy()
        whole.update(self._rest)
        return whole.hexdigest()


def read_key(sent: str) -> str:
    """Read the header's value, a quoted string as in the draft or a bare one.

    Raises:
        InvalidRequestError: It is neither.
    """
    found = _KEY.fullmatch(sent.strip())
    if found is None:
        raise InvalidRequestError(
            f"{HEADER} must be 1 to 255 visible ASCII characters, a new UUID for example."
        )
    return found[1] or found[2]


def answer_of(response: Response) -> Answer:
    """Return what is kept of a response: no body that is too long, streamed, or has a secret."""
    body = getattr(response, "body", None)
    secret = "no-store" in response.headers.get("cache-control", "")
    return Answer(
        status=response.status_code,
        headers=list(response.headers.items()),
        body=None if body is None or len(body) > LARGEST_ANSWER or secret else bytes(body),
    )


def replay(answer: Answer) -> Response:
    """Give an answer a second time.

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
