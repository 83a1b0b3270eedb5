"""Requests for scenes: an image that a model draws, and a photograph whose product stands in it."""

from collections.abc import Mapping
from dataclasses import replace

from sqlmodel import Session

from api.models import Models
from api.schemas.requests import JobRequest
from api.submission.channel_sizes import warn_of_channels
from api.submission.context import RequestContext
from api.submission.modes import without_size
from api.submission.photographs import (
    find_named,
    find_photograph,
    photograph_of,
    sent_for,
    warn_of_small,
)
from api.submission.upload import SheetRequest
from catalogue.finishes import read_finish
from catalogue.issues import Issues
from catalogue.photograph_rows import name_photographs
from catalogue.sheets.model import Sheet
from catalogue.validate import ValidatedSheet, validate
from core.domain.image_request import ImageRequest
from core.domain.photograph_spec import ImageMode, PhotographSpec

NO_SCENE = (
    'Nothing says what the scene shows: write it once as the `template` (--prompt "on a wooden '
    'table"), or in a column `prompt`. Titles describe products, which the model shall not draw.'
)


def scene_request(
    session: Session,
    context: RequestContext,
    request: JobRequest,
    background: ImageRequest,
    issues: Issues,
) -> ImageRequest:
    """Return the one scene that a request asks for, checked.

    Args:
        session: An open transaction.
        context: Whose it is.
        request: Of this mode.
        background: What its prompt asks for, at its model's own size.
        issues: What is known to be wrong.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    photograph, width, height = find_photograph(session, context, request, issues)
    return _scene(background, photograph, width, height)


def check_scene_sheet(
    session: Session, models: Models, context: RequestContext, request: SheetRequest
) -> tuple[ValidatedSheet, Issues]:
    """Check a sheet whose products shall stand in scenes, whole.

    Args:
        session: An open transaction.
        models: What it is checked against.
        context: Whose it is.
        request: Of this mode.

    Returns:
        The images of good rows, and everything that is wrong.

    Raises:
        InvalidSheetError: It asks for too many images, or its templates take too long.
    """
    fields, sheet = without_size(request.fields), _of_backgrounds(request.sheet)
    if not fields.template and not {"prompt", "template"} & sheet.reading.columns.keys():
        issues = Issues()
        issues.add(NO_SCENE, column="prompt")
        return ValidatedSheet(columns=sheet.columns, wanted=[], warnings=[]), issues
    order, issues = validate(sheet, fields.parameters(), models, uses_photographs=True)
    finish, width, height = read_finish(request.fields.model_dump(), issues, ImageMode.SCENE)
    named = name_photographs(sheet, sent_for(request), issues)
    found = find_named(session, context, request, named.values())
    photographs = {
        line: photograph
        for line, one in named.items()
        if (photograph := photograph_of(one, finish, found, issues)) is not None
    }
    wanted = [
        _scene(one, photographs[one.line], width, height)
        for one in order.wanted
        if one.line in photographs
    ]
    small = Issues()
    warn_of_small(session, context, wanted, small)
    warn_of_channels(session, context.tenant, wanted, request.fields.channels or (), small)
    warnings = [*order.warnings, *small.documents()]
    return replace(order, wanted=wanted, warnings=warnings), issues


def _of_backgrounds(sheet: Sheet) -> Sheet:
    """Return a sheet of which nothing says a background's size, nor makes prompts of titles."""
    columns: Mapping[str, str] = {
        name: column
        for name, column in sheet.reading.columns.items()
        if name not in {"width", "height"}
    }
    return replace(sheet, reading=replace(sheet.reading, columns=columns, template=None))


def _scene(
    background: ImageRequest, photograph: PhotographSpec, width: int, height: int
) -> ImageRequest:
    spec = background.spec.with_product(photograph, width=width, height=height)
    return replace(background, spec=spec, approximate=False)
