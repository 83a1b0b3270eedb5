"""Publishing: stores, and runs that put a batch's images into them."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response
from pydantic import SecretStr

from api.dependencies import (
    Admin,
    PublishCaller,
    ServicesNow,
    SessionNow,
    Tenant,
    get_caller,
)
from api.description import LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.publishing import (
    CredentialsRequest,
    PublishItemPage,
    PublishPage,
    PublishRequest,
    PublishView,
    TargetList,
    TargetName,
    TargetRequest,
    TargetView,
)
from api.views.cursors import Cursor, Limit
from api.views.publishing import list_items, list_runs, view_run, view_target
from core.errors import InvalidRequestError
from core.publishing import runs, targets
from core.publishing.credentials import CredentialBox

router = Router(
    route_class=TransactionRoute,
    prefix="/v1",
    tags=["Publishing"],
    dependencies=[Depends(get_caller)],
)


async def get_box(services: ServicesNow) -> CredentialBox:
    """Return what encrypts credentials."""
    return CredentialBox.of(services.settings)


Box = Annotated[CredentialBox, Depends(get_box)]


@router.post(
    "/publish-targets",
    operation_id="add_publish_target",
    status_code=201,
    responses={201: LOCATION, **problems(409)},
)
def post_target(
    request: TargetRequest,
    caller: Admin,
    services: ServicesNow,
    box: Box,
    session: SessionNow,
    response: Response,
) -> TargetView:
    """Add a store. Its credentials are kept encrypted."""
    target = services.egress.judge(request.address)
    if "?" in target.path:
        raise InvalidRequestError("Give the store's address without a query: https://shop.example.")
    made = targets.add(
        session,
        box,
        caller.tenant,
        name=request.name,
        kind=request.kind,
        address=target.url.rstrip("/"),
        credentials=_plain(request.credentials),
    )
    response.headers["Location"] = f"/v1/publish-targets/{made.name}"
    return view_target(made)


@router.get("/publish-targets", operation_id="list_publish_targets")
def get_targets(tenant: Tenant, session: SessionNow) -> TargetList:
    """List the stores, oldest first."""
    return TargetList(items=[view_target(one) for one in targets.list_them(session, tenant)])


@router.get("/publish-targets/{name}", operation_id="get_publish_target", responses=problems(404))
def get_target(name: TargetName, tenant: Tenant, session: SessionNow) -> TargetView:
    """Show a store, without its credentials."""
    return view_target(targets.find(session, tenant, name))


@router.put(
    "/publish-targets/{name}/credentials",
    operation_id="replace_publish_credentials",
    responses=problems(404, 409),
)
def put_credentials(
    name: TargetName, request: CredentialsRequest, caller: Admin, box: Box, session: SessionNow
) -> TargetView:
    """Replace a store's credentials; runs that wait for better ones go on."""
    target = targets.find(session, caller.tenant, name)
    targets.replace_credentials(session, box, target, _plain(request.credentials))
    return view_target(target)


@router.delete(
    "/publish-targets/{name}",
    operation_id="delete_publish_target",
    status_code=204,
    responses=problems(404),
)
def delete_target(name: TargetName, caller: Admin, session: SessionNow) -> None:
    """Delete a store with its credentials.

    What was published into it stays there, and cannot be undone from here any more.
    """
    targets.delete(session, targets.find(session, caller.tenant, name))


@router.post(
    "/publishes",
    operation_id="plan_publish",
    status_code=201,
    responses={201: LOCATION, **problems(404)},
)
def post_publish(
    request: PublishRequest, caller: PublishCaller, session: SessionNow, response: Response
) -> PublishView:
    """Plan what publishing a batch's images would change; nothing in the store is changed.

    The plan is made in a moment: GET it until its state is `planned`, look at its items, and start
    it.
    """
    target = targets.find(session, caller.tenant, request.target)
    run = runs.create(
        session, caller.tenant, target, request.batch_id, request.placement, request.channel
    )
    response.headers["Location"] = f"/v1/publishes/{run.id}"
    return view_run(session, run)


@router.get("/publishes", operation_id="list_publishes")
def get_publishes(
    tenant: Tenant, session: SessionNow, cursor: Cursor = None, limit: Limit = 50
) -> PublishPage:
    """List publish runs, newest first."""
    return list_runs(session, tenant, cursor=cursor, limit=limit)


@router.get("/publishes/{run_id}", operation_id="get_publish", responses=problems(404))
def get_publish(run_id: UUID, tenant: Tenant, session: SessionNow) -> PublishView:
    """Show a publish run, as it stands."""
    return view_run(session, runs.find(session, tenant, run_id))


@router.get("/publishes/{run_id}/items", operation_id="list_publish_items", responses=problems(404))
def get_publish_items(
    run_id: UUID, tenant: Tenant, session: SessionNow, cursor: Cursor = None, limit: Limit = 50
) -> PublishItemPage:
    """List what a run changes: for each product what is added, and what it had."""
    return list_items(session, runs.find(session, tenant, run_id), cursor=cursor, limit=limit)


@router.post(
    "/publishes/{run_id}/start", operation_id="start_publish", responses=problems(404, 409)
)
def start_publish(run_id: UUID, caller: PublishCaller, session: SessionNow) -> PublishView:
    """Carry a plan out."""
    run = runs.find(session, caller.tenant, run_id, lock=True)
    runs.start(session, run)
    return view_run(session, run)


@router.post("/publishes/{run_id}/undo", operation_id="undo_publish", responses=problems(404, 409))
def undo_publish(run_id: UUID, caller: PublishCaller, session: SessionNow) -> PublishView:
    """Give each product back what it had, and delete what the run uploaded.

    Images that others added since stay, behind the rest.
    """
    run = runs.find(session, caller.tenant, run_id, lock=True)
    runs.undo(session, run)
    return view_run(session, run)


def _plain(credentials: dict[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in credentials.items()}
