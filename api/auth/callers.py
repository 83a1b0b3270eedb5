"""Who sent a request: its API key, looked up once."""

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import Scope

from api.services import Services
from core.db.models import ApiKey
from core.keys import find_key

_CALLER = "packshot.caller"


def find_caller(services: Services, scope: Scope) -> ApiKey | None:
    """Find the key that a request came with; None: there is none that works.

    In a session of its own: a slow upload does not keep a connection while it is read. Asked anew
    for each request, so that a revoked key is unknown to every process at once.
    """
    if _CALLER not in scope:
        plain = sent_key(scope)
        if plain is None:
            return None
        with services.database.reader() as session:
            scope[_CALLER] = find_key(session, plain)
        if scope[_CALLER] is not None:
            services.key_use.note(scope[_CALLER].id)
    return known_caller(scope)


def sent_key(scope: Scope) -> str | None:
    """Return the key that a request came with, whether it works or not; None: it has none."""
    scheme, plain = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
    return plain if plain and scheme.lower() == "bearer" else None


def known_caller(scope: Scope) -> ApiKey | None:
    """Give the key that `find_caller` found for this request; None: there is none that works.

    Every request under /v1 is counted for its key before anything else, so it was looked for.
    """
    found: ApiKey | None = scope.get(_CALLER)
    return found
