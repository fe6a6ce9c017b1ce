"""What waits for one opened model, and what its calls were measured to cost: the batcher's memory. Starts no threads.

A batch pays only as far as the model's own calls say so; a large request is one call only as far as that is quicker.
`Curve` keeps, per power of two, the seconds per image that real calls of about that size took; `limit` is the size that
was quickest per image so far, or the next size that has not been tried and could be filled. A size that lost, also to
not waiting at all, is forgotten slowly, so that it is tried again some day: one call can be slow by accident.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.joining import Joining
from service.shelf import Opened

LEARN = 0.2         # weight of the newest call
FORGET = 0.9999     # per call or request that passed a size over
MARGIN = 0.97       # a larger batch must be quicker per image by 3 %: it makes its first image wait
LARGEST = 256       # images of one request up to which its calls are told apart by size
ALIKE = 1.03        # a call of fewer images may be this much slower: it leaves the rest of the process in the caches
PARTS = 3           # halvings of a request that are looked at; a call of an eighth fits where the whole did not
QUEUEING_S = 40e-6  # what a future, a second turn of the event loop and a stack of images cost a request


def saves(alone_s: float, joined_s: float) -> bool:
    """Whether an image that takes so long by itself and in company had better wait for company."""
    return alone_s - joined_s > max(QUEUEING_S, (1 - MARGIN) * alone_s)


class Curve:
    """Seconds per image by size of the call: entry i for 2**i to 2**(i + 1) - 1 images; None where none was made."""

    __slots__ = ("_max_batch", "image_s")

    def __init__(self, image_s: float, max_batch: int) -> None:
        self.image_s: list[float | None] = [image_s, *[None] * (max(max_batch, LARGEST).bit_length() - 1)]
        self._max_batch = max_batch

    def learn(self, count: int, seconds: float) -> None:
        """A call of `count` images took `seconds`."""
        place = min(count.bit_length(), len(self.image_s)) - 1
        known, found = self.image_s[place], seconds / count
        self.image_s[place] = found if known is None else known + LEARN * (found - known)

    def part(self, count: int) -> int:
        """How many images of one request of `count` each call should take: all, unless fewer are as quick.

        What a call works on must fit into the caches; beyond that each image takes longer, and the interpreter finds
        its own working set gone after the call, which the call's seconds do not show. A smaller size that is not known
        yet is tried, as is one that lost before, now and then.
        """
        whole = min(count.bit_length(), len(self.image_s)) - 1
        known = self.image_s[whole]
        if known is None:
            return count
        best, size = known * ALIKE, count
        for place in range(max(1, whole - PARTS), whole):
            each = self.image_s[place]
            if each is None:
                return int(2**place)
            if each < best:
                best, size = each, int(2**place)
            else:
                self.image_s[place] = each * FORGET
        if size < count:
            self.image_s[whole] = known * FORGET
        return size

    def expected_s(self, count: int) -> float:
        """How long a call of `count` images will take, by the nearest size that is known."""
        place = min(count.bit_length(), len(self.image_s)) - 1
        while (each := self.image_s[place]) is None:
            place -= 1
        return each * count

    def pays(self) -> bool:
        """Whether waiting for company can save more than it costs; a curve that is unknown might fall to a half."""
        alone = self.image_s[0] or 0.0
        joined = self.image_s[1 : self._max_batch.bit_length()]
        best = min((each for each in joined if each is not None), default=alone / 2)
        return self._max_batch > 1 and saves(alone, best)

    def limit(self, waiting: int, *, forget: float = 1.0) -> int:
        """The most images that a call should take when `waiting` could be taken. For a call that will be made, sizes
        that it passes over become as much quicker as `forget` says."""
        best, size = self.image_s[0] or 0.0, 1
        for place in range(1, min(waiting, self._max_batch).bit_length()):
            each = self.image_s[place]
            if each is None:
                return int(2**place)
            if each < best * MARGIN:
                best, size = each, int(2 ** (place + 1)) - 1
            else:
                self.image_s[place] = each * forget
        return max(1, min(size, self._max_batch, waiting))

    def pass_over(self) -> None:
        """A request does not wait for company, because no size that is known pays."""
        for place in range(1, self._max_batch.bit_length()):
            if (each := self.image_s[place]) is not None:
                self.image_s[place] = each * FORGET


class Late(Exception):  # noqa: N818 - not an error of the model
    """The deadline of a job has passed."""


class Job:
    """The images of one request that wait for a model; `future` gives (probabilities, started, ended, batch)."""

    __slots__ = ("alarm", "count", "deadline_ns", "entered_ns", "future", "images", "started_ns", "watcher")

    def __init__(self, images: NDArray[np.uint8], future: asyncio.Future[Any], deadline_ns: int) -> None:
        self.images = images
        self.count = len(images)
        self.future = future
        self.entered_ns = time.perf_counter_ns()
        self.deadline_ns = deadline_ns  # of perf_counter_ns; later than that, nobody wants the answer
        self.started_ns: int | None = None  # when a call took it, for those who will not see the call end
        self.alarm: asyncio.TimerHandle | None = None
        self.watcher: asyncio.Task[None] | None = None


class Lane:
    """One opened model's queue, in order of arrival. `served_s` is the thread time it has had, for fairness; `called`
    hears of the images of every call."""

    __slots__ = ("called", "curve", "images", "joining", "opened", "queue", "served_s")

    def __init__(self, opened: Opened, max_batch: int, called: Callable[[int], None]) -> None:
        self.opened = opened
        self.called = called
        self.curve = Curve(opened.image_s, max_batch)
        self.queue: OrderedDict[Job, None] = OrderedDict()
        self.joining = Joining()
        self.images = 0  # in the queue
        self.served_s = 0.0

    def add(self, job: Job) -> None:
        """Wait at the end."""
        self.queue[job] = None
        self.images += job.count

    def drop(self, job: Job) -> None:
        """Leave the queue, wherever in it; nothing happens when the job is not there any more."""
        if job in self.queue:
            del self.queue[job]
            self.images -= job.count

    def take(self, limit: int) -> list[Job]:
        """The first jobs, as many as fit into `limit` images; at least one, since a request is never split."""
        batch: list[Job] = []
        count = 0
        while self.queue and (not batch or count + next(iter(self.queue)).count <= limit):
            job, _ = self.queue.popitem(last=False)
            batch.append(job)
            count += job.count
        self.images -= count
        return batch

    def backlog_s(self) -> float:
        """Thread time that the queue will take."""
        size = self.curve.limit(self.images) if self.images else 1
        return self.images / size * self.curve.expected_s(size)
