"""Publishing: stores, their credentials, and runs that put images into them."""
