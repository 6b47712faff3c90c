"""Models: visible pairs and queries in, vectors out."""
