"""Requests for scenes and edits: an image that a model draws, and a photograph that is in it."""

from collections.abc import Mapping
from dataclasses import replace

from sqlmodel import Session

from api.models import Models
from api.schemas.requests import JobRequest
from api.submission.channel_sizes import warn_of_channels
from api.submission.context import RequestContext
from api.submission.modes import mode_of, without_size
from api.submission.photographs import (
    find_named,
    find_photograph,
    photograph_of,
    sent_for,
    warn_of_small,
)
from api.submission.upload import SheetRequest
from catalogue.finishes import check_drawn_over, read_finish
from catalogue.issues import Issues
from catalogue.photograph_rows import masked_lines, name_photographs
from catalogue.prompts.glossary import Glossary
from catalogue.sheets.model import Sheet
from catalogue.validate import ValidatedSheet, validate
from core.domain.image_request import ImageRequest
from core.domain.photograph_spec import ImageMode, PhotographSpec
from core.glossary import read_glossary

NO_SCENE = (
    'Nothing says what the scene shows: write it once as the `template` (--prompt "on a wooden '
    'table"), or in a column `prompt`. Titles describe products, which the model shall not draw.'
)
NO_EDIT = (
    "Nothing says what the photographs shall become: write it once as the `template` "
    '(--prompt "a mug in the snow"), or in a column `prompt`.'
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
    scene = _scene(background, photograph, width, height)
    check_drawn_over(scene.spec, scene.model, issues)
    issues.refuse_request()
    return scene


def edit_request(
    session: Session,
    context: RequestContext,
    request: JobRequest,
    drawn: ImageRequest,
    issues: Issues,
) -> ImageRequest:
    """Return the one edit that a request asks for, checked.

    Args:
        session: An open transaction.
        context: Whose it is.
        request: Of this mode.
        drawn: What its prompt asks for, at the size at which it is drawn.
        issues: What is known to be wrong.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    photograph, *_ = find_photograph(session, context, request, issues)
    edit = _edit(drawn, photograph)
    check_drawn_over(edit.spec, edit.model, issues)
    issues.refuse_request()
    return edit


def check_prompted_sheet(
    session: Session, models: Models, context: RequestContext, request: SheetRequest
) -> tuple[ValidatedSheet, Issues]:
    """Check a sheet whose photographs shall be in what a model draws, whole.

    Args:
        session: An open transaction.
        models: What it is checked against.
        context: Whose it is.
        request: Of the mode `scene` or `edit`.

    Returns:
        The images of good rows, and everything that is wrong.

    Raises:
        InvalidSheetError: It asks for too many images, or its templates take too long.
    """
    mode = mode_of(request.fields)
    is_scene = mode is ImageMode.SCENE
    fields, sheet = request.fields, _without_titles(request.sheet)
    if is_scene:
        fields, sheet = without_size(fields), _without_sizes(sheet)
    if not fields.template and not {"prompt", "template"} & sheet.reading.columns.keys():
        issues = Issues()
        issues.add(NO_SCENE if is_scene else NO_EDIT, column="prompt")
        return ValidatedSheet(columns=sheet.columns, wanted=[], warnings=[]), issues
    order, issues = validate(
        sheet,
        fields.parameters(),
        models,
        uses_photographs=True,
        masked=_masked(request, sheet),
        glossary=Glossary(read_glossary(session, context.tenant).entries),
    )
    finish, width, height = read_finish(request.fields.model_dump(), issues, mode)
    photographs = _photographs(session, context, request, sheet, finish, issues)
    wanted = [
        _scene(one, photographs[one.line], width, height)
        if is_scene
        else _edit(one, photographs[one.line])
        for one in order.wanted
        if one.line in photographs
    ]
    for one in wanted:
        check_drawn_over(one.spec, one.model, issues, line=one.line)
    if not is_scene:
        return replace(order, wanted=wanted), issues
    small = Issues()
    warn_of_small(session, context, wanted, small)
    warn_of_channels(session, context.tenant, wanted, request.fields.channels or (), small)
    warnings = [*order.warnings, *small.documents()]
    return replace(order, wanted=wanted, warnings=warnings), issues


def _photographs(
    session: Session,
    context: RequestContext,
    request: SheetRequest,
    sheet: Sheet,
    finish: PhotographSpec,
    issues: Issues,
) -> dict[int, PhotographSpec]:
    """Return what is wanted of each row's photograph, by line; what cannot be had is noted."""
    named = name_photographs(sheet, sent_for(request), issues)
    found = find_named(session, context, request, named.values())
    return {
        line: photograph
        for line, one in named.items()
        if (photograph := photograph_of(one, finish, found, issues)) is not None
    }


def _masked(request: SheetRequest, sheet: Sheet) -> set[int]:
    """Return the lines of rows where a mask says what the model may draw."""
    if mode_of(request.fields) is ImageMode.EDIT:
        return masked_lines(sheet)
    return {row.line for row in sheet.rows} if request.fields.blend else set()


def _without_titles(sheet: Sheet) -> Sheet:
    """Return a sheet of which nothing makes prompts of titles."""
    return replace(sheet, reading=replace(sheet.reading, template=None))


def _without_sizes(sheet: Sheet) -> Sheet:
    """Return a sheet of which nothing says a background's size."""
    columns: Mapping[str, str] = {
        name: column
        for name, column in sheet.reading.columns.items()
        if name not in {"width", "height"}
    }
    return replace(sheet, reading=replace(sheet.reading, columns=columns))


def _scene(
    background: ImageRequest, photograph: PhotographSpec, width: int, height: int
) -> ImageRequest:
    spec = background.spec.with_product(photograph, width=width, height=height)
    return replace(background, spec=spec, approximate=False)


def _edit(drawn: ImageRequest, photograph: PhotographSpec) -> ImageRequest:
    return replace(drawn, spec=drawn.spec.over(photograph), approximate=False)
