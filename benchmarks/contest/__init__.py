"""Is B slower than A? Interleaved runs of two servers, and a verdict that a merge may depend on."""
