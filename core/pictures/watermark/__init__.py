"""An imperceptible watermark: which pixels of which deployment an image is, told by its pixels.

NumPy and Pillow come with it. Pixels in, pixels out; no file is read here.
"""
