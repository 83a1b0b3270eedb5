"""Sheets in: from a file's bytes to rows, whatever program wrote them."""
