"""Publishing: approved images into stores, and back out of them."""
