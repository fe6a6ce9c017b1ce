"""How sure a number is; knows nothing of HTTP, files or models."""
