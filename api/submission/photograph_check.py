"""The addresses of a sheet's photographs, fetched because a dry run is to say what they give.

What comes is kept as when the sheet is sent: so the report knows sizes, and nothing is fetched
twice. No connection to Postgres is held while somebody's server is waited for.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated

from fastapi import Depends
from sqlmodel import Session

from api.dependencies import ServicesNow, Submitter
from api.schemas.photograph_check import PhotographCheck, PhotographFailure, PhotographSize
from api.services import Services
from api.submission.modes import mode_of
from api.submission.photographs import sent_for
from api.submission.upload import SheetRequest, Upload, read_request, receive_upload
from catalogue.issues import Issues
from catalogue.photograph_rows import name_photographs
from core.domain.photograph_spec import ImageMode, is_address
from core.egress.policy import EgressPolicy
from core.egress.politeness import HostRestsError
from core.errors import ForbiddenUrlError, InvalidRequestError, PackshotError
from core.sources import addresses, rows
from core.sources.fetcher import SourceFetcher

SECONDS = 30.0
"""For all addresses of a dry run."""
PHOTOGRAPH_SECONDS = 10.0
"""For one of them: a server that sends a byte a second is named, and keeps nobody else waiting."""
AT_ONCE = 8
"""Addresses that are asked at the same time, of one host as many as settings allow."""
SHOWN_LINES = 10

Lines = Mapping[str, Sequence[int]]
"""By an address, the lines of the rows that name it."""


@dataclass(kw_only=True)
class Fetched:
    """What became of addresses; the others gave a photograph."""

    failed: dict[str, PackshotError] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    """There was no time for them."""


def check_photographs(
    caller: Submitter, upload: Annotated[Upload, Depends(receive_upload)], services: ServicesNow
) -> PhotographCheck | None:
    """Fetch what a dry run shall, before its route's transaction begins; None: nothing.

    Raises:
        InvalidRequestError: The images use no photographs.
        InvalidSheetError: Nothing of the sheet can be read, or it is too large.
        BotoCoreError: S3 is away.
        ClientError: S3 refuses.
    """
    if not upload.may_name("check_photographs"):
        return None
    with services.database.session() as session:
        request = read_request(
            session,
            caller.tenant,
            upload,
            list(services.models),
            max_rows=services.settings.max_sheet_rows,
        )
    most = request.fields.check_photographs
    if not request.fields.dry_run or not most:
        return None
    if mode_of(request.fields) is ImageMode.TEXT:
        raise InvalidRequestError(
            "Images that are generated from text use no photographs, so there are none to check: "
            "ask for the mode `cutout`, `scene` or `edit`, or leave `check_photographs` out."
        )
    named = addresses_of(request, services.egress)
    with services.database.session() as session:
        valid = addresses.fresh(session, caller.tenant, named.keys())
    asked = list(islice((url for url in named if url not in valid), most))
    fetched = _fetch(services, asked, tenant=caller.tenant)
    with services.database.session() as session:
        return _report(session, caller.tenant, named, fetched, valid=len(valid), most=most)


def addresses_of(request: SheetRequest, egress: EgressPolicy) -> Lines:
    """Return the addresses of a sheet's photographs and masks that may be asked, plainly written.

    What is wrong with rows is told by whoever checks the sheet.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for line, one in name_photographs(request.sheet, sent_for(request), Issues()).items():
        for named in (one.photograph, one.mask):
            if isinstance(named, str) and is_address(named):
                with suppress(ForbiddenUrlError):
                    found[egress.judge(named).url].append(line)
    return found


def _fetch(services: Services, urls: Sequence[str], *, tenant: str) -> Fetched:
    if not urls:
        return Fetched()
    with SourceFetcher(
        database=services.database, store=services.sources, settings=services.settings
    ) as fetcher:
        return fetch_all(fetcher, urls, tenant=tenant)


def fetch_all(
    fetcher: SourceFetcher, urls: Sequence[str], *, tenant: str, seconds: float = SECONDS
) -> Fetched:
    """Fetch what is at addresses, several at a time, until the time is over.

    Args:
        fetcher: What asks, as politely as workers do.
        urls: Each once.
        tenant: Whose photographs they become.
        seconds: For all of them.

    Raises:
        BotoCoreError: S3 is away.
        ClientError: S3 refuses.
    """
    until = time.monotonic() + seconds
    found = Fetched()

    def fetch(url: str) -> None:
        now = time.monotonic()
        if now >= until:
            found.late.add(url)
            return
        try:
            fetcher.fetch(url, tenant=tenant, deadline=min(until, now + PHOTOGRAPH_SECONDS))
        except PackshotError as error:
            # Its host's turn had not come: nothing is known of the photograph.
            waited = isinstance(error.__cause__, HostRestsError | TimeoutError)
            if waited or (error.retry_helps and time.monotonic() >= until):
                found.late.add(url)
            else:
                found.failed[url] = error

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="photographs") as threads:
        try:
            for _ in threads.map(fetch, urls):
                pass
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _report(
    session: Session, tenant: str, named: Lines, fetched: Fetched, *, valid: int, most: int
) -> PhotographCheck:
    digests = addresses.fresh(session, tenant, named.keys())
    sizes = rows.sizes(session, tenant, set(digests.values()))
    found = [
        PhotographSize(line=lines[0], width=size[0], height=size[1])
        for url, lines in named.items()
        if (size := sizes.get(digests.get(url, "")))
    ]
    by_pixels = sorted(found, key=lambda one: one.width * one.height)
    failures = [
        PhotographFailure(
            address=url,
            lines=list(lines[:SHOWN_LINES]),
            rows=len(lines),
            code=error.code,
            message=error.detail,
            retry_helps=error.retry_helps,
        )
        for url, lines in named.items()
        if (error := fetched.failed.get(url)) is not None
    ]
    return PhotographCheck(
        addresses=len(named),
        valid=valid,
        found=len(found),
        failed=len(failures),
        not_asked=len(named) - len(found) - len(failures),
        most=most,
        seconds=SECONDS,
        smallest=by_pixels[0] if by_pixels else None,
        largest=by_pixels[-1] if by_pixels else None,
        failures=failures,
    )
