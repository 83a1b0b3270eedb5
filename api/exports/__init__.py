"""A batch as files: any number of rows in little memory."""
