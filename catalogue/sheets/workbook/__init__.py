"""Workbooks in: what Excel and LibreOffice write, bounded before a table is made of it."""
