"""Submit many requests for single images in one transaction: all of them, or none."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from sqlmodel import Session

from api.models import Models
from api.problems import describe
from api.schemas.bulk_jobs import BulkJobRequest, KeyedJobRequest
from api.schemas.requests import JobRequest
from api.submission.context import RequestContext
from api.submission.recipes import use_recipe
from api.submission.submit import check_callback, wanted_image
from core.db.models import ApiKey
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.lanes import Lane
from core.errors import (
    ConflictError,
    IdempotencyMismatchError,
    InvalidRequestError,
    NotFoundError,
)
from core.idempotency import Attempt, KeptAnswer, begin, record
from core.lifecycle.deadlines import with_deadline
from core.lifecycle.quota import room_for
from core.lifecycle.submission import Submission, submit
from core.links import job_path

MOST_NAMED = 3
"""Bad requests that the sentence names; `errors` has all."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of one request."""

    job: UUID
    is_repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class _New:
    """A request that did not come before."""

    index: int
    wanted: ImageRequest
    lane: Lane
    context: RequestContext
    attempt: Attempt | None


class BulkSubmission:
    """One body's requests: checked, and inserted."""

    def __init__(
        self,
        session: Session,
        models: Models,
        caller: ApiKey,
        context_of: Callable[[JobRequest], RequestContext],
        *,
        ttl_seconds: float,
    ) -> None:
        """Prepare it.

        Args:
            session: An open transaction.
            models: What requests are checked against.
            caller: Who asks.
            context_of: Decides what key, settings and one request say together.
            ttl_seconds: How long an `idempotency_key` counts.
        """
        self._session = session
        self._models = models
        self._caller = caller
        self._context_of = context_of
        self._ttl_seconds = ttl_seconds
        self._errors: list[dict[str, Any]] = []
        self.submissions: list[tuple[RequestContext, Submission]] = []
        """What the commit is to be followed by."""

    def submit(self, request: BulkJobRequest) -> list[Answered]:
        """Check and insert all; return what became of each, in their order.

        Raises:
            InvalidRequestError: naming every bad value by its request; nothing was inserted.
            IdempotencyInProgressError: One of them is being done for another request.
            TooManyQueuedError: The key would have too many images waiting.
        """
        answered: dict[int, Answered] = {}
        new: list[_New] = []
        self._refuse_twice(request.requests)
        for index, one in enumerate(request.requests):
            attempt = self._attempt(one)
            if before := self._try(index, partial(self._before, attempt)):
                answered[index] = Answered(job=before, is_repeated=True)
            elif checked := self._try(index, partial(self._check, index, one, attempt)):
                new.append(checked)
        if self._errors:
            raise _refused(self._errors)
        answered |= self._insert(new)
        return [answered[index] for index in range(len(request.requests))]

    def _refuse_twice(self, requests: Sequence[KeyedJobRequest]) -> None:
        seen: dict[str, int] = {}
        for index, one in enumerate(requests):
            key = one.idempotency_key
            if key is not None and seen.setdefault(key, index) != index:
                message = f"Request {seen[key]} has the same. Give each a key of its own."
                self._note(index, "idempotency_key", message)

    def _attempt(self, one: KeyedJobRequest) -> Attempt | None:
        if one.idempotency_key is None:
            return None
        said = one.model_dump_json(exclude_unset=True, exclude={"idempotency_key"})
        return Attempt(
            api_key_id=self._caller.id,
            key=one.idempotency_key,
            digest=hashlib.sha256(f"bulk\n{said}".encode()).hexdigest(),
            path="/v1/jobs",
        )

    def _before(self, attempt: Attempt | None) -> UUID | None:
        if attempt is None:
            return None
        kept = begin(self._session, attempt, ttl_seconds=self._ttl_seconds)
        return None if kept is None else UUID(dict(kept.headers)["location"].rpartition("/")[2])

    def _check(self, index: int, one: KeyedJobRequest, attempt: Attempt | None) -> _New:
        given = one.model_dump(exclude_unset=True, exclude={"idempotency_key"})
        request, _ = use_recipe(
            self._session, self._caller.tenant, JobRequest.model_validate(given)
        )
        context = self._context_of(request)
        check_callback(self._session, context)
        wanted = wanted_image(self._session, self._models, context, request)
        (wanted,) = with_deadline(self._session, [wanted], request.deadline_seconds)
        return _New(index=index, wanted=wanted, lane=request.lane, context=context, attempt=attempt)

    def _try(self, index: int, work: Callable[[], T]) -> T | None:
        """Return what work gives, or note what is wrong with a request."""
        try:
            return work()
        except RequestValidationError as error:
            for one in error.errors():
                found = describe(one)
                self._note(index, found["column"], found["message"])
        except InvalidRequestError as error:
            issues = error.extensions.get("errors")
            for one in issues or [{"column": None, "message": error.detail}]:
                self._note(index, one["column"], one["message"])
        except IdempotencyMismatchError as error:
            self._note(index, "idempotency_key", error.detail)
        except NotFoundError as error:
            self._note(index, "recipe", error.detail)
        except ConflictError as error:
            self._note(index, "callback_url", error.detail)
        return None

    def _note(self, index: int, column: str | None, message: str) -> None:
        place = f"requests.{index}" + (f".{column}" if column else "")
        self._errors.append({"line": None, "index": index, "column": place, "message": message})

    def _insert(self, new: Sequence[_New]) -> Mapping[int, Answered]:
        groups: dict[tuple[Lane, CacheMode], list[_New]] = defaultdict(list)
        for one in new:
            groups[one.lane, one.context.cache].append(one)
        answered = {}
        budgets = new[0].context.queued_images if new else ()
        with room_for(self._session, budgets, adding=len(new)):
            left = new[0].context.publishes if new else 0
            for (lane, cache), ones in groups.items():
                context = replace(ones[0].context, publishes=left)
                submission = submit(
                    self._session,
                    [one.wanted for one in ones],
                    tenant=context.tenant,
                    lane=lane,
                    cache=cache,
                    ttl_seconds=context.ttl_seconds,
                    publishes=left,
                    api_key_id=context.api_key_id,
                )
                left = max(0, left - len(submission.published))
                self.submissions.append((context, submission))
                for one, job in zip(ones, submission.job_ids, strict=True):
                    answered[one.index] = Answered(job=job)
                    self._record(one.attempt, job)
        return answered

    def _record(self, attempt: Attempt | None, job: UUID) -> None:
        if attempt is not None:
            location = [("location", job_path(job))]
            record(self._session, attempt, KeptAnswer(status=202, headers=location, body=None))


def _refused(errors: Sequence[Mapping[str, Any]]) -> InvalidRequestError:
    named = "; ".join(
        f"{one['column']}: {one['message'].removesuffix('.')}" for one in errors[:MOST_NAMED]
    )
    more = f"; and {len(errors) - MOST_NAMED} more" if len(errors) > MOST_NAMED else ""
    return InvalidRequestError(
        f"Nothing was submitted, as {len({one['index'] for one in errors})} of the requests are "
        f"not valid: {named}{more}.",
        errors=list(errors),
    )
