"""Weighbridge beside its peers: the same model behind each server in turn, asked by the same light client."""
