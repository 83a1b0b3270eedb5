"""Images made into what sales channels want: pure functions from pixels to files.

NumPy and Pillow come with them, so the API loads them when the first rendition is made.
"""
