"""Weighs what `service` serves; knows nothing of how models were made."""
