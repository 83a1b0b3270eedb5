"""Memory for rows beside their model, looked at before a row is computed."""

from collections.abc import Callable

from bundles.row_memory import RowMemory
from worker.memory import in_gib


class ShortOfMemoryError(Exception):
    """There is no memory for a row now; there may be when others are done."""


class Headroom:
    """What a model's rows may still take. A call's memory stays, and is there for the next one."""

    def __init__(
        self,
        memory: RowMemory,
        *,
        tile: int,
        free_bytes: Callable[[], int],
        relieve: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wire it.

        Args:
            memory: What rows take, at least.
            tile: Side in pixels of what is decoded at once; 0: all of an image.
            free_bytes: Measures what this process may still take.
            relieve: Frees memory, if it can, before a row is refused.
        """
        self._memory, self._tile = memory, tile
        self._free_bytes, self._relieve = free_bytes, relieve
        self._unet_holds = self._decoder_holds = 0
        """Bytes of the largest call so far; of two that end at once the smaller may be kept."""

    def images(self, width: int, height: int, *, unet_rows: int) -> int:
        """Return how many images of a size in pixels may be in calls at the same time.

        Args:
            width: An image's.
            height: An image's.
            unet_rows: Of each image: two where guidance is on.

        Raises:
            ShortOfMemoryError: Not even one.
        """
        row = self._memory.of_unet(width, height, rows=unet_rows)
        decoder = self._memory.of_decoder(width, height, tile=self._tile)
        while (room := self._room(decoder)) < row:
            if not self._relieve():
                needed = max(0, row - self._unet_holds) + max(0, decoder - self._decoder_holds)
                raise ShortOfMemoryError(
                    f"An image of {width} × {height} pixels takes {in_gib(needed)} more than the "
                    f"model, at least, and {in_gib(max(0, self._free_bytes()))} are free: ask for "
                    "a smaller one, or give the worker more memory"
                )
        return room // row

    def note_call(self, width: int, height: int, *, unet_rows: int) -> None:
        """Note a UNet call of so many rows of a size: its memory is there from now on."""
        held = self._memory.of_unet(width, height, rows=unet_rows)
        self._unet_holds = max(self._unet_holds, held)

    def note_decoded(self, width: int, height: int) -> None:
        """Note an image that was decoded: the same."""
        held = self._memory.of_decoder(width, height, tile=self._tile)
        self._decoder_holds = max(self._decoder_holds, held)

    def _room(self, decoder: int) -> int:
        """Return the bytes that UNet calls may take, beside what decoding takes."""
        return self._free_bytes() + self._unet_holds - max(0, decoder - self._decoder_holds)
