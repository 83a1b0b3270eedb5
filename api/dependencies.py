"""What routes are handed: the services, the caller, a session."""

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from api.services import Services
from core.errors import ForbiddenError, UnauthorizedError
from core.keys import find_key
from core.models import ApiKey
from core.scopes import Scope

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="`psk_…`, made with `packshot keys create`.",
)


def get_services(request: Request) -> Services:
    """Give this process's clients."""
    services: Services = request.state.services
    return services


ServicesNow = Annotated[Services, Depends(get_services)]


def get_caller(
    services: ServicesNow,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiKey:
    """Find the key that was sent.

    In a session of its own: a slow upload does not keep a connection while it is read.

    Raises:
        UnauthorizedError: There is no key, or it is unknown or revoked.
    """
    if credentials is None:
        raise UnauthorizedError
    with services.database.session() as session:
        key = find_key(session, credentials.credentials)
    if key is None:
        raise UnauthorizedError(
            "This API key is unknown or revoked. Make another: `packshot keys create`."
        )
    return key


Caller = Annotated[ApiKey, Depends(get_caller)]


def require(scope: Scope) -> Callable[[ApiKey], ApiKey]:
    """Make a dependency that gives the key that was sent, if it has a scope.

    The dependency raises ForbiddenError where it has not.
    """

    def check(caller: Caller) -> ApiKey:
        if scope not in caller.scopes:
            has = ", ".join(caller.scopes) or "nothing"
            raise ForbiddenError(
                f"This needs a key with the scope {scope.value}; yours has {has}. Make one with "
                f"`packshot keys create --scope {scope.value}`."
            )
        return caller

    return check


Reader = Annotated[ApiKey, Depends(require(Scope.READ))]
Submitter = Annotated[ApiKey, Depends(require(Scope.SUBMIT))]
Admin = Annotated[ApiKey, Depends(require(Scope.ADMIN))]


def get_tenant(caller: Reader) -> str:
    """Tell whose key was sent, which may read."""
    return caller.tenant


Tenant = Annotated[str, Depends(get_tenant)]


def get_session(services: ServicesNow) -> Iterator[Session]:
    """Open the request's transaction; it commits before the answer is sent."""
    with services.database.session() as session:
        yield session


# scope: FastAPI would otherwise commit after the answer, which could then be a lie.
SessionNow = Annotated[Session, Depends(get_session, scope="function")]
