"""Whether the API can serve: each thing it depends on, asked at the same time."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from api.process.drain import draining
from api.schemas.operations import Component, Readiness
from api.services import Services
from core.errors import PackshotError, ServiceDownError


@dataclass(frozen=True, kw_only=True)
class Check:
    """How one of them is asked."""

    address: str
    ask: Callable[[], object]
    """Raises a PackshotError when it is not there."""
    required: bool = True
    """Whether requests are refused without it."""


def checks_of(services: Services) -> Mapping[str, Check]:
    """List what the API depends on.

    The broker is not required: what cannot be published is published later by the sweeper.
    """
    url = services.database.url
    return {
        "postgres": Check(
            address=f"{url.host}:{url.port}/{url.database}", ask=lambda: check_database(services)
        ),
        "redis": Check(address=services.broker.address, ask=services.broker.check, required=False),
        "s3": Check(
            address=f"{services.storage.address}, bucket {services.storage.bucket}",
            ask=services.storage.check,
        ),
        **{
            # Requests that name no model need the first one.
            f"bundle {name}" if number else "bundle": Check(
                address=str(folder), ask=partial(services.models.get, name), required=not number
            )
            for number, (name, folder) in enumerate(services.models.folders.items())
        },
    }


def check_database(services: Services) -> None:
    """Ask Postgres for a sign of life, and for our tables.

    Raises:
        ServiceDownError: when it has none of them.
    """
    services.database.check()
    try:
        with services.database.engine.connect() as connection:
            connection.execute(text("select 1 from api_key, job limit 0"))
    except ProgrammingError as error:
        url = services.database.url
        raise ServiceDownError(
            f"The database {url.database} of Postgres at {url.host}:{url.port} has no tables of "
            "this version. Run `packshot migrate`."
        ) from error


def look(services: Services) -> Readiness:
    """Ask all of them."""
    checks = checks_of(services)
    with ThreadPoolExecutor(len(checks)) as pool:
        found = dict(zip(checks, pool.map(_ask, checks.values()), strict=True))
    missing = [component for component in found.values() if not component.ok]
    if draining.is_set():
        status = "draining"
    elif any(component.required for component in missing):
        status = "unavailable"
    else:
        status = "degraded" if missing else "ready"
    return Readiness(status=status, components=found)


def require_all(services: Services) -> None:
    """Refuse to start without one of them.

    Raises:
        PackshotError: of the first that is missing.
    """
    for check in checks_of(services).values():
        check.ask()


def _ask(check: Check) -> Component:
    try:
        check.ask()
    except PackshotError as error:
        return Component(
            ok=False, required=check.required, address=check.address, detail=error.detail
        )
    return Component(ok=True, required=check.required, address=check.address, detail=None)
