"""What moments of bands say: a number for each level."""
