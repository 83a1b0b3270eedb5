"""What the starter model draws: products, their pictures, their captions; and the judge of them."""
