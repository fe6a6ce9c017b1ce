"""Requests at times drawn beforehand, over kept connections, while something happens to the servers.

Every answer is held against what each version's own graph says of its image: `misnamed` are answers that name one
version and carry the other's result. `repeated` are requests that found their idle connection closed and were sent
again on a fresh one, as HTTP clients do; `failed` are all that were not answered with 200 after that.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.load.schedule import arrivals
from benchmarks.rolling.versions import TOLERANCE, Question
from benchmarks.soak.connection import Answer, Connection, LostError

LONGEST_S = 600.0   # of a load that nobody ends
MOST_AT_ONCE = 2000  # under way; whoever is due beyond that finds the service down, for a client's patience
KEPT = "on a kept connection"


@dataclass
class Tally:
    """What became of the requests. Times are seconds since the load began."""

    sent: int = 0
    by_version: Counter[int] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    misnamed: int = 0
    repeated: int = 0
    latencies: list[tuple[float, float, int]] = field(default_factory=list)  # (intended start, seconds, version)


class Load:
    """Asks until `enough` is set; `at` is the time since it began."""

    def __init__(self, port: int, questions: list[Question], rate: float, seed: int) -> None:
        self._port, self._questions = port, questions
        self._times = arrivals("poisson", rate, LONGEST_S, seed) / 1e6
        self._idle: list[Connection] = []
        self.tally = Tally()
        self.enough = asyncio.Event()
        self._zero = 0.0
        self._at_once = 0

    @property
    def at(self) -> float:
        """Seconds since it began."""
        return asyncio.get_running_loop().time() - self._zero

    async def run(self) -> None:
        """Send what is due and wait for all answers."""
        self._zero = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for number, due in enumerate(self._times):
                if (wait := due - self.at) > 0:
                    await asyncio.sleep(wait)
                if self.enough.is_set():
                    break
                if self._at_once >= MOST_AT_ONCE:
                    self.tally.sent += 1
                    self.tally.failed[f"not sent: {MOST_AT_ONCE} requests were waiting for an answer"] += 1
                    continue
                tasks.create_task(self._one(float(due), self._questions[number % len(self._questions)]))
        for connection in self._idle:
            await connection.close()
        await asyncio.sleep(0)  # a transport is closed in the next turn of the loop

    async def _one(self, due: float, question: Question) -> None:
        self.tally.sent += 1
        self._at_once += 1
        try:
            await self._judge(due, question)
        finally:
            self._at_once -= 1

    async def _judge(self, due: float, question: Question) -> None:
        tally = self.tally
        connection = self._idle.pop() if self._idle else Connection("127.0.0.1", self._port)
        try:
            answer = await self._ask(connection, question.body)
        except LostError as error:
            tally.failed[str(error)] += 1
            return
        self._idle.append(connection)
        if answer.status != 200:
            tally.failed[f"{answer.status}: {answer.body[:200].decode(errors='replace')}"] += 1
            return
        said = json.loads(answer.body)
        index, probability = question.answers[said["version"]]
        given = said["predictions"][0]
        tally.misnamed += given["index"] != index or abs(given["probability"] - probability) > TOLERANCE
        tally.by_version[said["version"]] += 1
        tally.latencies.append((due, self.at - due, said["version"]))

    async def _ask(self, connection: Connection, body: bytes) -> Answer:
        try:
            return await connection.ask("/predict", "image/png", body, "rolling")
        except LostError as error:
            if KEPT not in str(error):
                raise
            self.tally.repeated += 1
            return await connection.ask("/predict", "image/png", body, "rolling")


async def capacity(port: int, questions: list[Question], seconds: float, connections: int) -> float:
    """Answers per second when `connections` never pause."""
    loop, done = asyncio.get_running_loop(), 0
    begun = loop.time()

    async def client(first: int) -> None:
        nonlocal done
        connection, number = Connection("127.0.0.1", port), first
        while loop.time() - begun < seconds:
            await connection.ask("/predict", "image/png", questions[number % len(questions)].body, "capacity")
            number, done = number + 1, done + 1
        await connection.close()

    await asyncio.gather(*map(client, range(connections)))
    return done / (loop.time() - begun)
