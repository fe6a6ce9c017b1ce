"""The subcommands of `python -m benchmarks`: their options, and what happens in which order."""
