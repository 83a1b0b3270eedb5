"""What files of photographs are, looked into before anything is sent."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from catalogue.channels import find_channel
from catalogue.photograph_files import MatchedFiles
from cli.console import say, stdout
from core.errors import InvalidImageError
from core.pictures.headers import PictureHeader, read_header

SHOWN = 20
"""Rows and files that are named; the rest are counted."""


@dataclass(kw_only=True)
class FileLook:
    """What is found out about files, by their headers."""

    channels: Sequence[str] = ()
    """What photographs may be too small for."""
    headers: dict[str, PictureHeader] = field(default_factory=dict)
    """By a file's name."""
    wrong: dict[str, str] = field(default_factory=dict)
    """By a file's name, why it is no photograph that a server takes."""

    def into(self, file: str, content: bytes) -> None:
        """Look into a file."""
        try:
            self.headers[file] = read_header(BytesIO(content))
        except InvalidImageError as error:
            self.wrong[file] = error.detail

    def tell(self, matched: MatchedFiles) -> None:
        """Print how large the files are, what is wrong with some, and what they are too small for.

        Args:
            matched: Which file is which row's.
        """
        lines = defaultdict[str, list[int]](list)
        for line, file in matched.by_line.items():
            lines[file].append(line)
        tell_some(
            [f"{file} (line {lines[file][0]}): {reason}" for file, reason in self.wrong.items()],
            "file is no photograph that is taken",
            "files are no photographs that are taken",
        )
        if not self.headers:
            return
        sizes = sorted(
            ((one.width, one.height) for one in self.headers.values()),
            key=lambda size: size[0] * size[1],
        )
        stdout.print(f"{len(sizes):,} files are photographs, {describe_sizes(sizes[0], sizes[-1])}")
        for channel in map(find_channel, dict.fromkeys(self.channels)):
            least = channel.preset.smallest
            small = [
                file
                for file, header in self.headers.items()
                if max(header.width, header.height) < least
            ]
            tell_some(
                small,
                f"file is too small for {channel.name}, which takes {least:,} pixels",
                f"files are too small for {channel.name}, which takes {least:,} pixels",
            )


def describe_sizes(smallest: tuple[int, int], largest: tuple[int, int]) -> str:
    """Describe the range of photographs' sizes, width before height."""
    first, last = (f"{width:,} × {height:,}" for width, height in (smallest, largest))
    return f"of {first} pixels" if first == last else f"from {first} to {last} pixels"


def tell_some(what: Sequence[str], one: str, several: str) -> None:
    """Report the first of many, and count the rest."""
    if not what:
        return
    shown = ", ".join(what[:SHOWN])
    more = f", and {len(what) - SHOWN:,} more" if len(what) > SHOWN else ""
    say(f"{len(what):,} {one if len(what) == 1 else several}: {shown}{more}")
