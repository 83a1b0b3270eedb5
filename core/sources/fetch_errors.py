"""Why a photograph did not come from its address: each reason has a code, and says what to do."""

from core.errors import PackshotError


class PhotographMissingError(PackshotError):
    """There is no photograph at the address any more. Correct the address, or send the file."""

    code = "photograph_missing"
    status = 422


class PhotographGoneError(PackshotError):
    """The photograph was deleted, or its time was over. Send it again."""

    code = "photograph_gone"
    status = 422


class PhotographRefusedError(PackshotError):
    """The server refuses to give the photograph. Name an address that needs no login."""

    code = "photograph_refused"
    status = 422


class PhotographMisdirectedError(PackshotError):
    """The address leads on and on, or nowhere. Name the photograph's own address."""

    code = "photograph_misdirected"
    status = 422


class PhotographServerFailedError(PackshotError):
    """The photograph's server fails, or asks to come later. Try again later."""

    code = "photograph_server_failed"
    status = 502
    retry_helps = True


class PhotographUnreachableError(PackshotError):
    """The photograph's server cannot be reached. Try again later, or correct the address."""

    code = "photograph_unreachable"
    status = 502
    retry_helps = True


class PhotographTooSlowError(PackshotError):
    """The photograph did not come in time. Try again later, or send the file."""

    code = "photograph_too_slow"
    status = 504
    retry_helps = True
