"""The bridge from a training run to a served artifact; the only package that imports both worlds."""
