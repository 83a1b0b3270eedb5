"""What would become of a sheet: everything that accepting it does, except writing."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import Session

from api.models import Models
from api.schemas.photograph_check import PhotographCheck
from api.schemas.sheets import (
    ColumnProposal,
    Forecast,
    PreviewImage,
    RememberedColumns,
    RepeatedSku,
    SheetReading,
    SheetReport,
    SheetWarning,
    TitleChange,
    TitleSummary,
)
from api.submission.context import RequestContext
from api.submission.estimate import estimate
from api.submission.shared_images import list_shared
from api.submission.submit import CheckedSheet, check_sheet
from api.submission.upload import SheetRequest
from catalogue.prompts.writer import TitleUse
from catalogue.proposals import propose
from catalogue.sheets.model import Sheet, SheetSource
from core.db.connections import allow_long_statements
from core.domain.image_request import ImageRequest
from core.domain.states import CacheOutcome
from core.lifecycle.forecast import foresee

SHOWN_SKUS = 100
"""Repeated SKUs that are named."""
SHOWN_LINES = 10


def report(
    session: Session,
    models: Models,
    context: RequestContext,
    request: SheetRequest,
    *,
    home: Path,
    photographs: PhotographCheck | None = None,
) -> SheetReport:
    """Check a sheet, and say what would become of it. Nothing is stored, queued or counted.

    Args:
        session: An open transaction; it is only read in.
        models: What the sheet is checked against.
        context: Whose it is, and what it wants of the caches.
        request: The sheet, and what was sent with it.
        home: Where plans of machines are kept.
        photographs: What the addresses of its photographs gave; None: nobody asked.

    Raises:
        InvalidSheetError: The sheet asks for too many images, or its templates take too long.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
    """
    checked, sheet = check_sheet(session, models, context, request), request.sheet
    allow_long_statements(session)
    outcomes = _outcomes(session, context, checked.wanted)
    images = list(zip(checked.wanted, outcomes, strict=True))
    computed = [one for one, outcome in images if outcome is CacheOutcome.MISS]
    digests = [one.fingerprint() for one in checked.wanted]
    shared, shown = request.fields.shared, request.fields.preview
    return SheetReport(
        valid=not checked.issues,
        detected=SheetReading(**sheet.reading.document()),
        proposals=_proposals(sheet),
        remembered=_remembered(sheet),
        recipe=request.recipe,
        rows=len(sheet.rows),
        photographs=sum(bool(row.photograph) for row in sheet.rows),
        photograph_check=photographs,
        images=len(checked.wanted),
        equal_images=len(digests) - len(set(digests)),
        shared_images=list_shared(sheet, zip(checked.wanted, digests, strict=True), shown=shared),
        repeated_skus=_repeated(checked.wanted),
        titles=_titles(checked),
        forecast=_forecast(Counter(outcomes)),
        estimate=estimate(session, models, computed, home),
        preview=[
            _preview(one, digest, outcome, checked.titles.get(one.line or 0))
            for (one, outcome), digest in zip(images[:shown], digests, strict=False)
        ],
        skipped=[
            SheetWarning(line=one.line, column=None, message=one.reason) for one in checked.skipped
        ],
        errors=_warnings(checked.issues.documents()),
        errors_left_out=checked.issues.left_out,
        warnings=_warnings(checked.warnings),
        notes=_warnings(checked.notes),
    )


def _outcomes(
    session: Session, context: RequestContext, wanted: Sequence[ImageRequest]
) -> Sequence[CacheOutcome]:
    return foresee(
        session,
        wanted,
        tenant=context.tenant,
        cache=context.cache,
        ttl_seconds=context.ttl_seconds,
    )


def _forecast(served: Mapping[CacheOutcome, int]) -> Forecast:
    return Forecast(
        from_store=served[CacheOutcome.EXACT],
        shared=served[CacheOutcome.COALESCED],
        computed=served[CacheOutcome.MISS],
    )


def _remembered(sheet: Sheet) -> RememberedColumns | None:
    if sheet.remembered is None:
        return None
    return RememberedColumns(
        id=UUID(sheet.remembered.id),
        columns=dict(sheet.named),
        source=sheet.remembered.source,
        last_used_at=sheet.remembered.last_used_at,
    )


def _proposals(sheet: Sheet) -> list[ColumnProposal]:
    if sheet.reading.source is not SheetSource.PLAIN:
        return []
    return [
        ColumnProposal(
            field=one.field,
            column=one.column,
            confidence=one.confidence,
            sure=one.is_sure,
            used=one.is_used,
            reason=one.reason,
            examples=list(one.examples),
        )
        for one in propose(sheet)
    ]


def _repeated(wanted: Sequence[ImageRequest]) -> list[RepeatedSku]:
    lines: Mapping[str, list[int]] = defaultdict(list)
    for one in wanted:
        if one.variant == 1 and one.line is not None:
            lines[one.sku].append(one.line)
    repeated = [(sku, found) for sku, found in lines.items() if len(found) > 1]
    return [
        RepeatedSku(sku=sku, lines=found[:SHOWN_LINES], rows=len(found))
        for sku, found in repeated[:SHOWN_SKUS]
    ]


def _titles(checked: CheckedSheet) -> TitleSummary:
    lines = {one.line for one in checked.wanted}
    titles = [title for line, title in checked.titles.items() if line in lines]
    return TitleSummary(
        used=len(titles),
        changed=sum(title.written != title.used for title in titles),
        translated=len(checked.translated & lines),
    )


def _preview(
    wanted: ImageRequest, digest: str, outcome: CacheOutcome, title: TitleUse | None
) -> PreviewImage:
    return PreviewImage(
        **wanted.decided(digest).document(),
        line=wanted.line,
        sku=wanted.sku,
        variant=wanted.variant,
        files=wanted.files,
        model=wanted.model.name,
        revision=wanted.model.revision,
        cache=outcome,
        title=TitleChange(written=title.written, used=title.used) if title else None,
        warning=wanted.warning,
    )


def _warnings(documents: Sequence[Mapping[str, Any]]) -> list[SheetWarning]:
    return [SheetWarning(**document) for document in documents]
