"""What would become of a sheet: everything that accepting it does, except writing."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import Session

from api.models import Bundle, Models
from api.schemas.photograph_check import PhotographCheck
from api.schemas.sheets import (
    ColumnProposal,
    Estimate,
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
from api.submission.photographs import MADE_BY
from api.submission.shared_images import list_shared
from api.submission.submit import CheckedSheet, check_sheet
from api.submission.upload import SheetRequest
from bundles.plan import newest_plan
from catalogue.prompts.writer import TitleUse
from catalogue.proposals import propose
from catalogue.sheets.model import Sheet, SheetSource
from core.db.connections import allow_long_statements
from core.domain.image_request import ImageRequest
from core.domain.photograph_spec import CUTOUT_NAME, ImageMode
from core.domain.states import CacheOutcome
from core.lifecycle.forecast import FEWEST, foresee, recent_speed, work, work_over

SHOWN_SKUS = 100
"""Repeated SKUs that are named."""
SHOWN_LINES = 10
PIXELS_PER_SECOND = 1500.0 * 1500.0
"""Of cut-outs, where nothing was measured yet."""


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
    outcomes = foresee(
        session,
        checked.wanted,
        tenant=context.tenant,
        cache=context.cache,
        ttl_seconds=context.ttl_seconds,
    )
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


def estimate(
    session: Session, models: Models, wanted: Sequence[ImageRequest], home: Path
) -> Estimate:
    """Estimate how long images take: by their model's measured plan, else by its recent images.

    Args:
        session: An open transaction; it is only read in.
        models: Those that make them.
        wanted: Those that would be computed.
        home: Where plans of machines are kept.
    """
    by_model: dict[str, list[ImageRequest]] = defaultdict(list)
    for one in wanted:
        by_model[one.model.name].append(one)
    speeds = {
        name: _speed_of_cutouts(session)
        if name == CUTOUT_NAME and _of_photographs(by_model[name])
        else _speed(session, models[name], home)
        for name in list(by_model) or [next(iter(models))]
    }
    basis = " ".join(
        f"{name}: {speed.basis}" if len(speeds) > 1 else speed.basis
        for name, speed in speeds.items()
    )
    seconds = 0.0
    for name, speed in speeds.items():
        if speed.work_per_second is None:
            return Estimate(seconds=None, images_per_minute=None, basis=basis)
        seconds += _work(by_model[name]) / speed.work_per_second
    if scenes := _scenes(wanted):
        seconds += _composing_seconds(session, scenes)
        basis += " Scenes with equal prompts and seeds share a background, which is counted once."
    return Estimate(
        seconds=round(seconds, 1),
        images_per_minute=round(60 * len(wanted) / seconds, 1) if seconds else None,
        basis=basis,
    )


@dataclass(frozen=True, kw_only=True)
class _Speed:
    """How quickly a model makes images, and how that is known."""

    work_per_second: float | None
    basis: str


def _speed(session: Session, bundle: Bundle, home: Path) -> _Speed:
    manifest, model = bundle.manifest, bundle.made_by
    plan = newest_plan(home.expanduser(), manifest.revision)
    if plan is not None and plan.images_per_minute > 0:
        spec = manifest.defaults.spec(prompt="", seed=0, width=plan.width, height=plan.height)
        return _Speed(
            work_per_second=work(spec, model.reads) * plan.images_per_minute / 60,
            basis=f"One worker with the plan that `packshot tune` measured on {plan.machine.cpu}: "
            f"{plan.images_per_minute:.1f} images a minute at {plan.width}x{plan.height} pixels "
            f"and {manifest.defaults.steps} steps.",
        )
    if recent := recent_speed(session, model):
        return _Speed(
            work_per_second=recent.work_per_second,
            basis=f"As all workers together made the last {recent.images} images of this model.",
        )
    return _Speed(
        work_per_second=None,
        basis="This machine's speed with this model is not known yet: run `packshot tune`, or "
        f"ask again when {FEWEST} images were made.",
    )


def _work(images: Sequence[ImageRequest]) -> float:
    """Measure what a model computes for images; what is drawn around a product is its own."""
    drawn = sum(work(one.spec, one.model.reads) for one in _drawn_once(images))
    return drawn + sum(work_over(one.spec, one.model.reads) for one in _scenes(images))


def _scenes(images: Sequence[ImageRequest]) -> list[ImageRequest]:
    return [one for one in images if one.spec.mode is ImageMode.SCENE]


def _of_photographs(images: Sequence[ImageRequest]) -> bool:
    """Check whether images are cut-outs, and not those of a model that is called like them."""
    return bool(images) and images[0].spec.mode is ImageMode.CUTOUT


def _drawn_once(images: Sequence[ImageRequest]) -> Sequence[ImageRequest]:
    """Return the images that a model draws: of scenes with equal backgrounds, the first alone."""
    backgrounds = {one.decided("").drawn: one for one in reversed(_scenes(images))}
    others = [one for one in images if one.spec.mode is not ImageMode.SCENE]
    return [*others, *backgrounds.values()]


def _composing_seconds(session: Session, scenes: Sequence[ImageRequest]) -> float:
    """Estimate how long products are cut out and put into their scenes, as cut-outs take."""
    known = recent_speed(session, MADE_BY)
    pixels = sum(one.spec.width * one.spec.height for one in scenes)
    return pixels / (known.work_per_second if known else PIXELS_PER_SECOND)


def _speed_of_cutouts(session: Session) -> _Speed:
    if recent := recent_speed(session, MADE_BY):
        return _Speed(
            work_per_second=recent.work_per_second,
            basis=f"As all workers together made the last {recent.images} cut-outs; fetching "
            "photographs may take longer.",
        )
    return _Speed(
        work_per_second=None,
        basis="How quickly this machine cuts products out is not known yet: ask again when "
        f"{FEWEST} were made. A cut-out of 1500 x 1500 pixels takes a core about a second.",
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
