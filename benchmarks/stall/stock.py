"""Locust as its documentation has it: users that send, wait for the answer, and only then go on.

    locust -f benchmarks/stall/stock.py Paced --headless --users 10 --run-time 40s --host http://localhost:4000

Only ever imported by locust.
"""

from __future__ import annotations

from locust import HttpUser, constant_throughput, task


class Quickstart(HttpUser):
    """The first example: no pause at all."""

    @task
    def ask(self) -> None:
        """One request."""
        self.client.get("/")


class Paced(Quickstart):
    """As many requests per second as ours sends, where the server lets it: ten users, five each."""

    wait_time = constant_throughput(5)
