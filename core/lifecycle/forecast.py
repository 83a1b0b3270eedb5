"""What would become of wanted images: the same look-ups as a submission's, and nothing written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from core.db.models import Generation, Image
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest, ModelRevision
from core.domain.image_spec import ImageSpec, ModelInput, guided_steps
from core.domain.photograph_spec import ImageMode
from core.domain.schedulers import steps_over
from core.domain.states import CacheOutcome
from core.lifecycle.deduplication import FOR_EVER, find_stored, in_flight

RECENT = 200
"""Images that the speed of the workers is taken from."""
FEWEST = 10
"""Images of the bundle among them that say something about it."""


def foresee(
    session: Session,
    wanted: Sequence[ImageRequest],
    *,
    tenant: str,
    cache: CacheMode = CacheMode.USE,
    ttl_seconds: float = FOR_EVER,
) -> Sequence[CacheOutcome]:
    """Foresee what would serve each image, in the order of the wanted images.

    Takes no locks: what is in store now may be gone when the sheet is really sent.
    """
    names = [_names(one, cache) for one in wanted]
    if cache is CacheMode.BYPASS:
        return [CacheOutcome.MISS] * len(names)
    everything = {digest for digests in names for digest in digests}
    stored: Mapping[str, object] = {}
    if cache is CacheMode.USE:
        stored = find_stored(session, tenant, everything, ttl_seconds=ttl_seconds, lock=False)
    coming = in_flight(session, tenant, everything)
    outcomes = []
    for digests in names:
        if any(digest in stored for digest in digests):
            outcomes.append(CacheOutcome.EXACT)
            continue
        # The next one of the sheet that wants the same joins this one.
        joins = any(digest in coming for digest in digests)
        outcomes.append(CacheOutcome.COALESCED if joins else CacheOutcome.MISS)
        coming.add(digests[-1])
    return outcomes


def _names(wanted: ImageRequest, cache: CacheMode) -> Sequence[str]:
    """Return what an image is found by; the last is what equal ones of a sheet share."""
    exact = wanted.fingerprint()
    if cache is CacheMode.USE and wanted.approximate:
        return exact, wanted.approximate_fingerprint()
    return (exact,)


def work(spec: ImageSpec, reads: ModelInput) -> float:
    """Measure an image's computing by a model that reads so much: UNet rows times pixels.

    Of a cut-out it is its pixels, of a scene its background's computing, of an edit what is drawn
    over its photograph.
    """
    if spec.mode is ImageMode.CUTOUT:
        return float(spec.width * spec.height)
    if spec.mode is ImageMode.EDIT:
        return work_over(spec, reads)
    return _drawing(spec.drawn, spec.steps, reads)


def work_over(spec: ImageSpec, reads: ModelInput) -> float:
    """Measure what is drawn over a picture for an image, as `work` does; 0: nothing is."""
    strength = spec.photograph.strength if spec.photograph else 0.0
    return _drawing(spec.drawn, steps_over(spec.steps, strength), reads)


def _drawing(drawn: ImageSpec, steps: int, reads: ModelInput) -> float:
    rows = steps
    if drawn.guided and not reads.embeds_guidance:
        rows += guided_steps(steps, drawn.guidance_interval)
    return float(rows * drawn.width * drawn.height)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How quickly images were made lately."""

    work_per_second: float
    images: int
    """From how many that is known."""


def recent_speed(session: Session, model: ModelRevision) -> Speed | None:
    """Measure how quickly all workers together made the newest images; None when too few are known.

    By the clock, whatever was computed at the same time: an image's seconds of computing are its
    share of calls, of which other streams and workers make others meanwhile. Times when nothing
    was made do not count.
    """
    # One more, whose end is where the others' time begins.
    newest = select(col(Image.generation_id)).order_by(col(Image.id).desc()).limit(RECENT + 1)
    found = session.execute(select(Generation).where(col(Generation.id).in_(newest))).scalars()
    ended = sorted(
        (
            (one.finished_at, one.started_at, one)
            for one in found
            if one.started_at and one.finished_at
        ),
        key=lambda times: times[0],
    )
    edge = ended.pop(0)[0] if len(ended) > RECENT else None
    made = [
        (began, end, work(one.spec, model.reads))
        for end, began, one in ended
        if _took_its_work(one, model)
    ]
    busy = _busy_seconds(((began, end) for began, end, _ in made), edge)
    if len(made) < FEWEST or busy <= 0:
        return None
    return Speed(work_per_second=sum(one for *_, one in made) / busy, images=len(made))


def _took_its_work(one: Generation, model: ModelRevision) -> bool:
    """Check whether an image is a model's, and was computed whole.

    What began with another's latents took less than its steps, and so did a scene whose
    background was there.
    """
    return (
        one.bundle_revision == model.revision
        and one.approximation is None
        and one.mode is not ImageMode.SCENE
    )


def _busy_seconds(
    spans: Iterable[tuple[datetime, datetime]], since: datetime | None = None
) -> float:
    """Measure the union of spans of time.

    Args:
        spans: Beginnings and ends.
        since: What was before counts as little as the images that ended before; None: all counts.
    """
    busy, until = 0.0, since
    for began, ended in sorted(spans):
        start = began if until is None else max(began, until)
        if ended > start:
            busy += (ended - start).total_seconds()
            until = ended
    return busy
