"""The packshot server behind the tools, asked with the key of whoever calls one."""

from collections.abc import Mapping
from typing import Any

import httpx
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from cli.errors import RefusedError
from cli.server_address import host_of, is_this_machine

Answer = dict[str, Any]


class PackshotApi:
    """One server, and the key of those who bring none."""

    def __init__(self, url: str, key: str | None) -> None:
        """Prepare it.

        Args:
            url: The server's address.
            key: Of calls that come without `Authorization`: over standard input. None: each brings
                its own, as over HTTP.

        Raises:
            UsageError: It is no address.
        """
        host = host_of(url)
        self._url = url.rstrip("/")
        self._key = key
        self._options: dict[str, Any] = {
            "base_url": self._url,
            # The longest wait that a tool asks for is a minute.
            "timeout": httpx.Timeout(90, connect=5),
            # A company's proxy does not reach this machine's own ports.
            "trust_env": not is_this_machine(host),
            "verify": httpx.create_ssl_context(),
        }

    async def ask(
        self,
        context: Context[Any, Any],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """Send a request with the caller's key; return the answer.

        Args:
            context: Of the call, which may have come with a key.
            method: Of the request.
            path: Of the request.
            query: Its parameters; those that are None are left out.
            headers: Further ones.
            body: `json` or `files` of httpx.

        Raises:
            ToolError: The server refused it, or does not answer; the sentence says why.
        """
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            # A connection for each: the SDK has no place where one for all would be closed.
            async with httpx.AsyncClient(**self._options) as http:
                answer = await http.request(
                    method,
                    path,
                    params=params,
                    headers={**(headers or {}), **self._authorization(context)},
                    **body,
                )
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise ToolError(f"No packshot answers at {self._url} ({reason}).") from error
        if not answer.is_success:
            raise ToolError(_sentence(answer))
        return answer

    async def read(self, context: Context[Any, Any], path: str, **query: Any) -> Answer:
        """Return the JSON of a GET.

        Raises:
            ToolError: as `ask`.
        """
        found: Answer = (await self.ask(context, "GET", path, query=query)).json()
        return found

    async def send(
        self,
        context: Context[Any, Any],
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        repeat_key: str | None = None,
    ) -> Answer:
        """Send JSON, without what is None; return that of the answer.

        Args:
            context: Of the call.
            method: Of the request.
            path: Of the request.
            body: Its JSON.
            repeat_key: Its Idempotency-Key, if it has one.

        Raises:
            ToolError: as `ask`.
        """
        repeated = {"Idempotency-Key": repeat_key} if repeat_key else {}
        given = {name: value for name, value in body.items() if value is not None}
        answer: Answer = (
            await self.ask(context, method, path, json=given, headers=repeated)
        ).json()
        return answer

    def _authorization(self, context: Context[Any, Any]) -> dict[str, str]:
        sent = (context.headers or {}).get("authorization")
        if sent:
            return {"Authorization": sent}
        if self._key:
            return {"Authorization": f"Bearer {self._key}"}
        raise ToolError("Send your packshot key with each request: `Authorization: Bearer psk_…`.")


def _sentence(answer: httpx.Response) -> str:
    try:
        problem: Any = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": f"HTTP {answer.status_code} {answer.reason_phrase}"}
    return str(RefusedError(answer.status_code, problem, who="packshot"))
