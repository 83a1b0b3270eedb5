"""A caller's URL, parsed and written again in its one plain form."""

import re
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urlsplit

import idna

from core.egress.addresses import Address
from core.errors import ForbiddenUrlError

LONGEST = 2000
"""Characters."""
_PORTS = {"http": 80, "https": 443}
_VISIBLE = re.compile(r"[^\x00-\x20\x7f\\\ud800-\udfff]+")
_IN_QUERY = "/%:@!$&'()*+,;=~?"
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label of this form makes the whole host an IPv4 address (WHATWG URL, section 3.5)."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a URL leads."""

    url: str
    """The URL in its plain form: ASCII, host in lower case, no credentials, no fragment."""
    path: str
    """Path and query of the plain form."""
    scheme: str
    host: str
    """A name, or an address without brackets."""
    port: int
    address: Address | None
    """When the host is written as one."""

    @property
    def origin(self) -> str:
        """Return scheme, host and port."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    @property
    def authority(self) -> str:
        """What belongs into the Host header."""
        host = _bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str) -> Destination:
    """Parse a caller's URL.

    Raises:
        ForbiddenUrlError: It is none, or one in a disguise that only an attack needs.
    """
    if len(url) > LONGEST:
        raise ForbiddenUrlError(f"The URL is longer than {LONGEST} characters.")
    if not _VISIBLE.fullmatch(url):
        raise ForbiddenUrlError(
            "The URL is empty, or contains spaces, backslashes or invisible characters."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenUrlError(f"This is not a URL: {error}.") from error
    if parts.scheme not in _PORTS:
        raise ForbiddenUrlError("The URL must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise ForbiddenUrlError("The URL contains a user name or password; leave them out.")
    if port == 0 or parts.netloc.endswith(":"):
        raise ForbiddenUrlError("The URL's port is not a number from 1 to 65535.")
    host, address = _read_host(parts)
    target = Destination(
        url="",
        path=_escaped(parts),
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        address=address,
    )
    plain = f"{target.scheme}://{target.authority}{target.path}"
    if len(plain) > LONGEST:
        raise ForbiddenUrlError(f"The URL is longer than {LONGEST} characters when it is escaped.")
    return replace(target, url=plain)


def _escaped(parts: SplitResult) -> str:
    # What is escaped already stays as it is, and so does every reserved character.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe=_IN_QUERY)}" if parts.query else path


def _read_host(parts: SplitResult) -> tuple[str, Address | None]:
    netloc = parts.netloc
    if "[" in netloc or "]" in netloc:
        return _read_literal(netloc)
    host = netloc.rpartition(":")[0] if ":" in netloc else netloc
    if "%" in host:
        raise ForbiddenUrlError(
            "The URL's host contains a percent sign; write the character that it stands for."
        )
    host = _ascii(host).removesuffix(".")
    if not host or len(host) > 253:
        raise ForbiddenUrlError("The URL names no host.")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        address = _read_decimal(host)
        return str(address), address
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenUrlError(f"{host!r} is not a host name.")
    return host, None


def _read_literal(netloc: str) -> tuple[str, Address | None]:
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](:[0-9]+)?", netloc)
    if found is None:
        raise ForbiddenUrlError(
            "The URL's host must be an IPv6 address in brackets, without a zone."
        )
    try:
        address = IPv6Address(found[1])
    except AddressValueError as error:
        raise ForbiddenUrlError(f"{found[1]!r} is not an IPv6 address.") from error
    return address.compressed, address


def _read_decimal(host: str) -> IPv4Address:
    try:
        return IPv4Address(host)
    except AddressValueError as error:
        raise ForbiddenUrlError(
            f"{host!r} is an IPv4 address in disguise; write it as four decimal numbers."
        ) from error


def _ascii(host: str) -> str:
    """Write a host's name in the form that resolvers know."""
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise ForbiddenUrlError(f"{host!r} is not a host name ({error}).") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
