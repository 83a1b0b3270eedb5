"""Keys of objects in S3: what they say of their objects."""

import re
from uuid import UUID

IMAGES = "images/"
"""What the keys of images begin with."""


RENDITIONS = "renditions/"
"""What the keys of renditions begin with."""


SOURCES = "sources/"
"""What the keys of photographs that came in begin with."""


PROBE = "probe"
"""The key of an empty object, written to see whether S3 takes one."""


_OWNER = re.compile(r"-([0-9a-f]{32})-[0-9a-f]{16}\.\w+$")


def source_key(*, tenant: str, source_id: UUID, digest: str, extension: str) -> str:
    """Return the key of a photograph that came in; two of them never share one."""
    # The end of an id: the beginning is the time.
    name = f"{source_id.hex}-{digest[:16]}.{extension}"
    return f"{SOURCES}{tenant}/{source_id.hex[-2:]}/{name}"


def generation_of(key: str) -> UUID | None:
    """Read from a key which generation it belongs to; None: it is of an older version."""
    found = _OWNER.search(key)
    return UUID(found[1]) if found else None
