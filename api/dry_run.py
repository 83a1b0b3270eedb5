"""What would become of a sheet: everything that accepting it does, except writing."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from api.acceptance import Terms, channels_of
from api.bundle import Bundle
from api.schemas import BatchFields
from api.sheet_schemas import (
    Estimate,
    Forecast,
    PreviewImage,
    RepeatedSku,
    SheetReading,
    SheetReport,
    SheetWarning,
)
from catalogue.naming import name_files
from catalogue.order import examine
from catalogue.sheet import Sheet
from core.lifecycle.forecast import FEWEST, foresee, recent_speed, work
from core.lifecycle.submission import Wanted
from core.models import ImageParameters
from core.states import CacheOutcome

SHOWN_SKUS = 100
"""Repeated SKUs that are named."""
SHOWN_LINES = 10


def report(
    session: Session,
    bundle: Bundle,
    terms: Terms,
    sheet: Sheet,
    fields: BatchFields,
    *,
    recipe: str | None = None,
) -> SheetReport:
    """Check a sheet, and say what would become of it. Nothing is stored, queued or counted.

    Args:
        session: An open transaction; it is only read in.
        bundle: What the sheet is checked against.
        terms: Whose it is, and what it wants of the caches.
        sheet: As it was read.
        fields: What the request says, its recipe included.
        recipe: The recipe's `name@version`, to be told.

    Raises:
        InvalidSheetError: The sheet asks for too many images, or its templates take too long.
    """
    order, issues = examine(sheet, fields.parameters(), bundle.limits, bundle.tokens)
    named = name_files(order.wanted, channels_of(fields), fields.file_name, issues)
    wanted = [replace(one, approximate=terms.approximate) for one in named]
    revision = bundle.manifest.revision
    outcomes = foresee(
        session,
        wanted,
        tenant=terms.tenant,
        bundle_revision=revision,
        cache=terms.cache,
        ttl_seconds=terms.ttl_seconds,
    )
    served = Counter(outcomes)
    digests = [one.fingerprint(revision) for one in wanted]
    return SheetReport(
        valid=not issues,
        detected=SheetReading(**sheet.reading.document()),
        recipe=recipe,
        rows=len(sheet.rows),
        images=len(wanted),
        equal_images=len(digests) - len(set(digests)),
        repeated_skus=_repeated(wanted),
        forecast=Forecast(
            from_store=served[CacheOutcome.EXACT],
            shared=served[CacheOutcome.COALESCED],
            computed=served[CacheOutcome.MISS],
        ),
        estimate=estimate(
            session,
            bundle,
            [
                one
                for one, outcome in zip(wanted, outcomes, strict=True)
                if outcome is CacheOutcome.MISS
            ],
        ),
        preview=[
            _preview(one, digest, outcome)
            for one, digest, outcome in zip(
                wanted[: fields.preview], digests, outcomes, strict=False
            )
        ],
        errors=_warnings(issues.documents()),
        errors_left_out=issues.left_out,
        warnings=_warnings(order.warnings),
    )


def estimate(session: Session, bundle: Bundle, wanted: Sequence[Wanted]) -> Estimate:
    """Tell how long images would take: as the newest images took.

    Args:
        session: An open transaction; it is only read in.
        bundle: The model that makes them.
        wanted: Those that would be computed.
    """
    recent = recent_speed(session, bundle.manifest.revision)
    if recent is None:
        return Estimate(
            seconds=None,
            images_per_minute=None,
            basis="The speed of this model is not known yet: ask again when "
            f"{FEWEST} images were made.",
        )
    seconds = sum(map(work, wanted)) / recent.work_per_second
    return Estimate(
        seconds=round(seconds, 1),
        images_per_minute=round(60 * len(wanted) / seconds, 1) if seconds else None,
        basis=f"As all workers together made the last {recent.images} images of this model.",
    )


def _repeated(wanted: Sequence[Wanted]) -> list[RepeatedSku]:
    lines: Mapping[str, list[int]] = defaultdict(list)
    for one in wanted:
        if one.variant == 1 and one.line is not None:
            lines[one.sku].append(one.line)
    repeated = [(sku, found) for sku, found in lines.items() if len(found) > 1]
    return [
        RepeatedSku(sku=sku, lines=found[:SHOWN_LINES], rows=len(found))
        for sku, found in repeated[:SHOWN_SKUS]
    ]


def _preview(wanted: Wanted, digest: str, outcome: CacheOutcome) -> PreviewImage:
    parameters = wanted.parameters(digest)
    values: dict[str, Any] = {name: parameters[name] for name in ImageParameters.model_fields}
    return PreviewImage(
        **values,
        line=wanted.line,
        sku=wanted.sku,
        variant=wanted.variant,
        files=wanted.files,
        cache=outcome,
        warning=wanted.warning,
    )


def _warnings(documents: Sequence[Mapping[str, Any]]) -> list[SheetWarning]:
    return [SheetWarning(**document) for document in documents]
