"""/docs: the OpenAPI document as one page to read."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "docs.css").read_text()

_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: its own style, and nothing else from anywhere."""

Schema = Mapping[str, Any]


def render(api: Schema) -> str:
    """Write an OpenAPI document as HTML."""

    class Absent(ChainableUndefined):
        """What the document does not say: nothing is shown, and it has no items."""

        def items(self) -> Sequence[tuple[str, Any]]:
            return ()

    def find(value: Schema) -> Schema:
        while "$ref" in value:
            found: Any = api
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    environment = Environment(autoescape=True, undefined=Absent)
    environment.filters |= {"kind": _kind, "marked": _marked, "by_tag": _by_tag, "found": find}
    template = environment.from_string((FOLDER / "docs.html").read_text())
    return template.render(api=api, style=Markup(STYLE))  # noqa: S704


def _by_tag(paths: Schema) -> Sequence[tuple[str, list[tuple[str, str, Schema]]]]:
    tags: dict[str, list[tuple[str, str, Schema]]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append((method, path, operation))
    return list(tags.items())


def _marked(text: object) -> Markup:
    """Set what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


_BOUNDS = {
    "minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}",
    "minLength": "at least {} characters", "maxLength": "at most {} characters",
    "minItems": "at least {} items", "maxItems": "at most {} items", "format": "{}",
}  # fmt: skip


def _kind(schema: Schema) -> Markup:
    """Describe in words which values a schema takes."""
    if not schema:
        return Markup("anything")
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return Markup('<a href="#{0}">{0}</a>').format(name)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return Markup(" or ").join(_kind(one) for one in schema[several])
    if "enum" in schema:
        return Markup(", ").join(schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return Markup("list of {}").format(_kind(schema.get("items", {})))
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return escape(", ".join([kind, *bounds]))
