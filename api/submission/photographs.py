"""Requests for images of photographs: what they name is found, checked, and said in one way."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlmodel import Session

from api.schemas.requests import JobRequest
from api.submission.channel_sizes import shown_lines, warn_of_channels
from api.submission.context import RequestContext
from api.submission.modes import mode_of
from api.submission.upload import SheetRequest
from catalogue.alt_texts import alt_text_of, columns_of_look
from catalogue.finishes import read_finish
from catalogue.issues import Issues
from catalogue.photograph_rows import NamedPhotograph, read_photograph_rows
from catalogue.validate import ValidatedSheet
from core.domain.image_request import ImageRequest, ModelRevision
from core.domain.image_spec import ImageSpec
from core.domain.photograph_spec import (
    CUTOUT_NAME,
    CUTOUT_REVISION,
    PhotographSpec,
    is_digest,
)
from core.errors import ForbiddenUrlError
from core.sources import addresses, rows

MADE_BY = ModelRevision(name=CUTOUT_NAME, revision=CUTOUT_REVISION)
"""Stands for the model of images that have none."""

NO_SUCH = "There is no source {} here: it was deleted, or its time was over. Send the file again."


class NamedPhotographs:
    """Finds the photographs that a request names: each once, in few queries."""

    def __init__(
        self,
        session: Session,
        context: RequestContext,
        named: Iterable[UUID | str],
        *,
        may_be_coming: bool = False,
    ) -> None:
        """Look them up; those that are in store count as used.

        Args:
            session: An open transaction.
            context: Whose they are.
            named: Ids, digests and addresses.
            may_be_coming: Whether what is named by a digest need not be there yet.
        """
        everything = set(named)
        ids = {one for one in everything if isinstance(one, UUID)}
        texts = {one for one in everything if isinstance(one, str)}
        digests = set(filter(is_digest, texts))
        self._said: dict[UUID | str, str] = {}
        self._said.update(rows.use_some(session, context.tenant, ids).items())
        there = rows.present(session, context.tenant, digests)
        self._said |= {one: one for one in (digests if may_be_coming else there)}
        missing = (ids | digests) - self._said.keys()
        self._wrong: dict[UUID | str, str] = {one: NO_SUCH.format(one) for one in missing}
        self._judge(session, context, texts - digests)

    def _judge(self, session: Session, context: RequestContext, urls: Iterable[str]) -> None:
        plain: dict[str, str] = {}
        for one in urls:
            try:
                plain[one] = context.egress.judge(one).url
            except ForbiddenUrlError as error:
                self._wrong[one] = error.detail
        known = addresses.fresh(session, context.tenant, set(plain.values()))
        self._said |= {one: known.get(url, url) for one, url in plain.items()}

    def wrong(self, named: UUID | str) -> str | None:
        """Return why a photograph cannot be used; None: nothing is known against it."""
        return self._wrong.get(named)

    def __getitem__(self, named: UUID | str) -> str:
        """Return what the spec says: the digest, else the address that has to be asked."""
        return self._said[named]


def photograph_request(
    session: Session, context: RequestContext, request: JobRequest, issues: Issues
) -> ImageRequest:
    """Return the one cut-out that a request asks for, checked.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    photograph, width, height = find_photograph(session, context, request, issues)
    return ImageRequest(
        spec=ImageSpec.cutout(photograph, width=width, height=height),
        model=MADE_BY,
        sku=request.sku,
        callback_url=context.callback_url,
    )


def find_photograph(
    session: Session, context: RequestContext, request: JobRequest, issues: Issues
) -> tuple[PhotographSpec, int, int]:
    """Return what a request wants of its photograph, and the canvas's width and height, checked.

    Args:
        session: An open transaction.
        context: Whose it is.
        request: Of a mode that takes a photograph.
        issues: What is known to be wrong.

    Raises:
        InvalidRequestError: naming every value that cannot be used.
    """
    wanted, width, height = read_finish(request.model_dump(), issues, mode_of(request))
    if request.source is None:
        issues.add(
            "Name the photograph: the id of a source (POST /v1/sources), or an address.",
            column="source",
        )
    given = {"source": request.source, "mask": request.mask}
    named = {column: _named(text) for column, text in given.items() if text is not None}
    found = NamedPhotographs(session, context, named.values())
    for column, one in named.items():
        if reason := found.wrong(one):
            issues.add(reason, column=column)
    issues.refuse_request()
    mask = found[named["mask"]] if "mask" in named else None
    return replace(wanted, source=found[named["source"]], mask=mask), width, height


