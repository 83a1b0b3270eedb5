"""`on_error: skip`: a batch of the good rows, and the bad ones as a sheet."""

import csv
import io

from core.db.models import Job

SHEET = "sku,prompt,steps\nA,a mug,4\nB,a vase,many\nC,a hat,4\n"


def post(client, sheet=SHEET, **fields):
    return client.post("/v1/batches", data=fields, files={"file": ("s.csv", sheet)})


def test_good_rows_are_queued_and_bad_ones_come_back(client, shop):
    assert post(client).status_code == 422
    dry = post(client, on_error="skip", dry_run="true").json()
    assert dry["valid"]
    assert dry["images"] == 2
    assert [one["line"] for one in dry["skipped"]] == [3]
    answer = post(client, on_error="skip")
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert (batch["total"], batch["skipped"]) == (2, 1)
    assert batch["warnings"] == []
    assert sorted(job.sku for job in shop.all(Job)) == ["A", "C"]
    sheet = client.get(f"/v1/batches/{batch['id']}/skipped.csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(sheet.text))
    assert (row["sku"], row["packshot_line"]) == ("B", "3")
    again = post(client, sheet.text.replace("many", "4"))
    assert again.status_code == 202, again.text
    assert again.json()["total"] == 1


def test_nothing_is_queued_where_no_row_is_good(client, shop):
    answer = post(client, "sku,prompt,steps\nA,a mug,x\n", on_error="skip")
    assert answer.status_code == 422
    assert shop.all(Job) == []
