"""Requests in: checked, stored, and handed on as ids of work to be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session

from api.bundle import Bundle
from api.reading import JobRow, find_job
from api.schemas import BatchFields, Fields, JobRequest
from catalogue.channels import Channel, find_channel
from catalogue.checks import check_prompt, check_variants
from catalogue.issues import Issues
from catalogue.naming import name_files, tell_renamed
from catalogue.prompts.writer import cut_off_warning
from catalogue.sheets.model import Sheet
from catalogue.validate import check_parameters, seed_of, validate
from core.db.models import ApiKey, Batch
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ImageSpec
from core.domain.seeds import SeedRule
from core.domain.states import CacheOutcome
from core.egress.policy import EgressPolicy
from core.errors import InvalidRequestError
from core.lifecycle.quota import check_quota, room_for
from core.lifecycle.submission import Submission, submit
from core.settings import Settings
from core.webhooks.endpoints import require_callback_secret


@dataclass(frozen=True, kw_only=True)
class AcceptedBatch:
    """A sheet whose jobs are in the transaction."""

    batch: Batch
    submission: Submission


@dataclass(frozen=True, kw_only=True)
class AcceptedJob:
    """A request whose job is in the transaction."""

    row: JobRow
    submission: Submission


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Whose a request is, and what it wants of the caches."""

    tenant: str
    cache: CacheMode
    approximate: bool
    """Whether images may begin with a near prompt's latents."""
    ttl_seconds: float
    """The age from which a stored image answers no more."""
    publishes: int
    """New images whose messages the request sends itself, at most."""
    api_key_id: UUID
    queued_images: int
    """Most images of the key that wait or are computed; 0: no limit."""
    callback_url: str | None = None
    """Where its end is told; judged already."""


def terms_of(fields: Fields, key: ApiKey, settings: Settings, egress: EgressPolicy) -> Terms:
    """Put together what request, key and settings say: who is asked first decides.

    Raises:
        ForbiddenUrlError: The request's `callback_url` may not be called.
    """
    return Terms(
        tenant=key.tenant,
        cache=fields.cache or key.cache or settings.cache,
        approximate=agrees(fields.approximate, key, settings),
        ttl_seconds=settings.result_ttl_seconds,
        publishes=settings.queue_window,
        api_key_id=key.id,
        queued_images=queued_limit(key, settings),
        callback_url=egress.judge(fields.callback_url).url if fields.callback_url else None,
    )


def accept_batch(
    session: Session,
    bundle: Bundle,
    terms: Terms,
    sheet: Sheet,
    fields: BatchFields,
    *,
    name: str,
    recipe: str | None = None,
) -> AcceptedBatch:
    """Check a sheet and insert all of it.

    Args:
        session: An open transaction.
        bundle: What it is checked against.
        terms: Whose it is, and what it wants of the caches.
        sheet: As it was read.
        fields: What the request says, its recipe included.
        name: The file's, where the request gives none.
        recipe: The recipe's `name@version`.

    Raises:
        InvalidSheetError: naming every bad cell; nothing was inserted.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
    """
    check_callback(session, terms)
    order, issues = validate(sheet, fields.parameters(), bundle.limits, bundle.tokens)
    wanted = name_files(order.wanted, channels_of(fields), fields.file_name, issues)
    issues.raise_if_any()
    batch = Batch(
        tenant=terms.tenant,
        name=fields.name or name,
        lane=fields.lane,
        columns=list(order.columns),
        warnings=[
            *map(dict, order.warnings),
            *renamed(wanted, fields),
            *({**note, "note": True} for note in order.notes),
        ],
        reading=sheet.reading.document(),
        recipe=recipe,
        callback_url=terms.callback_url,
        total_jobs=0,
        open_jobs=0,
    )
    with room_for(session, terms.api_key_id, adding=len(wanted), limit=terms.queued_images):
        submission = submit(
            session,
            _with_deadline(
                session,
                [replace(one, approximate=terms.approximate) for one in wanted],
                fields.deadline_seconds,
            ),
            tenant=terms.tenant,
            lane=fields.lane,
            bundle_revision=bundle.manifest.revision,
            batch=batch,
            cache=terms.cache,
            ttl_seconds=terms.ttl_seconds,
            publishes=terms.publishes,
            api_key_id=terms.api_key_id,
        )
    return AcceptedBatch(batch=batch, submission=submission)


