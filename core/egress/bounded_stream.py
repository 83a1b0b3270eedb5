"""Connections to callers' URLs whose answers end."""

import ssl

import httpcore

MOST_ANSWER_BYTES = 256 * 1024
"""Of an answer with all that is around its body."""
_MOST_READ = 8 * 1024
"""Bytes that are parsed at once, before others have their turn."""


class AnswerTooLongError(Exception):
    """The server's answer has no end in sight."""


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection from which an answer has so many bytes at most, whatever they are.

    A body's end is looked for by whoever reads it; interim answers (1xx), headers, chunk extensions
    and trailers are not counted anywhere else.
    """

    def __init__(
        self, stream: httpcore.AsyncNetworkStream, most_bytes: int = MOST_ANSWER_BYTES
    ) -> None:
        self._stream = stream
        self._most_bytes = self._room = most_bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read a little, so that other requests have their turn in between.

        Raises:
            AnswerTooLongError: The answer has had all its bytes.
        """
        if not self._room:
            raise AnswerTooLongError(
                f"The answer is longer than {self._most_bytes} bytes without what it begins with "
                "being complete."
            )
        got = await self._stream.read(min(max_bytes, self._room, _MOST_READ), timeout)
        self._room -= len(got)
        return got

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a part of a request, to which there will be a new answer."""
        self._room = self._most_bytes
        await self._stream.write(buffer, timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Start TLS, and bound what is read inside of it."""
        stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return BoundedStream(stream, self._most_bytes)

    def get_extra_info(self, info: str) -> object:
        """Return what the connection says of itself."""
        return self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()
