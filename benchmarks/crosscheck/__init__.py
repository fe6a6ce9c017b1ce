"""Our load generator against LoadGen, the one MLPerf Inference uses: the same server, rate and images, in turns.

Using LoadGen makes nothing here an MLPerf result.
"""
