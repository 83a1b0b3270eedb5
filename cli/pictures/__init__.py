"""Pictures that show many images."""
