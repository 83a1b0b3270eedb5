"""What is said of an error, whatever it says itself."""

import pytest

from core.errors import first_line, last_line


@pytest.mark.parametrize(
    ("error", "first", "last"),
    [
        (OSError("no route\nto host"), "no route", "to host"),
        (RuntimeError("\n  first\n\ncause \n"), "first", "cause"),
        (RuntimeError(), "RuntimeError", "RuntimeError"),
        (TimeoutError(""), "TimeoutError", "TimeoutError"),
        (ValueError(" \n\t"), "ValueError", "ValueError"),
    ],
)
def test_an_error_always_has_a_line(error, first, last):
    assert (first_line(error), last_line(error)) == (first, last)