def accept_job(session: Session, bundle: Bundle, terms: Terms, request: JobRequest) -> AcceptedJob:
    """Check one request and insert its job.

    Args:
        session: An open transaction.
        bundle: What it is checked against.
        terms: Whose it is, and what it wants of the caches.
        request: What it asks for.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
        TooManyQueuedError: The key has too many images waiting, and this one is not in store.
    """
    check_callback(session, terms)
    values, issues = check_parameters(request.parameters(), bundle.limits)
    _check_own(request, values, bundle, issues)
    _refuse_if_any(issues)
    seed, prompt = seed_of(values["seed"], request.sku), request.prompt.strip()
    wanted = ImageRequest(
        spec=ImageSpec.of(values | {"prompt": prompt, "seed": seed}),
        variant=request.variant,
        sku=request.sku,
        warning=_warning(prompt, bundle),
        approximate=terms.approximate,
        callback_url=terms.callback_url,
        reads=bundle.limits.reads,
    )
    (wanted,) = name_files([wanted], channels_of(request), request.file_name, issues)
    _refuse_if_any(issues)
    (wanted,) = _with_deadline(session, [wanted], request.deadline_seconds)
    submission = submit(
        session,
        [wanted],
        tenant=terms.tenant,
        lane=request.lane,
        bundle_revision=bundle.manifest.revision,
        cache=terms.cache,
        ttl_seconds=terms.ttl_seconds,
        api_key_id=terms.api_key_id,
    )
    if CacheOutcome.EXACT not in submission.outcomes:
        check_quota(session, terms.api_key_id, added=1, limit=terms.queued_images)
    row = find_job(session, terms.tenant, submission.job_ids[0])
    return AcceptedJob(row=row, submission=submission)


def check_callback(session: Session, terms: Terms) -> None:
    """Look whether the request's callback can be signed.

    Raises:
        ConflictError: The tenant has no secret for that yet.
    """
    if terms.callback_url is not None:
        require_callback_secret(session, terms.tenant)


def queued_limit(key: ApiKey, settings: Settings) -> int:
    """Give the most images of a key that wait or are computed; 0: no limit."""
    return settings.queued_images if key.queued_images is None else key.queued_images


def agrees(asked: bool | None, key: ApiKey, settings: Settings) -> bool:
    """Tell whether images may begin with a near prompt's latents: who is asked first decides."""
    if not settings.approximate_budget_bytes:
        return False
    said = (one for one in (asked, key.approximate) if one is not None)
    return next(said, settings.approximate)


def renamed(wanted: Sequence[ImageRequest], fields: Fields) -> Sequence[dict[str, Any]]:
    """Return the warnings of SKUs that files' names cannot hold; a template's names are its own."""
    if fields.file_name is not None:
        return []
    return [issue.document() for issue in tell_renamed(wanted)]


def channels_of(fields: Fields) -> Sequence[Channel]:
    """Give the channels that a request names; they were found when it was read."""
    return [find_channel(name) for name in fields.channels or ()]


def _refuse_if_any(issues: Issues) -> None:
    if len(issues):
        named = "; ".join(f"{issue.column}: {issue.message}" for issue in issues)
        raise InvalidRequestError(
            f"The request is not valid: {named}", errors=list(issues.documents())
        )


def _check_own(
    request: JobRequest, values: Mapping[str, Any], bundle: Bundle, issues: Issues
) -> None:
    reasons: Mapping[str, Any] = {
        "prompt": check_prompt(request.prompt),
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


def _warning(prompt: str, bundle: Bundle) -> str | None:
    if bundle.tokens is None:
        return None
    cut = bundle.tokens.cut_off([prompt]).get(prompt)
    return None if cut is None else cut_off_warning(cut, bundle.tokens.limit)


def _with_deadline(
    session: Session, wanted: Sequence[ImageRequest], seconds: float | None
) -> Sequence[ImageRequest]:
    """Add the moment until which the images are wanted, by Postgres's clock."""
    if seconds is None:
        return wanted
    now: datetime = session.execute(select(func.now())).scalar_one()
    deadline = now + timedelta(seconds=seconds)
    return [replace(one, deadline_at=deadline) for one in wanted]
