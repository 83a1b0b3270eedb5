"""Who sent a request: its API key, looked up once."""

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import Scope

from api.services import Services
from core.db.models import ApiKey
from core.domain import scopes
from core.errors import ForbiddenError, InvalidRequestError, UnauthorizedError
from core.keys import find_key
from core.links import DETECT

_CALLER = "packshot.caller"


def require_caller(services: Services, scope: Scope) -> ApiKey:
    """Find the key that a request came with.

    In a session of its own: a slow upload does not keep a connection while it is read. Asked anew
    for each request, so that a revoked key is unknown to every process at once.

    Raises:
        InvalidRequestError: It came with more than one.
        UnauthorizedError: There is no key, or it is unknown, revoked or expired.
    """
    plain = sent_key(scope)
    if plain is None:
        raise UnauthorizedError
    with services.database.reader() as session:
        found = find_key(session, plain)
    if found is None:
        raise UnauthorizedError(
            "This API key is unknown, revoked or expired. Make another: `packshot keys create`."
        )
    services.key_use.note(found.id)
    note_caller(scope, found)
    return found


def note_caller(scope: Scope, key: ApiKey) -> None:
    """Keep the key whose request this is, for `known_caller`."""
    scope[_CALLER] = key


def may_be_nobody(services: Services, scope: Scope) -> bool:
    """Check whether a request needs no key, and came without one; a wrong one is refused."""
    is_open = services.settings.public_detections_per_minute > 0
    is_detection = (scope["method"], scope["path"]) == ("POST", DETECT)
    return is_open and is_detection and "authorization" not in Headers(scope=scope)


def sent_key(scope: Scope) -> str | None:
    """Return the key that a request came with, whether it works or not; None: it has none.

    Raises:
        InvalidRequestError: There are several: a proxy in front may have judged another one.
    """
    sent = Headers(scope=scope).getlist("authorization")
    if len(sent) > 1:
        raise InvalidRequestError("There are several Authorization headers. Send one.")
    scheme, plain = get_authorization_scheme_param(sent[0] if sent else None)
    return plain if plain and scheme.lower() == "bearer" else None


def known_caller(scope: Scope) -> ApiKey | None:
    """Return the key that a middleware found; None where none is asked for."""
    found: ApiKey | None = scope.get(_CALLER)
    return found


def check_scope(caller: ApiKey, needed: scopes.Scope) -> None:
    """Check what a key may do.

    Raises:
        ForbiddenError: It lacks the scope.
    """
    if needed not in caller.scopes:
        has = ", ".join(caller.scopes) or "nothing"
        raise ForbiddenError(
            f"This needs a key with the scope {needed.value}; yours has {has}. Make one with "
            f"`packshot keys create --scope {needed.value}`."
        )
