"""The highest rate a server bears within a limit on its tail, as a bracket of a rate that holds and one that fails."""
