"""Submit requests: check them, and insert what they ask for."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from api.models import Bundle, Models
from api.schemas.requests import Fields, JobRequest
from api.schemas.sheet_fields import OnError
from api.submission.context import RequestContext
from api.submission.mappings import keep_mapping
from api.submission.modes import check_fields, mode_of, without_size
from api.submission.photographs import check_photograph_sheet, photograph_request
from api.submission.scenes import check_prompted_sheet, edit_request, scene_request
from api.submission.upload import SheetRequest
from api.views.jobs import JobRow, find_job
from catalogue.channels import Channel, check_channels, find_channel
from catalogue.checks import (
    beyond_tested,
    check_prompt,
    check_variants,
    is_beyond_tested,
)
from catalogue.issues import Issues
from catalogue.naming import name_files, tell_renamed
from catalogue.prompts.glossary import Glossary
from catalogue.prompts.writer import TitleUse, cut_off_warning
from catalogue.skipping import SkippedRow, skip_bad_rows
from catalogue.validate import check_parameters, seed_of, validate
from core.db.models import Batch
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ImageSpec
from core.domain.photograph_spec import PROMPTED, ImageMode
from core.domain.seeds import SeedRule
from core.domain.states import CacheOutcome
from core.glossary import read_glossary
from core.lifecycle.deadlines import with_deadline
from core.lifecycle.quota import check_quota, room_for
from core.lifecycle.submission import Submission, submit
from core.webhooks.endpoints import require_callback_secret


@dataclass(frozen=True, kw_only=True)
class CheckedSheet:
    """What a sheet asks for, and what is to be said of it."""

    wanted: Sequence[ImageRequest]
    columns: Sequence[str]
    warnings: Sequence[Mapping[str, Any]]
    """What is accepted but looks wrong: `{line, column, message}`."""
    notes: Sequence[Mapping[str, Any]]
    """What is right and good to know, in the same form."""
    issues: Issues
    """What is wrong: with any of it, nothing is submitted."""
    skipped: Sequence[SkippedRow] = ()
    """Bad rows that were left out, because the request says so."""
    titles: Mapping[int, TitleUse]
    """What prompts have of their rows' titles, by line."""
    translated: Set[int]
    """Lines of rows of whose prompts the glossary replaced words."""


def check_sheet(
    session: Session, models: Models, context: RequestContext, request: SheetRequest
) -> CheckedSheet:
    """Check a sheet whole.

    Raises:
        InvalidSheetError: It asks for too many images, or its templates take too long.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
    """
    check_callback(session, context)
    fields = request.fields
    misplaced = Issues()
    check_fields(fields, misplaced)
    if mode_of(fields) is ImageMode.TEXT:
        glossary = Glossary(read_glossary(session, context.tenant).entries)
        order, issues = validate(request.sheet, fields.parameters(), models, glossary=glossary)
    elif mode_of(fields) in PROMPTED:
        order, issues = check_prompted_sheet(session, models, context, request)
    else:
        order, issues = check_photograph_sheet(session, context, request)
    issues.extend(misplaced)
    channels = _channels(fields)
    check_channels(order.wanted, channels, issues)
    wanted = order.wanted
    skipped: Sequence[SkippedRow] = ()
    if fields.on_error is OnError.SKIP:
        # Before names are given: bad rows take none.
        wanted, skipped, issues = skip_bad_rows(request.sheet, wanted, issues)
    named = name_files(wanted, channels, fields.file_name, issues)
    # A template's names are its own.
    renamed = tell_renamed(named) if fields.file_name is None else ()
    return CheckedSheet(
        wanted=[
            replace(one, approximate=context.approximate and one.spec.photograph is None)
            for one in named
        ],
        columns=order.columns,
        warnings=[*order.warnings, *(one.document() for one in renamed)],
        notes=order.notes,
        issues=issues,
        skipped=skipped,
        titles=order.titles,
        translated=order.translated,
    )


def submit_batch(
    session: Session, models: Models, context: RequestContext, request: SheetRequest
) -> tuple[Batch, Submission]:
    """Check a sheet and insert all of it.

    Args:
        session: An open transaction.
        models: What it is checked against.
        context: Whose it is, and what it wants of the caches.
        request: The sheet, and what was sent with it.

    Raises:
        InvalidSheetError: naming every bad cell; nothing was inserted.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
        TooManyQueuedError: The key would have too many images waiting.
    """
    checked, fields = check_sheet(session, models, context, request), request.fields
    checked.issues.raise_if_any()
    batch = Batch(
        tenant=context.tenant,
        name=request.name,
        lane=fields.lane,
        columns=list(checked.columns),
        warnings=[
            *map(dict, checked.warnings),
            *({**note, "note": True} for note in checked.notes),
            *(one.document() for one in checked.skipped),
        ],
        reading=request.sheet.reading.document(),
        recipe=request.recipe,
        callback_url=context.callback_url,
        total_jobs=0,
        open_jobs=0,
    )
    wanted = with_deadline(session, checked.wanted, fields.deadline_seconds)
    with room_for(session, context.queued_images, adding=len(wanted)):
        submission = submit(
            session,
            wanted,
            tenant=context.tenant,
            lane=fields.lane,
            batch=batch,
            cache=context.cache,
            ttl_seconds=context.ttl_seconds,
            publishes=context.publishes,
            api_key_id=context.api_key_id,
            require_approval=bool(fields.require_approval),
        )
    # At last: other sheets with this header wait for its row until the end of the transaction.
    keep_mapping(session, context.tenant, request)
    return batch, submission


