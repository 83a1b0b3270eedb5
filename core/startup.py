"""What a process needs before it can begin."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

import structlog
from pydantic import ValidationError

from core import logs
from core.errors import BundleError, InvalidSettingError, ServiceDownError
from core.settings import (
    Settings,
    describe_invalid_settings,
    describe_unknown_settings,
    describe_unused_bundle,
    get_settings,
)

log = structlog.get_logger(__name__)

EXIT_UNUSABLE = 3
"""A service, the bundle or a setting is not what it must be; standard error says which."""

EXIT_TERMINATED = 128 + signal.SIGTERM
"""As shells say it of a process that a signal ended."""

PATIENCE = 10
"""Connection timeouts to wait for services that are starting."""

PAUSE_SECONDS = 0.5


def run_or_explain(program: Callable[[Settings], int]) -> int:
    """Run a process with the settings, or say in one sentence why it cannot run.

    Returns:
        The exit code.
    """
    end_on_sigterm()
    try:
        settings = get_settings()
        logs.configure(settings.log_level, settings.log_format)
        warn_of_unread_settings(settings)
        return program(settings)
    except (ServiceDownError, BundleError, InvalidSettingError) as error:
        print(error.detail, file=sys.stderr)
    except ValidationError as error:
        print(*describe_invalid_settings(error), sep="\n", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return EXIT_UNUSABLE


def end_on_sigterm() -> None:
    """End at SIGTERM from now on, until the program has a handler of its own.

    Process 1 of a container has no default actions (pid_namespaces(7)): a worker that loads its
    model would lose the signal, take work and be killed in the midst of it when its grace is over.
    """
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_TERMINATED))


def warn_of_unread_settings(settings: Settings) -> None:
    """Log the `PACKSHOT_*` variables that nothing reads: they are often misspelt."""
    for sentence in (*describe_unknown_settings(), *describe_unused_bundle(settings)):
        log.warning(sentence)


def wait_for_services(checks: Iterable[Callable[[], None]], settings: Settings) -> None:
    """Wait until every check passes: services often start together with their users.

    Args:
        checks: Each raises ServiceDownError while its service is away.
        settings: Its `connect_timeout` decides how long to wait.

    Raises:
        ServiceDownError: that of the first service that stayed away.
    """
    deadline = time.monotonic() + PATIENCE * settings.connect_timeout
    for check in checks:
        said = False
        while True:
            try:
                check()
                break
            except ServiceDownError as error:
                if time.monotonic() > deadline:
                    raise
                if not said:
                    log.warning("waiting for a service", reason=error.detail)
                said = True
                time.sleep(PAUSE_SECONDS)


def freeze_gc() -> None:
    """Move what is in memory now to the garbage collector's permanent generation.

    Call it once in a process, when everything is imported and set up. A pass over all of an API
    process's modules and routes stops every thread for 130 to 160 ms, about every five seconds at
    200 requests a second (decision 0020); what is left to look at afterwards takes a few.
    """
    gc.collect()
    gc.freeze()
