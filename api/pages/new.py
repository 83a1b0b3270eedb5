"""New batch: a sheet dropped, how it was read, what its columns mean, and then all of it."""

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlmodel import Session

from api.auth.cookies import CSRF_FIELD
from api.dependencies import ServicesNow, SessionNow, Submitter
from api.pages.page import Page, PageNow
from api.pages.route import page_router
from api.problems import describe
from api.schemas.photograph_check import PhotographCheck
from api.schemas.requests import MOST_CHECKED
from api.schemas.sheet_fields import Mapping
from api.schemas.sheets import SheetReport
from api.services import Services
from api.submission.album import FIELD, KeptAlbum
from api.submission.album_matches import AlbumMatches, use_album
from api.submission.context import context_of
from api.submission.dry_run import report
from api.submission.photograph_check import check_photographs
from api.submission.preview import MODES, presets_of
from api.submission.publish import follow_up
from api.submission.recipes import list_recipes
from api.submission.submit import submit_batch
from api.submission.upload import SheetRequest, Upload, read_request, receive_form
from catalogue.channels import PRESETS
from catalogue.platforms.fields import FIELDS
from core.db.models import ApiKey
from core.domain.photograph_spec import ImageMode
from core.errors import InvalidRequestError, InvalidSheetError, NotFoundError
from core.links import NEW_BATCH, WORKBENCH

SHOWN_ROWS = 5
SHOWN_ISSUES = 100
MOST_RECIPES = 100
MOST_FILES = 2
"""The sheet, and an input for photographs without any."""
MOST_OPTIONS = 100
"""Columns that a field can be given on the page."""
NO_COLUMN = "-"
"""Says that no column is a field; the empty text leaves it to the server."""
OF_PAGE = ("sku", "prompt", *FIELDS, "image", "width", "height", "model")
"""Fields whose columns can be said on the page."""
_OF_SHEET = ("name", "template", "recipe", "mode", "preset", "channels", "worksheet", "encoding",
             "source", "mapping", "on_error", "require_approval")  # fmt: skip
_COLUMN = "column."
KEPT = "kept"
"""The field that lists the photographs which are there."""

router = page_router(prefix=NEW_BATCH)


async def receive_sheet(request: Request) -> Upload:
    """Receive the form with the sheet.

    Raises:
        InvalidRequestError: It has no sheet, or photographs that nobody received.
    """
    # Browsers send an input without a file, too.
    async with receive_form(request, most_files=MOST_FILES) as (form, upload):
        if any(getattr(one, "filename", "") for one in form.getlist(FIELD)):
            raise InvalidRequestError(
                "The photographs were not received yet. Go back, send them with the button beside "
                "them first, and then the sheet."
            )
        return upload


Sent = Annotated[Upload, Depends(receive_sheet)]
_Refused = InvalidSheetError | InvalidRequestError | NotFoundError | RequestValidationError
REFUSED = (InvalidSheetError, InvalidRequestError, NotFoundError, RequestValidationError)


def check_addresses(
    caller: Submitter, upload: Sent, services: ServicesNow
) -> PhotographCheck | _Refused | None:
    """Fetch the photographs that a sheet names, if the form says so; return what is wrong with it.

    It is done before the route's transaction begins.
    """
    given, sheet = split(upload)
    if not given.get("check_photographs"):
        return None
    asked = {"dry_run": "true", "check_photographs": str(MOST_CHECKED)}
    asking = replace(sheet, fields={**(sheet.fields or {}), **asked})
    try:
        return check_photographs(caller, asking, services)
    except REFUSED as error:
        return error


Checked = Annotated[PhotographCheck | _Refused | None, Depends(check_addresses)]


@router.get("")
def get_new(
    page: PageNow, caller: Submitter, services: ServicesNow, session: SessionNow
) -> Response:
    """Ask for a sheet."""
    return show_new(page, session, services, caller, {})


