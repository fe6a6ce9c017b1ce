"""The build world: recipes, data sets, architectures and the training loop. Knows nothing of serving."""
