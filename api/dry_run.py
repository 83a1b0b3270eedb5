"""What would become of a sheet: everything that accepting it does, except writing."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlmodel import Session

from api.acceptance import Terms, channels_of, check_callback, renamed
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
from bundles.plan import newest_plan
from catalogue.naming import name_files
from catalogue.sheets.model import Sheet
from catalogue.validate import validate
from core.domain.image_request import ImageRequest
from core.domain.states import CacheOutcome
from core.lifecycle.forecast import FEWEST, foresee, recent_speed, work

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
    home: Path,
    recipe: str | None = None,
) -> SheetReport:
    """Check a sheet, and say what would become of it. Nothing is stored, queued or counted.

    Args:
        session: An open transaction; it is only read in.
        bundle: What the sheet is checked against.
        terms: Whose it is, and what it wants of the caches.
        sheet: As it was read.
        fields: What the request says, its recipe included.
        home: Where plans of machines are kept.
        recipe: The recipe's `name@version`, to be told.

    Raises:
        InvalidSheetError: The sheet asks for too many images, or its templates take too long.
        ConflictError: It has a callback, and the tenant no secret to sign it with.
    """
    check_callback(session, terms)
    order, issues = validate(sheet, fields.parameters(), bundle.limits, bundle.tokens)
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
            home,
        ),
        preview=[
            _preview(one, digest, outcome)
            for one, digest, outcome in zip(
                wanted[: fields.preview], digests, outcomes, strict=False
            )
        ],
        errors=_warnings(issues.documents()),
        errors_left_out=issues.left_out,
        warnings=_warnings([*order.warnings, *renamed(wanted, fields)]),
        notes=_warnings(order.notes),
    )


def estimate(
    session: Session, bundle: Bundle, wanted: Sequence[ImageRequest], home: Path
) -> Estimate:
    """Tell how long images would take: by the machine's measured plan, else by recent images.

    Args:
        session: An open transaction; it is only read in.
        bundle: The model that makes them.
        wanted: Those that would be computed.
        home: Where plans of machines are kept.
    """
    manifest = bundle.manifest
    total = sum(work(one.spec) for one in wanted)
    plan = newest_plan(home.expanduser(), manifest.revision)
    if plan is not None and plan.images_per_minute > 0:
        spec = manifest.defaults.spec(prompt="", seed=0, width=plan.width, height=plan.height)
        speed = work(spec) * plan.images_per_minute / 60
        basis = (
            f"One worker with the plan that `packshot tune` measured on {plan.machine.cpu}: "
            f"{plan.images_per_minute:.1f} images a minute at {plan.width}x{plan.height} pixels "
            f"and {manifest.defaults.steps} steps."
        )
    elif recent := recent_speed(session, manifest.revision):
        speed = recent.work_per_second
        basis = f"As all workers together made the last {recent.images} images of this model."
    else:
        return Estimate(
            seconds=None,
            images_per_minute=None,
            basis="This machine's speed with this model is not known yet: run `packshot tune`, or "
            f"ask again when {FEWEST} images were made.",
        )
    seconds = total / speed
    return Estimate(
        seconds=round(seconds, 1),
        images_per_minute=round(60 * len(wanted) / seconds, 1) if seconds else None,
        basis=basis,
    )


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


def _preview(wanted: ImageRequest, digest: str, outcome: CacheOutcome) -> PreviewImage:
    return PreviewImage(
        **wanted.decided(digest).document(),
        line=wanted.line,
        sku=wanted.sku,
        variant=wanted.variant,
        files=wanted.files,
        cache=outcome,
        warning=wanted.warning,
    )


def _warnings(documents: Sequence[Mapping[str, Any]]) -> list[SheetWarning]:
    return [SheetWarning(**document) for document in documents]