@router.post("")
def post_look(
    page: PageNow,
    caller: Submitter,
    upload: Sent,
    checked: Checked,
    services: ServicesNow,
    session: SessionNow,
) -> Response:
    """Show how a sheet is read, and what would become of it; nothing is stored."""
    given, upload = split(upload)
    if isinstance(checked, REFUSED):
        return show_new(page, session, services, caller, given, error=checked)
    try:
        request, matches = _read(session, services, caller, upload, given)
        context = context_of(request.fields, caller, services.settings, services.egress)
        home = services.settings.home
        found = report(session, services.models, context, request, home=home, photographs=checked)
    except REFUSED as error:
        session.rollback()
        return show_new(page, session, services, caller, given, error=error)
    return show_new(
        page, session, services, caller, given, found=found, request=request, matches=matches
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
    """Queue the whole sheet, and show its batch."""
    given, upload = split(upload)
    try:
        request, _ = _read(session, services, caller, upload, given)
        context = context_of(request.fields, caller, services.settings, services.egress)
        batch, submission = submit_batch(session, services.models, context, request)
    except REFUSED as error:
        session.rollback()
        return show_new(page, session, services, caller, given, error=error)
    named = {"batch": str(batch.id), "images": batch.total_jobs}
    background.add_task(follow_up, services, context, submission, **named)
    message = f"{batch.total_jobs:,} images of {batch.name} are queued."
    return page.go(f"{WORKBENCH}/batches/{batch.id}", message)


def split(upload: Upload) -> tuple[dict[str, str], Upload]:
    """Return what the form says, and the upload with what that means for the sheet."""
    given = dict(upload.fields or {})
    given.pop(CSRF_FIELD, None)
    if given.get("mapping") == Mapping.NONE:
        # The form still has the columns that were remembered.
        given = {
            name: value
            for name, value in given.items()
            if not name.startswith(_COLUMN) and name != "source"
        }
    fields = {name: given[name] for name in _OF_SHEET if given.get(name)}
    columns = {
        name.removeprefix(_COLUMN): "" if column == NO_COLUMN else column
        for name, column in given.items()
        if name.startswith(_COLUMN)
    }
    if columns:
        fields["columns"] = json.dumps(columns)
    fields["preview"] = str(SHOWN_ROWS)
    return given, Upload(
        content=upload.content, name=upload.name, content_type=upload.content_type, fields=fields
    )


def _read(
    session: Session, services: Services, caller: ApiKey, upload: Upload, given: dict[str, str]
) -> tuple[SheetRequest, AlbumMatches | None]:
    most, models = services.settings.max_sheet_rows, list(services.models)
    request = read_request(session, caller.tenant, upload, models, max_rows=most)
    return use_album(request, KeptAlbum.read(given.get(KEPT, "")))


def show_new(
    page: Page,
    session: Session,
    services: Services,
    caller: ApiKey,
    given: dict[str, str],
    *,
    found: SheetReport | None = None,
    request: SheetRequest | None = None,
    matches: AlbumMatches | None = None,
    album: KeptAlbum | None = None,
    error: _Refused | None = None,
) -> Response:
    """Show the form with what was found; to htmx, that alone.

    Args:
        page: Whoever asked.
        session: To ask for recipes in.
        services: For what there is to choose.
        caller: Whose recipes.
        given: What the form said.
        found: What would become of the sheet.
        request: The sheet.
        matches: How photographs and sheet fit together.
        album: The photographs that came now; None: those that the form lists.
        error: What is wrong with the sheet.
    """
    recipes = list_recipes(session, caller.tenant, cursor=None, limit=MOST_RECIPES).items
    columns = list(request.sheet.columns) if request else []
    return page.show(
        "new_report.html" if page.is_fragment else "new.html",
        # htmx shows what is wrong in its place.
        status=422 if error is not None and not page.is_fragment else 200,
        given=given,
        report=found,
        columns=columns[:MOST_OPTIONS],
        rows=[row.cells for row in request.sheet.rows[:SHOWN_ROWS]] if request else [],
        fields=OF_PAGE,
        modes={ImageMode.TEXT: "drawn from the sheet's words", **MODES},
        presets=presets_of(services.models),
        recipes=[one.name for one in recipes],
        channels=list(PRESETS),
        matches=matches,
        album=_listed(given) if album is None else album,
        shown_issues=SHOWN_ISSUES,
        **_said(error),
    )


def _listed(given: dict[str, str]) -> KeptAlbum:
    """Return the photographs that the form lists; none where its list is damaged."""
    try:
        return KeptAlbum.read(given.get(KEPT, ""))
    except InvalidRequestError:
        return KeptAlbum()


def _said(error: _Refused | None) -> dict[str, Any]:
    """Return what is wrong as a sentence, and its places."""
    if isinstance(error, RequestValidationError):
        places = [describe(one) for one in error.errors()]
        return {"error": "Something of the form cannot be used.", "issues": places}
    if error is None:
        return {"error": "", "issues": []}
    return {"error": error.detail, "issues": error.extensions.get("errors", [])}
