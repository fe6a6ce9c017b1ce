"""Servers behind nginx that are replaced under load by servers with a new version of the model."""
