"""Requests to a store: repeated while it is away, as slowly as it wants."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from core.egress.client import EgressClient, EgressError, EgressResponse
from core.errors import ForbiddenUrlError
from ops.publishing.store import CredentialsRefusedError, StoreAwayError, StoreRefusedError
from ops.webhooks.retry_schedule import retry_after

TRIES = 4
"""Of one request, before its run is left for later."""
FIRST_PAUSE = 1.0
"""Seconds after the first failure; each further one is twice as long."""
LONGEST_PAUSE = 30.0
"""Seconds that a run waits with its claim; for longer it is left for later."""
MOST_BYTES = 4 * 2**20
"""Of an answer: a product with 250 images and their texts is some 200 kB."""
_SHOWN = 300

Sleep = Callable[[float], Awaitable[None]]


class StoreRequests:
    """The requests of one store."""

    def __init__(
        self,
        client: EgressClient,
        *,
        headers: Mapping[str, str],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Send nothing yet.

        Args:
            client: Sends; it reads `MOST_BYTES` of an answer.
            headers: Of every request to the store's API, with the credentials.
            sleep: Waits for so many seconds.
        """
        self._client = client
        self._headers = headers
        self.sleep = sleep

    async def json(
        self,
        method: str,
        url: str,
        content: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        missing: bool = False,
    ) -> Any:
        """Send a request to the API; return the JSON of its answer.

        Args:
            method: GET, for example.
            url: All of it.
            content: Sent as JSON.
            headers: Beside those of every request.
            body: Sent as it is, instead of `content`.
            missing: Whether 404 and 410 are answers: None.

        Raises:
            StoreAwayError: It does not answer, or not now.
            StoreRefusedError: It refuses this request.
            CredentialsRefusedError: It refuses the credentials.
        """
        sent = {**self._headers, "Accept": "application/json", **(headers or {})}
        if content is not None:
            body = json.dumps(content).encode()
            sent["Content-Type"] = "application/json"
        answer = await self.send(method, url, sent, body)
        if missing and answer.status in (404, 410):
            return None
        if answer.status in (401, 403):
            raise CredentialsRefusedError(
                f"The store answered {answer.status}: its credentials are not valid, or do not "
                f"allow this. {_reason(answer)}".strip()
            )
        if not 200 <= answer.status < 300:
            raise StoreRefusedError(
                f"The store answered {answer.status}. {_reason(answer)}".strip()
            )
        return read_json(answer)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> EgressResponse:
        """Send a request, again where that may help.

        Raises:
            StoreAwayError: It does not answer, or not now.
            StoreRefusedError: The address may not be asked.
        """
        for number in range(1, TRIES + 1):
            try:
                return await self._once(method, url, headers, body)
            except StoreAwayError as error:
                if number == TRIES or error.seconds > LONGEST_PAUSE:
                    raise
                await self.sleep(max(error.seconds, FIRST_PAUSE * 2 ** (number - 1)))
        raise StoreAwayError("The store is away.")

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> EgressResponse:
        try:
            answer = await self._client.request(method, url, headers, body)
        except ForbiddenUrlError as error:
            raise StoreRefusedError(error.detail) from error
        except EgressError as error:
            raise StoreAwayError(f"The store is away: {error}") from error
        if answer.status in (408, 429) or answer.status >= 500:
            wait = retry_after(answer.headers.get("retry-after", ""))
            raise StoreAwayError(f"The store is away: it answered {answer.status}.", seconds=wait)
        return answer


def read_json(answer: EgressResponse) -> Any:
    """Read an answer.

    Raises:
        StoreRefusedError: It is no JSON: the address is none of such an API.
    """
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise StoreRefusedError(
            "The store's answer is no JSON. Check the target's address: is its API there?"
        ) from error


def _reason(answer: EgressResponse) -> str:
    """Return what an answer says of itself."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    found = document.get("message") or document.get("errors") or ""
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return text[:_SHOWN]
