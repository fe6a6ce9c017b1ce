"""What many predictions per second need, on paper: a calculation from committed measurements and stated assumptions.

    wire.py          measures what a prediction weighs on the wire, and what a server says on /metrics
    calculation.py   from measured capacity to replicas, cores, money and bandwidth
    words.py         the tables of docs/scale-out.md
"""
