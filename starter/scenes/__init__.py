"""Pictures that leave much open: rendered objects, varied and lit at random, in drawn places."""
