"""How bands are made and compared: filters, pyramids, and the second moments of two images' bands."""
