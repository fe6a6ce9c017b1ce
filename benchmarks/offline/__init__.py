"""A model on a labelled Parquet data set that may be larger than memory, on this machine or on a Ray cluster.

    dataset.py    which files, and their row groups, which are the units of work
    scorer.py     one unit scored: counts and exact sums, whatever its size
    engines.py    who scores the units: threads of this machine, or Ray Data
    journal.py    which units are done, so that an interrupted evaluation goes on
    result.py     what the units come to: the document that /evaluate gives

A unit's batches are always the same and what is kept of it merges to the last bit, so neither the number of nodes nor
the order in which they answer can change a figure.
"""
