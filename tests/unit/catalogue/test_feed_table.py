"""A feed with other images in it."""

import csv

from catalogue.feed_table import FeedTable


def read(text):
    return list(csv.reader(text.splitlines(), dialect="excel-tab"))


def test_other_columns_stay_and_images_take_the_places_of_the_old_ones():
    table = FeedTable(["id", "title", "g:image_link", "additional image link"])
    row = {"id": "A", "title": "Mug,\tblue\nand red", "g:image_link": "old"}
    row["additional image link"] = "side , back"
    assert read(table.header()) == [["id", "title", "g:image_link", "additional image link"]]
    assert read(table.line(row, ["new", "two"])) == [
        ["A", "Mug, blue and red", "new", "two,side,back"]
    ]
    assert read(table.line(row, [])) == [["A", "Mug, blue and red", "old", "side , back"]]


def test_columns_that_are_not_there_are_added():
    table = FeedTable(["id"])
    assert read(table.header()) == [["id", "image_link", "additional_image_link"]]
    assert read(table.line({"id": "A"}, ["one"])) == [["A", "one", ""]]


def test_google_takes_ten_further_images():
    line = FeedTable(["id"]).line({"id": "A"}, [str(number) for number in range(20)])
    assert read(line)[0][2].split(",") == [str(number) for number in range(1, 11)]