def submit_job(
    session: Session, models: Models, context: RequestContext, request: JobRequest
) -> tuple[JobRow, Submission]:
    """Check one request and insert its job.

    Args:
        session: An open transaction.
        models: What it is checked against.
        context: Whose it is, and what it wants of the caches.
        request: What it asks for.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
        TooManyQueuedError: The key has too many images waiting, and this one is not in store.
    """
    check_callback(session, context)
    wanted = wanted_image(session, models, context, request)
    submission = submit(
        session,
        with_deadline(session, [wanted], request.deadline_seconds),
        tenant=context.tenant,
        lane=request.lane,
        cache=context.cache,
        ttl_seconds=context.ttl_seconds,
        api_key_id=context.api_key_id,
        require_approval=bool(request.require_approval),
    )
    if CacheOutcome.EXACT not in submission.outcomes:
        check_quota(session, context.queued_images, added=1)
    return find_job(session, context.tenant, submission.job_ids[0]), submission


def wanted_image(
    session: Session, models: Models, context: RequestContext, request: JobRequest
) -> ImageRequest:
    """Return the one image that a request asks for, checked.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    issues = Issues()
    check_fields(request, issues)
    mode = mode_of(request)
    if mode is ImageMode.TEXT:
        issues.refuse_request()
        wanted = drawn_image(models.meant(request.model), context, request)
    elif mode is ImageMode.SCENE:
        bundle = models.meant(request.model, masked=bool(request.blend))
        background = drawn_image(bundle, context, without_size(request))
        wanted = scene_request(session, context, request, background, issues)
    elif mode is ImageMode.EDIT:
        bundle = models.meant(request.model, masked=request.mask is not None)
        drawn = drawn_image(bundle, context, request)
        wanted = edit_request(session, context, request, drawn, issues)
    else:
        wanted = photograph_request(session, context, request, issues)
    channels = _channels(request)
    check_channels([wanted], channels, issues)
    (named,) = name_files([wanted], channels, request.file_name, issues)
    issues.refuse_request()
    return named


def drawn_image(bundle: Bundle, context: RequestContext, request: JobRequest) -> ImageRequest:
    """Return an image that a model draws, checked.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    values, issues = check_parameters(request.parameters(), bundle.limits)
    _check_own(request, values, bundle, issues)
    issues.refuse_request()
    seed, prompt = seed_of(values["seed"], request.sku), (request.prompt or "").strip()
    return ImageRequest(
        spec=ImageSpec.of(values | {"prompt": prompt, "seed": seed}),
        model=bundle.made_by,
        variant=request.variant,
        sku=request.sku,
        warning=_warning(values, prompt, bundle),
        approximate=context.approximate,
        callback_url=context.callback_url,
    )


def check_callback(session: Session, context: RequestContext) -> None:
    """Check that the end of a request can be told.

    Raises:
        ConflictError: It has a callback, and the tenant no secret to sign it with.
    """
    if context.callback_url is not None:
        require_callback_secret(session, context.tenant)


def _channels(fields: Fields) -> Sequence[Channel]:
    """Return the channels that a request names; they were found when it was read."""
    return [find_channel(name) for name in fields.channels or ()]


def _check_own(
    request: JobRequest, values: Mapping[str, Any], bundle: Bundle, issues: Issues
) -> None:
    reasons: Mapping[str, Any] = {
        "prompt": "It is required." if request.prompt is None else check_prompt(request.prompt),
        "variant": check_variants(request.variant, bundle.limits),
        "seed": _check_seed(values["seed"], request.sku),
    }
    for column, reason in reasons.items():
        if reason:
            issues.add(reason, column=column)


def _check_seed(seed: int | SeedRule | None, sku: str) -> str | None:
    if seed is SeedRule.PER_SKU and not sku:
        return "`per_sku` takes the seed from the SKU: give the request a `sku`."
    return None


def _warning(values: Mapping[str, Any], prompt: str, bundle: Bundle) -> str | None:
    """Return what looks wrong with an image that is accepted."""
    found = []
    if is_beyond_tested(values["width"], values["height"], bundle.limits):
        found.append(f"The image has {beyond_tested(bundle.limits)}.")
    cut = bundle.tokens.cut_off([prompt]).get(prompt) if bundle.tokens else None
    if bundle.tokens and cut is not None:
        found.append(cut_off_warning(cut, bundle.tokens.limit))
    return " ".join(found) or None
