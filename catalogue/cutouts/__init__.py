"""Products cut out of their photographs, and placed by rule: pixels in, pixels out.

Nothing here knows a request, a database or a model library.
"""