def check_photograph_sheet(
    session: Session, context: RequestContext, request: SheetRequest
) -> tuple[ValidatedSheet, Issues]:
    """Check a sheet whose photographs become images, whole.

    Args:
        session: An open transaction.
        context: Whose it is.
        request: Of a mode that takes photographs.

    Returns:
        The images of good rows, and everything that is wrong.
    """
    letters = request.sheet.issues.letters
    issues, warnings = Issues(letters=letters), Issues(letters=letters)
    wanted, width, height = read_finish(request.fields.model_dump(), issues)
    good = read_photograph_rows(request.sheet, sent_for(request), issues)
    found = find_named(session, context, request, good)
    shown = columns_of_look(request.sheet.columns, request.sheet.reading.columns)
    images = []
    for one in good:
        photograph = photograph_of(one, wanted, found, issues)
        if photograph is None:
            continue
        images.append(
            ImageRequest(
                spec=ImageSpec.cutout(photograph, width=width, height=height),
                model=MADE_BY,
                sku=one.sku,
                line=one.row.line,
                row=dict(one.row.cells),
                alt_text=alt_text_of(one.row, shown),
            )
        )
    warnings.extend(request.sheet.warnings)
    warn_of_small(session, context, images, warnings)
    warn_of_channels(session, context.tenant, images, request.fields.channels or (), warnings)
    checked = ValidatedSheet(
        columns=request.sheet.columns,
        wanted=images,
        warnings=list(warnings.documents()),
        notes=[one.document() for one in request.sheet.notes],
    )
    return checked, issues


def sent_for(request: SheetRequest) -> dict[int, UUID | str]:
    """Return the sources that a request names beside its sheet, by the lines of rows."""
    return {line: _named(one) for line, one in (request.fields.photographs or {}).items()}


def find_named(
    session: Session,
    context: RequestContext,
    request: SheetRequest,
    rows: Iterable[NamedPhotograph],
) -> NamedPhotographs:
    """Look up all photographs of a sheet; a dry run may name what is not sent yet."""
    return NamedPhotographs(session, context, _named_by(rows), may_be_coming=request.fields.dry_run)


def warn_of_small(
    session: Session, context: RequestContext, images: Sequence[ImageRequest], warnings: Issues
) -> None:
    """Note the photographs in store that have too few pixels for what is wanted of them."""
    asked = [one.spec.photograph for one in images if one.spec.photograph]
    named = {shown.source for shown in asked if not shown.enlarge}
    known = rows.sizes(session, context.tenant, {one for one in named if is_digest(one)})
    small = [one for one in images if _is_small(one.spec, known)]
    if small:
        lines = shown_lines([one.line for one in small])
        count = "1 photograph has" if len(small) == 1 else f"{len(small):,} photographs have"
        warnings.add(
            f"{count} fewer pixels than products are to take of the image, so these come out "
            f"smaller than wanted: lines {lines}. Send larger ones, ask "
            "for a smaller `width` and `height`, or have them enlarged (`enlarge`).",
            line=small[0].line,
            column="image",
        )


def _is_small(spec: ImageSpec, sizes: Mapping[str, tuple[int, int]]) -> bool:
    """Return whether a photograph of a known size has too few pixels for what is wanted of it."""
    shown = spec.photograph
    if shown is None or shown.source not in sizes:
        return False
    return max(sizes[shown.source]) < shown.fill * min(spec.width, spec.height)


def _named_by(good: Iterable[NamedPhotograph]) -> Iterable[UUID | str]:
    for one in good:
        yield one.photograph
        if one.mask is not None:
            yield one.mask


def photograph_of(
    one: NamedPhotograph, wanted: PhotographSpec, found: NamedPhotographs, issues: Issues
) -> PhotographSpec | None:
    """Return what is wanted of a row's photograph; None: it cannot be used, which is noted."""
    for column, named in (("image", one.photograph), ("mask", one.mask)):
        if named is not None and (reason := found.wrong(named)):
            issues.add(reason, line=one.row.line, column=column)
            return None
    mask = None if one.mask is None else found[one.mask]
    return replace(wanted, source=found[one.photograph], mask=mask)


def _named(text: str) -> UUID | str:
    try:
        return UUID(text)
    except ValueError:
        return text
