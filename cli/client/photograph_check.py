"""What a server found at the addresses of photographs, for people."""

from collections.abc import Mapping
from typing import Any

from cli.console import say, stdout
from cli.photographs.look import describe_sizes


def print_check(check: Mapping[str, Any]) -> None:
    """Print how many addresses gave a photograph and how large they are; name each that did not."""
    found = f"{check['found']:,} of {check['addresses']:,} addresses give a photograph"
    if check["smallest"] and check["largest"]:
        smallest, largest = (
            (one["width"], one["height"]) for one in (check["smallest"], check["largest"])
        )
        found += f", {describe_sizes(smallest, largest)}"
    stdout.print(found)
    if late := check["not_asked"]:
        say(
            f"{late:,} addresses were not asked: {check['most']:,}, and {check['seconds']:g} "
            "seconds, are the most. Run this again to go on with them."
        )
    for one in check["failures"]:
        lines = ", ".join(map(str, one["lines"]))
        more = ", …" if one["rows"] > len(one["lines"]) else ""
        rows = f"line {lines}" if one["rows"] == 1 else f"lines {lines}{more}"
        say(f"{rows}: {one['address']}: {one['message']} ({one['code']})")
