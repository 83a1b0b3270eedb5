"""Templates, and the files that pages load: read once, when the process starts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from core.links import WORKBENCH

FOLDER = Path(__file__).parent
PICTURES = f"{WORKBENCH}/pictures/"
"""What the paths of pictures begin with that pages show."""

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    """A stylesheet, script or drawing."""

    body: bytes
    content_type: str
    digest: str
    """Of the body: a part of its path, so that browsers may keep it for good."""


def _read_static() -> Mapping[str, StaticFile]:
    found = {}
    for path in sorted((FOLDER / "static").iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            found[path.name] = StaticFile(
                body=body,
                content_type=f"{_TYPES[path.suffix]}; charset=utf-8",
                digest=hashlib.sha256(body).hexdigest()[:16],
            )
    return found


STATIC = _read_static()


def static_path(name: str) -> str:
    """Return the path of a file in `static/`."""
    return f"{WORKBENCH}/static/{STATIC[name].digest}/{name}"


def with_query(query: Mapping[str, Any], **changes: Any) -> str:
    """Write a link to the same page with another query; what is None is left out of it."""
    values = {**query, **changes}
    return "?" + urlencode({name: one for name, one in values.items() if one is not None})


def _moment(value: datetime | None) -> Markup:
    """Write a moment in UTC; the script of the pages turns it into the browser's time."""
    if value is None:
        return Markup("–")
    there = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        there.isoformat(timespec="seconds"), f"{there:%d %b %Y, %H:%M} UTC"
    )


def _duration(seconds: float | None) -> str:
    """Write seconds as a person says them."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _size(number: float) -> str:
    """Write a number of bytes."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "bytes" else f"{number:.1f} kB"
        number /= 1000
    return f"{number:.1f} GB"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "at": WORKBENCH,
        "pictures": PICTURES.rstrip("/"),
        "static": static_path,
        "with_query": with_query,
    }
    environment.filters |= {
        "moment": _moment,
        "duration": _duration,
        "size": _size,
        "number": lambda value: f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
    }
    return environment


TEMPLATES = _environment()
