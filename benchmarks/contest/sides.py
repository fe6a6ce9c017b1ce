"""The two sides of a contest: a model of ours, served fresh for every pair of runs, or a server that runs already.

    fm-fast                        the newest version, onnxruntime, one thread
    fm-fast:torchscript:t2         another runtime, two threads
    http://10.0.0.7:3000           a server as it is, which answers in Weighbridge's form; its default model answers.
                                   An API key for it is read from WEIGHBRIDGE_API_KEY, and stored nowhere
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.comparison.contenders import Contender, NothingToWeighError, check_files, find_contenders
from benchmarks.decision.configurations import Configuration
from benchmarks.elsewhere.address import checked
from benchmarks.load.recorder import read_answer
from benchmarks.load.wire import Reply, bearer
from benchmarks.machine.server import Elsewhere, Reachable, serving
from service.runtimes import RUNTIMES, missing
from service.settings import Address

FORM = '{"predictions": [{"index": 9}]}'
THREADS = re.compile(r"t(\d+)")


@dataclass(frozen=True)
class Side:
    """What is measured. Exactly one of `url` and `configuration` is set."""

    text: str
    url: str | None = None
    configuration: Configuration | None = None
    classes: tuple[str, ...] | None = None  # that it tells apart, where it is a model of ours
    sha256: tuple[str, ...] = ()            # of its files

    @property
    def path(self) -> str:
        """Where its requests go."""
        return self.configuration.path if self.configuration else "/predict?top_k=1"

    @property
    def model(self) -> str:
        """What is asked for."""
        return self.configuration.model if self.configuration else "default"


def parse_side(text: str, root: Path) -> Side:
    """Read a side; NothingToWeighError where it names nothing that can be served here."""
    if text.startswith(("http://", "https://")):
        try:
            return Side(text, url=checked(text))
        except ValueError as error:
            raise NothingToWeighError(str(error)) from None
    name, *rest = text.split(":")
    contender = find_contenders(root, [name])[0]
    check_files([contender])
    runtime, threads = "onnxruntime", 1
    for part in rest:
        if (found := THREADS.fullmatch(part)) and int(found[1]) > 0:
            threads = int(found[1])
        elif part in RUNTIMES:
            runtime = part
        else:
            raise NothingToWeighError(f"{text}: {part!r} is neither a runtime ({', '.join(RUNTIMES)}) nor threads (t2)")
    _check(text, contender, runtime)
    return Side(text, configuration=Configuration(contender.id, runtime, threads, 1), classes=contender.card.classes,
                sha256=tuple(file.sha256 for file in contender.card.files))


def _check(text: str, contender: Contender, runtime: str) -> None:
    if contender.card.file(RUNTIMES[runtime].format) is None:
        raise NothingToWeighError(f"{text}: {contender.id} is not exported as {RUNTIMES[runtime].format}")
    if problem := missing(runtime):
        raise NothingToWeighError(f"{text}: {problem}")


def check_form(side: Side, server: Reachable, *, content: bytes, content_type: str) -> None:
    """NothingToWeighError where a server answers 200 and no prediction can be read: every load would be of failures."""
    headers = {**bearer(server.key), "Content-Type": content_type}
    answer = httpx.post(f"{server.url}{side.path}", content=content, headers=headers, timeout=120)
    if answer.status_code == 200 and read_answer(0, Reply(200, b"", answer.content, closes=False)).problem:
        raise NothingToWeighError(
            f"{side.text} answers POST {side.path} with 200, but with no prediction: {answer.text[:100]!r}. Only "
            f"servers that answer as Weighbridge does can be compared, at least with {FORM}, the class of the image; "
            "put a translator before any other")


@contextmanager
def standing(side: Side, *, root: Path, log: Path, cores: tuple[int, ...]) -> Iterator[Reachable]:
    """A server for a side, for the length of a `with` block."""
    one = side.configuration
    if one is None:
        assert side.url is not None
        yield Elsewhere(side.url, log, Address.read().api_key)
        return
    with serving(root=root, log=log, runtime=one.runtime, threads=one.threads, cores=cores,
                 settings=one.environment) as server:
        yield server
