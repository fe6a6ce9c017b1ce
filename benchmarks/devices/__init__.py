"""How long one call of a model takes on the CPU and on a GPU, by batch size: what a GPU is worth to it, if anything."""
