"""What one worker holds while it runs. Built once from the settings; handlers reach it through the request."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from starlette.requests import Request

from service.allowance import Allowance
from service.answer import Face
from service.bodies import Bodies
from service.dispatch import Dispatch
from service.images import rehearse
from service.jobs.desk import Desk
from service.keeper import Keeper
from service.metrics import Metrics
from service.opener import Opener
from service.problems import Problem
from service.routebook import RouteBook
from service.routing import Shadows, front
from service.settings import Settings
from service.shelf import STILL_LOADING, Shelf
from service.splits import Split, find_splits

logger = logging.getLogger("weighbridge")


@dataclass(eq=False)
class State:
    """`evaluations` has its own threads, so that scoring never takes one from /predict."""

    settings: Settings
    shelf: Shelf
    opener: Opener
    dispatch: Dispatch
    metrics: Metrics
    bodies: Bodies
    evaluations: ThreadPoolExecutor
    book: RouteBook
    keeper: Keeper
    shadows: Shadows
    desk: Desk
    splits: dict[str, Split] = field(default_factory=dict)
    split_problems: list[str] = field(default_factory=list)
    faces: dict[int, Face] = field(default_factory=dict)  # what each opened model shows in an answer, by its id
    evaluating: int = 0
    explaining: bool = False  # a saliency is being computed
    evaluation_s: float = 1.0  # what the last one took, for Retry-After

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics, bodies: Bodies) -> Self:
        """Nothing is loaded yet; `load` does that."""
        pool = ThreadPoolExecutor(settings.max_evaluations, thread_name_prefix="evaluation")
        shelf, book = Shelf(settings), RouteBook(settings)
        dispatch = Dispatch(settings)
        dispatch.hearer = lambda opened: metrics.batches.labels(opened.card.id, opened.run.name).observe
        state = cls(settings, shelf, Opener(shelf, settings), dispatch, metrics, bodies, pool, book,
                    Keeper(settings, shelf, book), Shadows(shelf, metrics), Desk(settings))
        state.keeper.changed = state.let_go
        return state

    def allowance(self) -> Allowance:
        """What a JSON body may hold: as many images as may be sent, of the largest shape that is served."""
        if not self.shelf.loaded:  # the largest may be still to come
            raise Problem("not-ready", STILL_LOADING, retry_after_s=1)
        return Allowance.of(self.settings.max_images, self.shelf.shapes())

    def let_go(self) -> None:
        """Forget what is remembered of models that left the shelf, so that their memory can go."""
        if self.shelf.leaving:
            opened = [each for entry in self.shelf for each in entry.opened.values()]
            self.dispatch.keep(opened)
            kept = set(map(id, opened))
            self.faces = {place: face for place, face in self.faces.items() if place in kept}

    def load(self) -> None:
        """Read splits and models from disk. Blocks; runs in a thread while /livez and /readyz already answer."""
        try:
            rehearse()
            self.splits, self.split_problems = find_splits(self.settings.models)
            self.keeper.load()
        except Exception as error:
            logger.exception("loading failed")
            self.shelf.give_up(f"loading failed: {type(error).__name__}: {error}")
        try:
            front(self.shelf, self.book, None)
        except Problem as problem:  # whoever looks at the log first must not have to guess /readyz
            logger.error("this server is not ready: %s", "; ".join(filter(None, [problem.detail, problem.cure])))

    async def close(self) -> None:
        """Let running work end."""
        await asyncio.to_thread(self.dispatch.close)
        await asyncio.to_thread(self.shadows.close)
        await asyncio.to_thread(self.desk.close)
        self.opener.close()
        self.evaluations.shutdown(wait=False, cancel_futures=True)


def state_of(request: Request) -> State:
    """The worker's state."""
    found = request.app.state.worker
    assert isinstance(found, State)
    return found
