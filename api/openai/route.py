"""Routes of this dialect: one transaction that asks, and an answer that waits for what it asked."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import Request, Response

from api.auth.callers import known_caller
from api.idempotency import REPLAYED
from api.openai.answer import ImagesResponse
from api.openai.schemas import Answering
from api.routing.transaction_route import TransactionRoute
from api.services import Services
from core.errors import UnauthorizedError


class OpenAIRoute(TransactionRoute):
    """Azure's clients, and those that can speak to both, add an `api-version`."""

    takes_any_query = True


class ImagesRoute(OpenAIRoute):
    """A route whose endpoint returns an `Answering` as its response, which is answered here.

    That is also what is kept for an Idempotency-Key: a request that comes twice waits for the same
    jobs, and gets the same images.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request: refused before its body is read, if too many wait."""
        handle = super().get_route_handler()

        async def handle_and_wait(request: Request) -> Response:
            services: Services = request.state.services
            caller = known_caller(request.scope)
            if caller is None:
                raise UnauthorizedError
            services.openai_waiting.begin(caller.tenant)
            end = partial(services.openai_waiting.end, caller.tenant)
            try:
                asked = await handle(request)
                kept = (REPLAYED,) if REPLAYED in asked.headers else ()
                return ImagesResponse(
                    services,
                    caller.tenant,
                    Answering.model_validate_json(bytes(asked.body)),
                    before=asked.background,
                    headers={name: asked.headers[name] for name in kept},
                    finally_=end,
                )
            except BaseException:
                end()
                raise

        return handle_and_wait
