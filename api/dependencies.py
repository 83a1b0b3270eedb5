"""What routes are handed: the services, the caller, a session.

All of them are coroutines: FastAPI hands a plain function to a thread, and those that only look at
the request would wait for the interpreter as long as what they are made for takes.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer
from sqlmodel import Session

from api.auth.callers import check_scope, known_caller, sent_key
from api.services import Services
from core.db.models import ApiKey
from core.domain.grants import Grant
from core.domain.scopes import Scope
from core.errors import UnauthorizedError
from core.keys import grant_of

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="`psk_…`, made with `packshot keys create`.",
)


async def get_services(request: Request) -> Services:
    """Return this process's clients."""
    services: Services = request.state.services
    return services


ServicesNow = Annotated[Services, Depends(get_services)]


# The scheme is named for OpenAPI's sake.
async def get_caller(request: Request, _: Annotated[object, Depends(BEARER)]) -> ApiKey:
    """Return the key that was sent, which a middleware has found before the body was read.

    Raises:
        UnauthorizedError: The route is not under /v1, where that asks for none.
    """
    key = known_caller(request.scope)
    if key is None:
        raise UnauthorizedError
    return key


Caller = Annotated[ApiKey, Depends(get_caller)]


def require(scope: Scope) -> Callable[[ApiKey], Awaitable[ApiKey]]:
    """Make a dependency that gives the key that was sent, if it has a scope.

    The dependency raises ForbiddenError where it has not.
    """

    async def check(caller: Caller) -> ApiKey:
        check_scope(caller, scope)
        return caller

    return check


Reader = Annotated[ApiKey, Depends(require(Scope.READ))]
Submitter = Annotated[ApiKey, Depends(require(Scope.SUBMIT))]
Judge = Annotated[ApiKey, Depends(require(Scope.REVIEW))]
PublishCaller = Annotated[ApiKey, Depends(require(Scope.PUBLISH))]
Admin = Annotated[ApiKey, Depends(require(Scope.ADMIN))]


async def get_grant(request: Request, caller: Admin, services: ServicesNow) -> Grant:
    """Return what the key that was sent may do, as the secret that it was sent with."""
    return grant_of(caller, services.settings, sent=sent_key(request.scope))


OwnGrant = Annotated[Grant, Depends(get_grant)]


async def get_tenant(caller: Reader) -> str:
    """Return the tenant whose key was sent, which may read."""
    return caller.tenant


Tenant = Annotated[str, Depends(get_tenant)]


async def get_session(request: Request, services: ServicesNow) -> Session:
    """Return the request's transaction, which its route commits (`api.routing.transaction_route`).

    What only reads is no transaction: each statement stands alone, and spares Postgres two more.
    """
    reads = request.method in ("GET", "HEAD")
    return services.database.reader() if reads else services.database.writer()


SessionNow = Annotated[Session, Depends(get_session)]


async def show_once(response: Response) -> None:
    """Forbid to keep the answer, which has a secret: no cache, and no answer to repeats."""
    response.headers["Cache-Control"] = "no-store"


ShownOnce = Depends(show_once)
"""Among the `dependencies` of a route that shows a secret."""
