"""Logging of every process: one line per event, for people or for machines.

What is bound with `structlog.contextvars` (a request's id, a generation's) is in each line that is
written meanwhile, libraries' own too. Prompts and secrets are in none.
"""

import logging
import sys

import structlog

CHATTY = (
    # They tell of every message, and of one that goes back with a traceback; the runner has a
    # line of its own for each.
    "celery.app.trace",
    "celery.worker.strategy",
)

TALKATIVE = (
    # Every request of theirs at INFO, with addresses that may be somebody's secret.
    "httpx",
)

NAMING = ("/files/", "/v1/recipes/")
"""Paths that go on with what people named: a file by its SKU, behind its secret token; a recipe."""

SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
"""What every line has, whoever writes it."""


class PathFilter(logging.Filter):
    """Cuts what people named, and the query, out of the path in uvicorn's line of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut a record's path; every record passes."""
        if isinstance(record.args, tuple) and len(record.args) == _ACCESS:
            client, method, path, *rest = record.args
            path = str(path).partition("?")[0]
            start = next((one for one in NAMING if path.startswith(one)), None)
            record.args = (client, method, f"{start}…" if start else path, *rest)
        return True


_ACCESS = 5
"""Arguments of uvicorn's line: client, method, path with query, version, status."""

_PATHS = PathFilter()


def configure(level: str, layout: str = "auto") -> None:
    """Send everything, Celery's and libraries' own records too, to standard error.

    Args:
        level: The least that is written: DEBUG, INFO, WARNING or ERROR.
        layout: json, console, or auto: console in a terminal.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(layout))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn.access").addFilter(_PATHS)
    for names, least in ((CHATTY, logging.ERROR), (TALKATIVE, logging.WARNING)):
        for name in names:
            logging.getLogger(name).setLevel(least)
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def formatter(layout: str) -> logging.Formatter:
    """Make what turns records, structlog's and others, into lines."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderers(layout),
        ],
    )


def _renderers(layout: str) -> list[structlog.typing.Processor]:
    in_terminal = layout == "auto" and sys.stderr.isatty()
    if in_terminal or layout == "console":
        # Without the values of local variables, which may be prompts.
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(default=str),
    ]
