"""Errors that reach people: each has a code, an HTTP status and a sentence saying what to do."""

from typing import Any, ClassVar

RETRY_HELPS: dict[str, bool] = {}
"""Whether what failed with a code may succeed when it is tried again, for codes that are read from
rows: of all errors whose modules are imported."""


class PackshotError(Exception):
    """Something in packshot went wrong."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retry_helps: ClassVar[bool] = False
    """Whether sending the same request again can succeed."""
    is_internal: ClassVar[bool] = False
    """Whether its detail is for operators: it may name folders and addresses of the server."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in vars(cls):
            RETRY_HELPS[cls.code] = cls.retry_helps

    def __init__(self, detail: str | None = None, **extensions: Any) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.extensions = extensions
        """Members added to the RFC 9457 problem document."""
        super().__init__(self.detail)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; the name of its type where it has no text."""
    return _lines(error)[0]


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, where OpenVINO names the cause.

    The name of its type where it has no text.
    """
    return _lines(error)[-1]


def _lines(error: BaseException) -> list[str]:
    return str(error).strip().splitlines() or [type(error).__name__]


class InvalidRequestError(PackshotError):
    """The request is not valid; correct it and send it again."""

    code = "invalid_request"
    status = 422


class InvalidSheetError(PackshotError):
    """The sheet has bad rows; nothing of it was queued. Correct the rows and send it again."""

    code = "invalid_sheet"
    status = 422


class ForbiddenUrlError(InvalidRequestError):
    """The server does not send requests to this URL; name one of a public host."""

    code = "forbidden_url"


class InvalidImageError(PackshotError):
    """The image cannot be used; save it again as PNG or JPEG, or make it smaller."""

    code = "invalid_image"
    status = 422


class UnauthorizedError(PackshotError):
    """Send an API key: `Authorization: Bearer <key>` (make one: `packshot keys create`)."""

    code = "unauthorized"
    status = 401


class ForbiddenError(PackshotError):
    """The API key is not allowed to do this; use one that has the scope."""

    code = "forbidden"
    status = 403


class NotFoundError(PackshotError):
    """There is no such thing here, or it belongs to another key."""

    code = "not_found"
    status = 404


class StoredObjectLostError(NotFoundError):
    """The stored file was lost or damaged; submit the request again to make it anew."""

    code = "stored_object_lost"
    status = 502
    retry_helps = True


class ConflictError(PackshotError):
    """The current state does not allow this; look at it, and correct the request."""

    code = "conflict"
    status = 409


class SourcesFullError(PackshotError):
    """The tenant has as many bytes of photographs as it may. Delete some, or make them smaller."""

    code = "sources_full"
    status = 409


class IdempotencyInProgressError(PackshotError):
    """A request with this Idempotency-Key is being processed; send it again in a moment."""

    code = "idempotency_in_progress"
    status = 409
    retry_helps = True


class IdempotencyMismatchError(PackshotError):
    """The Idempotency-Key was used for another request; use a new key for a new request."""

    code = "idempotency_mismatch"
    status = 422


class AnswerNotKeptError(PackshotError):
    """The request of this Idempotency-Key was carried out, but its answer was not kept."""

    code = "answer_not_kept"
    status = 409


class RateLimitedError(PackshotError):
    """The key has sent as many requests in a minute as it may; wait, and send it again."""

    code = "rate_limited"
    status = 429
    retry_helps = True


class TooManyQueuedError(PackshotError):
    """The key has as many images waiting as it may; send the request again when some are done."""

    code = "too_many_queued"
    status = 429
    retry_helps = True


class TooManySheetsError(PackshotError):
    """Too many of your sheets are being read or waiting; send this one again in a moment."""

    code = "too_many_sheets"
    status = 429
    retry_helps = True


class SheetTooCostlyError(PackshotError):
    """Reading the sheet takes more computing than one sheet may; make it simpler, or split it."""

    code = "sheet_too_costly"
    status = 422


class SheetTimeoutError(PackshotError):
    """The sheet took longer than it may; send it again when the server has less to do."""

    code = "sheet_timeout"
    status = 503
    retry_helps = True


class TooLargeError(PackshotError):
    """The request is larger than this server accepts; split it."""

    code = "too_large"
    status = 413


class UnsupportedMediaTypeError(PackshotError):
    """The body has a content type that is not accepted here."""

    code = "unsupported_media_type"
    status = 415


class RangeNotSatisfiableError(PackshotError):
    """The Range begins after the file's end; Content-Range says how many bytes it has."""

    code = "range_not_satisfiable"
    status = 416


class ServiceDownError(PackshotError):
    """A service that packshot needs does not answer; try again in a moment."""

    code = "service_down"
    status = 503
    retry_helps = True
    is_internal = True

    def __init__(
        self, detail: str | None = None, *, reason: str = "does not answer", **extensions: Any
    ) -> None:
        super().__init__(detail, **extensions)
        self.reason = reason
        """What is wrong in a few words, for everybody: no address, no name of a machine."""


class BusyError(ServiceDownError):
    """The server is busy; send the request again in a moment."""

    is_internal = False


class InvalidSettingError(PackshotError):
    """A setting does not fit this machine."""

    code = "invalid_setting"


class BundleError(PackshotError):
    """The model bundle cannot be used."""

    code = "bundle_unusable"
    status = 503
    is_internal = True


# Why a job or generation failed: stored in its row, shown in results.csv.


class GenerationFailedError(PackshotError):
    """The model failed on this image each time it was tried; the worker's log has the traceback."""

    code = "generation_failed"
    retry_helps = True


class GenerationImpossibleError(PackshotError):
    """The model cannot make this image, however often it is tried; the reason says why."""

    code = "generation_impossible"


class InsufficientMemoryError(PackshotError):
    """The workers have too little memory for an image of this size; ask for a smaller one."""

    code = "insufficient_memory"
    retry_helps = True


class WorkerLostError(PackshotError):
    """The worker was lost each time it computed this image (out of memory or killed)."""

    code = "worker_lost"
    retry_helps = True


class ModelReplacedError(PackshotError):
    """The model that was to make this image was replaced; send it again for the new one."""

    code = "model_replaced"


class ImageLostError(PackshotError):
    """The stored image was lost or damaged. Submit the request again, or retry its batch."""

    code = "image_lost"
    retry_helps = True


class DeadlineExceededError(PackshotError):
    """The image was not ready by its deadline; retry it, or allow more time."""

    code = "deadline_exceeded"
    status = 504
    retry_helps = True
