"""Requests in: checked, stored, and handed on as ids of work to be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session

from api.bundle import Bundle
from api.schemas import BatchFields, JobRequest
from catalogue.checks import check_prompt, check_variants
from catalogue.issues import Issues
from catalogue.order import check_parameters, make_order
from catalogue.prompts import cut_off_warning
from catalogue.sheet import Sheet
from core.errors import InvalidRequestError
from core.lifecycle.submission import Submission, Wanted, submit
from core.models import Batch


@dataclass(frozen=True, kw_only=True)
class AcceptedBatch:
    """A sheet whose jobs are in the transaction."""

    batch: Batch
    submission: Submission


def accept_batch(
    session: Session, bundle: Bundle, tenant: str, sheet: Sheet, fields: BatchFields, name: str
) -> AcceptedBatch:
    """Check a sheet and insert all of it.

    Raises:
        InvalidSheetError: naming every bad cell; nothing was inserted.
    """
    order = make_order(sheet, fields.parameters(), bundle.limits, bundle.tokens)
    batch = Batch(
        tenant=tenant,
        name=fields.name or name,
        lane=fields.lane,
        columns=list(order.columns),
        warnings=[dict(warning) for warning in order.warnings],
        total_jobs=0,
        open_jobs=0,
    )
    submission = submit(
        session,
        _with_deadline(session, order.wanted, fields.deadline_seconds),
        tenant=tenant,
        lane=fields.lane,
        bundle_revision=bundle.manifest.revision,
        batch=batch,
    )
    return AcceptedBatch(batch=batch, submission=submission)


def accept_job(
    session: Session, bundle: Bundle, tenant: str, request: JobRequest
) -> tuple[UUID, Submission]:
    """Check one request and insert its job.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    values, issues = check_parameters(request.parameters(), bundle.limits)
    _check_own(request, bundle, issues)
    if len(issues):
        named = "; ".join(f"{issue.column}: {issue.message}" for issue in issues)
        raise InvalidRequestError(
            f"The request is not valid: {named}", errors=list(issues.documents())
        )
    wanted = Wanted(
        **{name: value for name, value in values.items() if name != "variants"},
        prompt=request.prompt.strip(),
        variant=request.variant,
        sku=request.sku,
        warning=_warning(request.prompt.strip(), bundle),
    )
    submission = submit(
        session,
        _with_deadline(session, [wanted], request.deadline_seconds),
        tenant=tenant,
        lane=request.lane,
        bundle_revision=bundle.manifest.revision,
    )
    return submission.job_ids[0], submission


def _check_own(request: JobRequest, bundle: Bundle, issues: Issues) -> None:
    reasons: Mapping[str, Any] = {
        "prompt": check_prompt(request.prompt),
        "variant": check_variants(request.variant, bundle.limits),
    }
    for column, reason in reasons.items():
        if reason:
            issues.add(reason, column=column)


def _warning(prompt: str, bundle: Bundle) -> str | None:
    if bundle.tokens is None:
        return None
    cut = bundle.tokens.cut_off([prompt]).get(prompt)
    return None if cut is None else cut_off_warning(cut, bundle.tokens.limit)


def _with_deadline(
    session: Session, wanted: Sequence[Wanted], seconds: float | None
) -> Sequence[Wanted]:
    """Add the moment until which the images are wanted, by Postgres's clock."""
    if seconds is None:
        return wanted
    now: datetime = session.execute(select(func.now())).scalar_one()
    deadline = now + timedelta(seconds=seconds)
    return [replace(one, deadline_at=deadline) for one in wanted]
