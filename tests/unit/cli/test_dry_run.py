"""What a dry run prints."""

import csv

import pytest

from cli.client.reports import describe, print_report
from cli.client.shared_images import write_shared
from cli.errors import SheetRefusedError

DETECTED = {
    "format": "csv",
    "source": "shopify",
    "encoding": "windows-1252",
    "separator": "\t",
    "columns": {"sku": "Variant SKU", "title": "Title"},
    "template": "{{ title }}",
    "skipped": 2,
}
IMAGE = {"line": 2, "sku": "A", "variant": 1, "cache": "miss", "prompt": "a [red] mug"}


def report(**changes):
    return {
        "valid": True,
        "detected": DETECTED,
        "rows": 4,
        "images": 1300,
        "repeated_skus": [{"sku": "A", "lines": [2, 3], "rows": 3}],
        "forecast": {"computed": 1200, "shared": 60, "from_store": 40},
        "estimate": {"seconds": 5400.0, "images_per_minute": 13.3, "basis": "One worker."},
        "preview": [IMAGE],
        "errors": [],
        "errors_left_out": 0,
        "warnings": [{"line": None, "column": None, "message": "Look at it."}] * 25,
        "notes": [{"line": None, "column": None, "message": "2 rows share [1] image."}],
    } | changes


def test_a_good_sheet_is_described_with_its_prompts_counts_and_time(capsys):
    print_report("export.csv", report())
    out, err = capsys.readouterr()
    assert "shopify export, CSV, windows-1252, separator tab" in out
    assert "sku from 'Variant SKU'" in out
    assert "a [red] mug" in out
    assert "… and 1,299 more" in out
    assert "4 rows (2 more skipped), 1,300 images: 1,200 to compute" in out
    assert "About 90 min. One worker." in out
    assert "SKU 'A' is in 3 rows: lines 2, 3, …" in err
    assert "and 5 more warnings" in err
    assert "2 rows share [1] image." in out


def test_photographs_are_counted_where_there_are_some(capsys):
    print_report("export.csv", report(photographs=3))
    assert "3 of 4 rows have a photograph's address" in capsys.readouterr().out
    print_report("export.csv", report(photographs=0))
    assert "photograph" not in capsys.readouterr().out


def test_what_addresses_gave_is_told_and_each_failure_with_its_rows(capsys):
    check = {
        "addresses": 9, "valid": 1, "found": 5, "failed": 1, "not_asked": 3, "most": 6,
        "seconds": 30.0, "smallest": {"line": 2, "width": 300, "height": 400},
        "largest": {"line": 9, "width": 2000, "height": 1500},
        "failures": [{
            "address": "https://shop.example/a.jpg", "lines": [4, 7], "rows": 2,
            "code": "photograph_missing", "message": "It is gone.", "retry_helps": False,
        }],
    }  # fmt: skip
    print_report("export.csv", report(photograph_check=check))
    out, err = (" ".join(one.split()) for one in capsys.readouterr())
    assert "5 of 9 addresses give a photograph, from 300 × 400 to 2,000 × 1,500 pixels" in out
    assert "3 addresses were not asked: 6, and 30 seconds, are the most." in err
    assert "lines 4, 7: https://shop.example/a.jpg: It is gone. (photograph_missing)" in err


def test_a_time_that_is_not_known_is_said(capsys):
    print_report("a.csv", report(estimate={"seconds": None, "basis": "Run it."}, preview=[]))
    assert "Duration unknown. Run it." in capsys.readouterr().out


def test_a_bad_sheet_names_its_cells_and_fails(capsys):
    errors = [{"line": 3, "column": "steps", "message": "0 is not between 1 and 150."}]
    with pytest.raises(SheetRefusedError) as caught:
        print_report("a.csv", report(valid=False, errors=errors, errors_left_out=4))
    assert "5 things are wrong" in caught.value.detail
    assert "line 3, column steps: 0 is not" in caught.value.detail


def test_rows_of_json_have_neither_encoding_nor_separator():
    detected = DETECTED | {
        "format": "json", "source": "plain", "encoding": None, "separator": None,
    }  # fmt: skip
    assert describe(detected) == "JSON; sku from 'Variant SKU', title from 'Title'"


SHARED = {
    "images": 11,
    "rows": 23,
    "listed": [
        {
            "prompt": "=red cap",
            "rows": 2,
            "skus": ["R-S", "R-M"],
            "lines": [2, 3],
            "differences": {"Size": ["S", "M"], "Handle": ["L", "R"]},
            "visible": ["Handle"],
        }
    ],
}


def test_rows_that_share_an_image_are_printed_and_written_as_a_csv(capsys, tmp_path):
    print_report("export.csv", report(shared_images=SHARED))
    out, _ = capsys.readouterr()
    assert "23 rows share 11 images:" in out
    assert "R-S, R-M" in out
    assert "Size: S, M; Handle: L, R" in out
    assert "--shared-file" in out
    target = tmp_path / "shared.csv"
    write_shared(SHARED, target)
    with target.open(encoding="utf-8-sig", newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["sku"], first["line"], first["prompt"]) == ("R-S", "2", "'=red cap")
    assert (second["sku"], second["not_shown"]) == ("R-M", "Handle")
    assert "10 more are left out" in capsys.readouterr().err


def test_titles_that_lost_something_are_shown_before_and_after(capsys):
    image = IMAGE | {"title": {"written": "Kaai Mug 350ml", "used": "Mug"}}
    titles = {"used": 1300, "changed": 700, "translated": 3}
    print_report("export.csv", report(preview=[image], titles=titles))
    out, _ = capsys.readouterr()
    assert "Kaai Mug 350ml" in out
    assert "700 of 1,300 titles" in out
    assert "in 3 rows' prompts" in out
