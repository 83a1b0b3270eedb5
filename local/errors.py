"""What can go wrong while the embedded stack starts or runs."""

from core.errors import PackshotError


class StackError(PackshotError):
    """The embedded stack cannot run."""

    code = "stack_error"
    status = 503


class PortTakenError(StackError):
    """A wanted port is in use."""

    code = "port_taken"


class AlreadyRunningError(StackError):
    """Another stack runs on the same data."""

    code = "already_running"


class ProcessFailedError(StackError):
    """A process of the stack ended, or did not become ready in time."""

    code = "process_failed"
