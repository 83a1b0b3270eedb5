"""A tenant's API keys: made, listed, rotated, revoked."""

from uuid import UUID

from fastapi import Depends, Response

from api.dependencies import Admin, OwnGrant, ServicesNow, SessionNow, ShownOnce, get_caller
from api.description import LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.keys import KeyList, KeyRequest, KeyView, NewKey, Rotation
from core import keys
from core.budgets import has_narrower_limits
from core.db.models import ApiKey
from core.domain.grants import Grant, exceeding
from core.errors import ForbiddenError, NotFoundError
from core.settings import Settings

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/keys",
    tags=["Keys"],
    dependencies=[Depends(get_caller)],
)


@router.post(
    "",
    operation_id="create_key",
    status_code=201,
    responses={201: LOCATION},
    dependencies=[ShownOnce],
)
def post_key(
    request: KeyRequest,
    caller: Admin,
    own: OwnGrant,
    services: ServicesNow,
    session: SessionNow,
    response: Response,
) -> NewKey:
    """Make a key for your own tenant that may do no more than yours; it is shown this once.

    Scopes, expiry and limits that are left out are those of your key. If your key has limits, what
    is sent with the new one counts in them too.
    """
    if has_narrower_limits(caller, services.settings):
        raise ForbiddenError(
            "Your key has limits of its own within those of the key that it was made with, so it "
            "makes no others. Make this one with that key, or run `packshot keys` on the server."
        )
    wanted = {
        "scopes": own.scopes,
        "requests_per_minute": caller.requests_per_minute,
        "queued_images": caller.queued_images,
        "source_bytes": caller.source_bytes,
        **request.model_dump(exclude_unset=True),
    }
    if "expires_seconds" not in wanted:
        wanted["expires_at"] = own.expires_at
    limited = own.requests_per_minute or own.queued_images
    shared = caller if limited or caller.limits_owner else None
    row, plain = keys.create_key(session, caller.tenant, limits_of=shared, **wanted)
    _check(row, own, services.settings)
    response.headers["Location"] = f"/v1/keys/{row.id}"
    return _new(row, plain)


@router.get("", operation_id="list_keys")
def get_keys(caller: Admin, session: SessionNow) -> KeyList:
    """List the keys of your tenant, without what they are."""
    return KeyList(items=[_view(row) for row in keys.list_keys(session, caller.tenant)])


@router.post(
    "/{key_id}/rotate", operation_id="rotate_key", responses=problems(404), dependencies=[ShownOnce]
)
def post_rotate(
    key_id: UUID,
    rotation: Rotation,
    caller: Admin,
    own: OwnGrant,
    services: ServicesNow,
    session: SessionNow,
) -> NewKey:
    """Replace the secret of a key that may do no more than yours.

    The one before works on for the overlap, or ends at once.
    """
    found = keys.rotate_key(
        session, key_id, tenant=caller.tenant, overlap_seconds=rotation.overlap_seconds
    )
    if found is None:
        raise _missing(key_id)
    _check(found[0], own, services.settings)
    return _new(*found)


@router.delete("/{key_id}", operation_id="revoke_key", status_code=204, responses=problems(404))
def delete_key(key_id: UUID, caller: Admin, session: SessionNow) -> None:
    """Revoke a key: no request is answered with it from now on."""
    if not keys.revoke_key(session, key_id, tenant=caller.tenant):
        raise _missing(key_id)


def _check(row: ApiKey, own: Grant, settings: Settings) -> None:
    """Check that whoever gets a key's secret gets no more than they have; else nothing is kept.

    Raises:
        ForbiddenError: It may do more than the caller's key.
    """
    more = exceeding(keys.grant_of(row, settings), own)
    if more:
        raise ForbiddenError(
            f"Your key cannot give more than it has itself, and this is more: {', '.join(more)}. "
            "Leave it out to give what your key has, ask for less, or run `packshot keys` on "
            "the server."
        )


def _view(row: ApiKey) -> KeyView:
    return KeyView.model_validate(row, from_attributes=True)


def _new(row: ApiKey, plain: str) -> NewKey:
    return NewKey(**_view(row).model_dump(), key=plain)


def _missing(key_id: UUID) -> NotFoundError:
    return NotFoundError(
        f"There is no key {key_id} here that works, or it belongs to another tenant."
    )
