"""Features that a UNet keeps between a picture's steps: which, in which graphs, and how well."""
