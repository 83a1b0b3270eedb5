"""One rule for the names of photographs, wherever they come from."""

import pytest

from core.sources.file_names import LONGEST_NAME, clean_file_name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Mug 1.JPG", "Mug 1.JPG"),
        ("a/b/mug.png", "mug.png"),
        (r"C:\photos\mug.png", "mug.png"),
        (" mug.png ", "mug.png"),
        ("../..", ".."),
        ("folder/", ""),
        ("", ""),
        ("кружка-é.jpg", "кружка-é.jpg"),
        # Letters that are joined, or kept apart, by characters that nobody sees.
        ("می\u200cخواهم.jpg", "می\u200cخواهم.jpg"),
        ("mug\x00.jpg", ""),
        ("mug\n.jpg", ""),
        ("mug\u2028.jpg", ""),
        ("mug\ud800.jpg", ""),
        # Shown, it would end in .jpg.
        ("mug\u202egpj.exe", ""),
        ("m" * 500 + ".jpg", "m" * (LONGEST_NAME - 4) + ".jpg"),
    ],
)
def test_a_name_is_its_last_part_if_that_is_a_line_of_text(name, kept):
    assert clean_file_name(name) == kept
