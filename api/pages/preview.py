"""Preview: the first rows of a sheet, made in several ways side by side, and then all of it."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Query
from fastapi.responses import Response
from sqlmodel import Session

from api.auth.cookies import CSRF_FIELD
from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant
from api.pages.page import Page, PageNow
from api.pages.route import page_router
from api.schemas.jobs import JobView
from api.services import Services
from api.submission.context import context_of
from api.submission.preview import MODES, MOST_ROWS, Way, first_rows, presets_of, read_way
from api.submission.publish import follow_up
from api.submission.recipes import list_recipes
from api.submission.submit import submit_batch
from api.submission.upload import SheetRequest, Upload, receive_upload
from api.views.batches import find_batch, view_batch
from api.views.job_lists import JobFilter, list_jobs
from core.db.models import ApiKey, Batch
from core.domain.states import BatchState
from core.errors import InvalidRequestError, InvalidSheetError
from core.links import PREVIEW, WORKBENCH

MOST_WAYS = 3
"""Columns; a phone shows them one below the other."""
SHOWN_ISSUES = 30
STOP_POLLING = 286
"""What htmx asks no more after."""
MOST_RECIPES = 100
MOST_IMAGES = 100
"""Of one way: rows may ask for several variants."""

router = page_router(prefix=PREVIEW)

Sent = Annotated[Upload, Depends(receive_upload)]


@router.get("")
def get_preview(
    page: PageNow, caller: Submitter, services: ServicesNow, session: SessionNow
) -> Response:
    """Ask for a sheet, and for the ways to compare."""
    return _ask(page, session, services, caller.tenant, {})


@router.post("")
def post_preview(
    page: PageNow,
    caller: Submitter,
    upload: Sent,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> Response:
    """Make the first rows in each way."""
    given, upload = _split(upload)
    try:
        rows, ways = _number(given), _ways(given)
        batches = []
        for way in ways:
            request = _read(session, services, caller.tenant, upload, way)
            batches.append(
                _submit(session, services, caller, first_rows(request, rows, way), background)
            )
    except (InvalidSheetError, InvalidRequestError) as error:
        session.rollback()
        return _ask(page, session, services, caller.tenant, given, error)
    query = [("batch", batch.id) for batch in batches] + [("way", way.written) for way in ways]
    template = (upload.fields or {}).get("template", "")
    return page.go(f"{PREVIEW}/images?{urlencode([*query, ('template', template)])}")


@router.get("/images")
def get_images(
    page: PageNow,
    tenant: Tenant,
    session: SessionNow,
    batch: Annotated[list[UUID] | None, Query(max_length=MOST_WAYS)] = None,
    way: Annotated[list[str] | None, Query(max_length=MOST_WAYS)] = None,
    template: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """Show the images of each way, a row of the sheet beside the other ways' of it."""
    batches = [view_batch(session, find_batch(session, tenant, one)) for one in batch or ()]
    columns = [_images(session, tenant, one.id) for one in batches]
    ways = [Way(written=one) for one in way or ()]
    running = any(one.state is BatchState.RUNNING for one in batches)
    return page.show(
        "preview_images_live.html" if page.is_fragment else "preview_images.html",
        status=STOP_POLLING if page.is_fragment and not running else 200,
        ways=list(zip(batches, ways, strict=False)),
        rows=_side_by_side(columns),
        running=running,
        prompt_template=template,
    )


@router.post("/all")
def post_all(
    page: PageNow,
    caller: Submitter,
    upload: Sent,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> Response:
    """Make the whole sheet in the way that was chosen."""
    given, upload = _split(upload)
    way = Way(written=given.get("way", ""))
    try:
        request = _read(session, services, caller.tenant, upload, way)
        batch = _submit(session, services, caller, request, background)
    except (InvalidSheetError, InvalidRequestError) as error:
        session.rollback()
        return _ask(page, session, services, caller.tenant, given, error)
    message = f"{batch.total_jobs:,} images of {batch.name} are queued."
    return page.go(f"{WORKBENCH}/batches/{batch.id}", message)


def _ask(
    page: Page,
    session: Session,
    services: Services,
    tenant: str,
    given: dict[str, str],
    error: InvalidSheetError | InvalidRequestError | None = None,
) -> Response:
    """Show the form, with what is wrong with what was sent."""
    recipes = list_recipes(session, tenant, cursor=None, limit=MOST_RECIPES).items
    extensions: dict[str, Any] = error.extensions if error else {}
    return page.show(
        "preview.html",
        status=error.status if error else 200,
        given=given,
        ways=[
            Way(written=written)
            for written in (
                *(f"preset:{name}" for name in presets_of(services.models)),
                *(f"recipe:{recipe.name}" for recipe in recipes),
                *(f"mode:{mode}" for mode in MODES),
            )
        ],
        most_ways=MOST_WAYS,
        most_rows=MOST_ROWS,
        error=error.detail if error else "",
        issues=extensions.get("errors", [])[:SHOWN_ISSUES],
    )


def _split(upload: Upload) -> tuple[dict[str, str], Upload]:
    """Return what the form says to the page, and the upload with what it says of the sheet."""
    fields = dict(upload.fields or {})
    fields.pop(CSRF_FIELD, None)
    sheet = {name: fields[name] for name in ("template", "name") if fields.get(name)}
    return fields, Upload(
        content=upload.content, name=upload.name, content_type=upload.content_type, fields=sheet
    )


def _ways(given: dict[str, str]) -> Sequence[Way]:
    """Return the ways to compare, each once; what is left empty is the model's own."""
    first = given.get("way1", "")
    others = (given.get(f"way{number}", "") for number in range(2, MOST_WAYS + 1))
    return [Way(written=one) for one in dict.fromkeys([first, *filter(None, others)])]


def _number(given: dict[str, str]) -> int:
    written = given.get("rows", "4")
    if not written.isdecimal() or not 1 <= int(written) <= MOST_ROWS:
        raise InvalidRequestError(f"A preview has 1 to {MOST_ROWS} rows, not {written!r}.")
    return int(written)


def _read(
    session: Session, services: Services, tenant: str, upload: Upload, way: Way
) -> SheetRequest:
    most = services.settings.max_sheet_rows
    return read_way(session, tenant, upload, way, list(services.models), max_rows=most)


def _submit(
    session: Session,
    services: Services,
    caller: ApiKey,
    request: SheetRequest,
    background: BackgroundTasks,
) -> Batch:
    context = context_of(request.fields, caller, services.settings, services.egress)
    batch, submission = submit_batch(session, services.models, context, request)
    named = {"batch": str(batch.id), "images": batch.total_jobs}
    background.add_task(follow_up, services, context, submission, **named)
    return batch


def _images(session: Session, tenant: str, batch_id: UUID) -> Sequence[JobView]:
    page = list_jobs(session, tenant, batch_id, chosen=JobFilter(), cursor=None, limit=MOST_IMAGES)
    return page.items


def _side_by_side(
    columns: Sequence[Sequence[JobView]],
) -> Sequence[tuple[JobView, Sequence[JobView | None]]]:
    """Put the images of a line and variant beside each other, in the order of the sheet."""
    found: dict[tuple[int | None, int], list[JobView | None]] = {}
    for number, jobs in enumerate(columns):
        for job in jobs:
            row = found.setdefault((job.line, job.variant), [None] * len(columns))
            row[number] = job
    return [(next(filter(None, row)), row) for row in found.values()]
