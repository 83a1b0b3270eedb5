"""Routes that run in one thread, from their first query to their commit."""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import ResponseValidationError
from sqlmodel import Session

from api.auth.callers import known_caller
from api.dependencies import ServicesNow, SessionNow
from api.idempotency import HEADER, DigestedRequest, answer_of, read_key, replay
from api.routing.strict_route import Endpoint, StrictRoute
from core.idempotency import Attempt, begin, record


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What a route needs of a request, beside what its endpoint asks for."""

    request: Request
    response: Response
    """Headers and status that dependencies and endpoint add to the answer."""
    session: Session
    """The one that the endpoint works in."""
    ttl_seconds: float
    """How long answers to an Idempotency-Key are kept."""

    async def attempt(self) -> Attempt | None:
        """Return which request this is, if it came with an Idempotency-Key.

        Raises:
            InvalidRequestError: The key is none.
        """
        caller = known_caller(self.request.scope)
        if caller is None or not isinstance(self.request, DigestedRequest):
            return None
        key = read_key(self.request.headers.getlist(HEADER))
        return Attempt(
            api_key_id=caller.id,
            key=key,
            digest=await self.request.digest(),
            path=self.request.url.path,
        )


async def get_exchange(
    request: Request, response: Response, services: ServicesNow, session: SessionNow
) -> Exchange:
    """Gather what a route needs of a request."""
    ttl_seconds = services.settings.idempotency_seconds
    return Exchange(request=request, response=response, session=session, ttl_seconds=ttl_seconds)


class TransactionRoute(StrictRoute):
    """A route that commits its session in the thread that used it.

    FastAPI runs a plain function in one thread, checks what it returns in another, and leaves
    the session to a third. In between, the request would hold a connection and wait for a thread:
    with all connections held so, and all threads waiting for a connection, nothing goes on.

    A POST with an Idempotency-Key is done once: its answer is written in that transaction too.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, self._in_one_thread(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request, digesting it on the way in if it may come again."""
        handle = super().get_route_handler()

        async def digest_and_handle(request: Request) -> Response:
            repeatable = request.method == "POST" and HEADER in request.headers
            return await handle(DigestedRequest(request) if repeatable else request)

        return digest_and_handle

    def _in_one_thread(self, endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def run(*, exchange: Exchange, **values: Any) -> Any:
            attempt = await exchange.attempt()
            return await run_in_threadpool(self._commit, endpoint, values, exchange, attempt)

        signature = inspect.signature(endpoint)
        exchange = inspect.Parameter(
            "exchange",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[Exchange, Depends(get_exchange)],
        )
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), exchange]
        )
        return run

    def _commit(
        self,
        endpoint: Endpoint,
        values: Mapping[str, Any],
        exchange: Exchange,
        attempt: Attempt | None,
    ) -> Any:
        session = exchange.session
        try:
            if attempt is None:
                result = endpoint(**values)
            elif before := begin(session, attempt, ttl_seconds=exchange.ttl_seconds):
                return replay(before)
            else:
                result = self._respond(endpoint(**values), exchange.response)
                record(session, attempt, answer_of(result))
            session.commit()
            return result
        finally:
            session.close()

    def _respond(self, result: Any, added: Response) -> Response:
        """Write the answer as FastAPI does, of what the endpoint returned."""
        if isinstance(result, Response):
            return result
        field = self.response_field
        if field is None:
            raise TypeError(f"{self.path} returns neither a response nor what its model describes.")
        value, errors = field.validate(result, {}, loc=("response",))
        if errors:
            raise ResponseValidationError(errors, body=result)
        response = Response(
            field.serialize_json(value),
            status_code=added.status_code or self.status_code or 200,
            media_type="application/json",
        )
        response.headers.raw.extend(added.headers.raw)
        return response
