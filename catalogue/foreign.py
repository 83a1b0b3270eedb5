"""Files of other shops and marketplaces: told by name, with the way to have them read."""

import re

from catalogue.issues import refuse

_TEMPLATES = (
    (re.compile(r"\s*\"?(TemplateType=|settings=[^\n]*attributeRow=)", re.IGNORECASE), "an Amazon "
     "inventory file (flat file)", "--column sku=item_sku --column title=item_name"),
    (re.compile(r"\s*\"?(#?INFO[,;\t]|\*?Action\(SiteID=)", re.IGNORECASE), "an eBay file",
     "--column sku=CustomLabel --column title=*Title"),
)  # fmt: skip


def refuse_templates(text: str) -> None:
    """Refuse marketplaces' templates, whose first lines are for the marketplace alone.

    Raises:
        InvalidSheetError: It is one; the message names it, and says what to do.
    """
    for beginning, what, columns in _TEMPLATES:
        if beginning.match(text):
            refuse(
                f"This is {what}, which is not read as it is: its first lines are no names of "
                "columns. Delete the lines above those names, and lines of parent products, and "
                f"say which columns are which, such as {columns}, with a `template`.",
                line=1,
            )
