"""Publish: shops, what publishing a batch would change, doing it, and taking it back."""

from typing import Annotated
from uuid import UUID

from fastapi import Form
from fastapi.responses import Response
from pydantic import SecretStr, ValidationError
from sqlmodel import Session

from api.dependencies import Admin, PublishCaller, ServicesNow, SessionNow, Tenant
from api.pages.page import Page, PageNow
from api.pages.route import page_router
from api.problems import describe
from api.routes import publishing as routes
from api.schemas.publishing import PublishRequest, TargetRequest
from api.views.batches import list_batches
from api.views.cursors import Cursor
from catalogue.channels import PRESETS
from core.domain.stores import CREDENTIALS, Placement, StoreKind
from core.errors import ConflictError, InvalidRequestError, PackshotError
from core.links import WORKBENCH
from core.publishing.credentials import CredentialBox

AT_ONCE = 50
AT = f"{WORKBENCH}/publishes"
ACTIVE = ("planning", "running", "undoing")

router = page_router(prefix=AT)


@router.get("")
def get_publishes(
    page: PageNow, tenant: Tenant, session: SessionNow, cursor: Cursor = None
) -> Response:
    """List the runs and the shops."""
    return _show_list(page, tenant, session, cursor=cursor)


def _show_list(
    page: Page, tenant: str, session: Session, *, cursor: str | None = None, error: str = ""
) -> Response:
    return page.show(
        "publishes.html",
        status=422 if error else 200,
        runs=routes.get_publishes(tenant, session, cursor, AT_ONCE),
        targets=routes.get_targets(tenant, session).items,
        batches=list_batches(session, tenant, cursor=None, limit=AT_ONCE).items,
        kinds=list(StoreKind),
        channels=list(PRESETS),
        error=error,
    )


@router.post("")
def post_publish(
    page: PageNow,
    caller: PublishCaller,
    session: SessionNow,
    batch_id: Annotated[UUID, Form()],
    target: Annotated[str, Form()],
    placement: Annotated[Placement, Form()] = Placement.LAST,
    channel: Annotated[str, Form()] = "",
) -> Response:
    """Plan what publishing a batch would change."""
    try:
        request = PublishRequest(
            batch_id=batch_id, target=target, placement=placement, channel=channel or None
        )
        run = routes.post_publish(request, caller, session, Response())
    except ValidationError as error:
        return _show_list(page, caller.tenant, session, error=_said(error))
    except InvalidRequestError as error:
        session.rollback()
        return _show_list(page, caller.tenant, session, error=error.detail)
    return page.go(f"{AT}/{run.id}")


@router.post("/targets")
def post_target(
    page: PageNow,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
    name: Annotated[str, Form()] = "",
    kind: Annotated[StoreKind, Form()] = StoreKind.SHOPIFY,
    address: Annotated[str, Form()] = "",
    access_token: Annotated[str, Form()] = "",
    username: Annotated[str, Form()] = "",
    application_password: Annotated[str, Form()] = "",
    access_key_id: Annotated[str, Form()] = "",
    secret_access_key: Annotated[str, Form()] = "",
    region: Annotated[str, Form()] = "",
) -> Response:
    """Add a shop; its credentials are not shown again."""
    given = {
        "access_token": access_token,
        "username": username,
        "application_password": application_password,
        "access_key_id": access_key_id,
        "secret_access_key": secret_access_key,
        "region": region,
    }
    credentials = {one: SecretStr(given[one].strip()) for one in CREDENTIALS[kind]}
    try:
        request = TargetRequest(
            name=name.strip(), kind=kind, address=address.strip(), credentials=credentials
        )
        box = CredentialBox.of(services.settings)
        routes.post_target(request, caller, services, box, session, Response())
    except ValidationError as error:
        return _show_list(page, caller.tenant, session, error=_said(error))
    except (InvalidRequestError, ConflictError) as error:
        session.rollback()
        return _show_list(page, caller.tenant, session, error=error.detail)
    return page.go(AT, f"{request.name} is added.")


@router.post("/targets/{name}/delete")
def post_delete_target(name: str, page: PageNow, caller: Admin, session: SessionNow) -> Response:
    """Delete a shop with its credentials."""
    routes.delete_target(name, caller, session)
    return page.go(AT, f"{name} is deleted.")


@router.get("/{run_id}")
def get_publish(
    run_id: UUID, page: PageNow, tenant: Tenant, session: SessionNow, cursor: Cursor = None
) -> Response:
    """Show a run, product by product; a fragment of it while it goes on."""
    run = routes.get_publish(run_id, tenant, session)
    return page.show(
        "publish_live.html" if page.is_fragment else "publish.html",
        run=run,
        active=run.state.value in ACTIVE,
        items=routes.get_publish_items(run_id, tenant, session, cursor, AT_ONCE),
    )


@router.post("/{run_id}/start")
def post_start(run_id: UUID, page: PageNow, caller: PublishCaller, session: SessionNow) -> Response:
    """Carry a plan out."""
    try:
        routes.start_publish(run_id, caller, session)
    except ConflictError as error:
        return _refused(page, run_id, error, session)
    return page.go(f"{AT}/{run_id}")


@router.post("/{run_id}/undo")
def post_undo(run_id: UUID, page: PageNow, caller: PublishCaller, session: SessionNow) -> Response:
    """Give each product back what it had."""
    try:
        routes.undo_publish(run_id, caller, session)
    except ConflictError as error:
        return _refused(page, run_id, error, session)
    return page.go(f"{AT}/{run_id}")


def _said(error: ValidationError) -> str:
    return " ".join(str(describe(one)["message"]) for one in error.errors())


def _refused(page: Page, run_id: UUID, error: PackshotError, session: Session) -> Response:
    """Say why, where the run is shown as it stands: somebody else was faster."""
    session.rollback()
    return page.go(f"{AT}/{run_id}", error.detail)
