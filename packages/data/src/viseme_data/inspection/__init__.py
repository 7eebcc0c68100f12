"""A look at a prepared folder: numbers, distributions, rejects and pictures, as one HTML page."""
