"""Products in generated scenes: the product's own pixels, and proof that they are still its own.

Nothing here knows a request, a database or a model library.
"""
