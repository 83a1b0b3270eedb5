"""What a tenant's keys asked for, and what that cost."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime

from api.dependencies import Admin, SessionNow, get_caller
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.usage import KeyUsageView, Usage
from core import usage
from core.errors import InvalidRequestError

USUAL = timedelta(days=30)
LONGEST = timedelta(days=400)
FIRST_YEAR = 2000

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/usage",
    tags=["Keys"],
    dependencies=[Depends(get_caller)],
)


@router.get("", operation_id="get_usage", responses=problems(422))
def get_usage(
    caller: Admin,
    session: SessionNow,
    since: Annotated[
        AwareDatetime | None,
        Query(description="Jobs from then on; left out: of the 30 days before `until`."),
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(description="Jobs before then; left out: until now.")
    ] = None,
) -> Usage:
    """Return what each of your tenant's keys asked for, and the computing and bytes that it cost.

    As far as jobs are kept: those that retention or you deleted are not in it.
    """
    end = until or datetime.now(UTC)
    if end.year < FIRST_YEAR:
        raise InvalidRequestError(f"`until` is before {FIRST_YEAR}, when there was no packshot.")
    begin = since or end - USUAL
    if not timedelta() <= end - begin <= LONGEST:
        raise InvalidRequestError(
            f"`since` must be before `until`, by {LONGEST.days} days at most."
        )
    found = usage.read(session, tenant=caller.tenant, since=begin, until=end)
    return Usage(since=begin, until=end, items=[KeyUsageView(**vars(one)) for one in found])
