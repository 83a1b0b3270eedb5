"""Image files: their formats, how they are written with their marks, and how strange ones are read.

`formats` alone loads no image library: the API asks it what a file is called.
"""
