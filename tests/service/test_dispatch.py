"""The batcher: no answer ever goes to another request, and nobody waits for what nobody wants any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dispatch import Dispatch
from service.joining import PAIRS, WINDOW, Joining
from service.lanes import FORGET, Curve, Lane
from service.problems import Problem
from service.settings import Settings
from service.stopwatch import Stopwatch

GUILTY = 255
Task = asyncio.Task[Any]


def model(
    name: str = "toy", before: Callable[[np.ndarray], object] = lambda images: None, image_s: float = 1.0
) -> Any:
    """A model that answers with the number in each image, and fails when one of them is GUILTY."""

    def run(images: np.ndarray) -> np.ndarray:
        before(images)
        found = images.reshape(len(images), -1)[:, :2].astype(np.float32)
        if (found[:, 0] == GUILTY).any():
            raise ArithmeticError("guilty")
        return found

    run.name = "fake"  # type: ignore[attr-defined]
    return SimpleNamespace(card=SimpleNamespace(id=f"{name}@1"), run=run, image_s=image_s)


def images(*numbers: int, request: int = 0) -> np.ndarray:
    """An image per number, which also names its request."""
    found = np.zeros((len(numbers), 2, 1, 1), np.uint8)
    found[:, 0, 0, 0], found[:, 1, 0, 0] = numbers, request
    return found


def with_dispatch(work: Callable[[Dispatch], Awaitable[Any]], **given: Any) -> Any:
    async def run() -> Any:
        dispatch = Dispatch(Settings(**{"inline_ms": 0, **given}))
        try:
            return await asyncio.wait_for(work(dispatch), 20)
        finally:
            await asyncio.to_thread(dispatch.close)

    return asyncio.run(run())


REQUESTS = st.lists(
    st.fixed_dictionaries({
        "model": st.sampled_from(["a", "b"]),
        "numbers": st.lists(st.sampled_from([0, 1, 2, 3, 7, GUILTY]), min_size=1, max_size=4),
        "pause": st.sampled_from([0, 0, 0, 1, 2]),      # turns of the event loop before it is sent
        "cancel": st.sampled_from([None] * 4 + [0, 1, 3]),  # turns after which the client gives up
        "in_time": st.sampled_from([True, True, True, False]),
    }),
    min_size=1, max_size=24,
)


@settings(max_examples=60, deadline=None)
@given(REQUESTS, st.integers(1, 3), st.sampled_from([1, 2, 5, 32]), st.sampled_from([0.0, 1.0]),
       st.sampled_from([0, 1000]))
def test_every_request_gets_its_own_answer_or_its_own_error(
    requests: list[dict[str, Any]], threads: int, max_batch: int, max_wait_ms: float, inline_ms: float
) -> None:
    models = {name: model(name, lambda images: time.sleep(0.0003)) for name in "ab"}

    async def one(dispatch: Dispatch, place: int, request: dict[str, Any]) -> None:
        watch = Stopwatch()
        deadline_ns = None if request["in_time"] else time.perf_counter_ns() - 1
        try:
            found = await dispatch.infer(
                models[request["model"]], images(*request["numbers"], request=place), watch, deadline_ns=deadline_ns
            )
        except ArithmeticError:
            assert GUILTY in request["numbers"]
        except Problem:
            assert not request["in_time"]
        else:
            assert request["in_time"]
            np.testing.assert_array_equal(found[:, 0], request["numbers"])
            np.testing.assert_array_equal(found[:, 1], place)
            assert GUILTY not in request["numbers"]

    async def all_of_them(dispatch: Dispatch) -> None:
        tasks: list[Task] = []
        for place, request in enumerate(requests):
            for _ in range(request["pause"]):
                await asyncio.sleep(0)
            tasks.append(asyncio.create_task(one(dispatch, place, request)))
            if request["cancel"] is not None:
                for _ in range(request["cancel"]):
                    await asyncio.sleep(0)
                tasks[-1].cancel()
        for outcome, request in zip(await asyncio.gather(*tasks, return_exceptions=True), requests, strict=True):
            assert outcome is None or (isinstance(outcome, asyncio.CancelledError) and request["cancel"] is not None)
        assert set(dispatch.depth().values()) <= {0}

    with_dispatch(all_of_them, concurrency=threads, max_batch=max_batch, max_wait_ms=max_wait_ms, inline_ms=inline_ms)


class Gate:
    """Holds the first call of a model until it is opened; `calls` are the numbers that reached it, by call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.opened = threading.Event()
        self.reached = threading.Event()

    def __call__(self, images: np.ndarray) -> None:
        self.calls.append(images[:, 0, 0, 0].tolist())
        self.reached.set()
        self.opened.wait(10)


async def queue_behind(dispatch: Dispatch, gate: Gate, opened: Any, *numbers: int, **more: Any) -> list[Task]:
    """One request that is in the model, and one per number that waits."""
    tasks = [asyncio.create_task(dispatch.infer(opened, images(0), Stopwatch()))]
    await asyncio.to_thread(gate.reached.wait, 10)
    tasks += [asyncio.create_task(dispatch.infer(opened, images(number), Stopwatch(), **more)) for number in numbers]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def test_what_waits_when_a_thread_gets_free_goes_together_in_order() -> None:
    gate = Gate()

    async def work(dispatch: Dispatch) -> None:
        opened = model(before=gate)
        dispatch.lane(opened).curve.image_s[1:4] = [0.5, 0.25, 0.125]
        tasks = await queue_behind(dispatch, gate, opened, 1, 2, 3, 4, 5)
        gate.opened.set()
        await asyncio.gather(*tasks)

    with_dispatch(work, concurrency=1)

    assert gate.calls == [[0], [1, 2, 3, 4, 5]]


def test_only_the_guilty_request_of_a_batch_fails() -> None:
    gate = Gate()

    async def work(dispatch: Dispatch) -> list[Any]:
        opened = model(before=gate)
        dispatch.lane(opened).curve.image_s[1:4] = [0.5, 0.25, 0.125]
        tasks = await queue_behind(dispatch, gate, opened, 1, GUILTY, 3)
        gate.opened.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = with_dispatch(work, concurrency=1)

    assert [isinstance(each, ArithmeticError) for each in found] == [False, False, True, False]


def test_how_long_failing_takes_is_not_learned() -> None:
    async def work(dispatch: Dispatch) -> tuple[list[float], list[float]]:
        opened = model(image_s=0.01)  # too slow to be run on the event loop
        await dispatch.infer(opened, images(1), Stopwatch())
        curve = dispatch.lane(opened).curve
        before = list(curve.image_s)
        with pytest.raises(ArithmeticError):
            await dispatch.infer(opened, images(GUILTY), Stopwatch())
        return before, list(curve.image_s)

    before, after = with_dispatch(work, concurrency=1)

    assert before == after


def test_a_request_that_was_given_up_or_is_too_late_never_reaches_the_model() -> None:
    gate = Gate()

    async def work(dispatch: Dispatch) -> list[Any]:
        opened = model(before=gate)
        tasks = await queue_behind(dispatch, gate, opened, 1, 2)
        late = asyncio.create_task(
            dispatch.infer(opened, images(3), Stopwatch(), deadline_ns=time.perf_counter_ns() + 10_000_000)
        )
        await asyncio.wait([late])
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        gate.opened.set()
        return await asyncio.gather(*tasks, late, return_exceptions=True)

    *_, late = with_dispatch(work, concurrency=1)

    assert late.slug == "answer-timeout"
    assert gate.calls == [[0], [2]]


def spent(watch: Stopwatch) -> set[str]:
    """The stages that got any time."""
    return {stage for stage, ns in watch.ns.items() if ns}


def test_what_a_late_request_waited_for_is_told_to_where_it_went() -> None:
    gate = Gate()

    async def late(dispatch: Dispatch, opened: Any, watch: Stopwatch) -> None:
        with pytest.raises(Problem):
            await dispatch.infer(opened, images(1), watch, deadline_ns=time.perf_counter_ns() + 20_000_000)

    async def work(dispatch: Dispatch) -> tuple[Stopwatch, Stopwatch]:
        opened, waited, ran = model(before=gate), Stopwatch(), Stopwatch()
        running = asyncio.create_task(late(dispatch, opened, ran))
        await asyncio.to_thread(gate.reached.wait, 10)
        await late(dispatch, opened, waited)
        await running
        gate.opened.set()
        return waited, ran

    waited, ran = with_dispatch(work, concurrency=1)

    assert spent(waited) == {"queue"}
    assert spent(ran) == {"queue", "infer"}


def test_work_that_is_given_up_keeps_the_time_it_took() -> None:
    opened = threading.Event()

    async def call(dispatch: Dispatch, watch: Stopwatch) -> None:
        with pytest.raises(Problem):
            await dispatch.call(lambda _: opened.wait(10), 1.0, "decode", watch)

    async def work(dispatch: Dispatch) -> list[Stopwatch]:
        watches = [Stopwatch(), Stopwatch()]
        await asyncio.gather(*(call(dispatch, watch) for watch in watches))
        opened.set()
        return watches

    ran, waited = with_dispatch(work, concurrency=1, timeout_s=0.1)

    assert "decode" in spent(ran)
    assert spent(waited) == {"queue"}


@pytest.mark.parametrize("why", ["late", "left", "cancelled"])
def test_work_on_a_thread_hears_that_nobody_wants_it_any_more(why: str) -> None:
    heard = threading.Event()

    def busy(stop: threading.Event) -> None:
        if stop.wait(10):
            heard.set()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def work(dispatch: Dispatch) -> str:
        deadline_ns = time.perf_counter_ns() + 20_000_000 if why == "late" else None
        task = asyncio.create_task(dispatch.call(
            busy, 1.0, "decode", Stopwatch(), deadline_ns=deadline_ns, receive=gone if why == "left" else None))
        await asyncio.sleep(0.05)
        if why == "cancelled":
            task.cancel()
        await asyncio.wait([task])
        await asyncio.to_thread(heard.wait, 10)
        return "cancelled" if task.cancelled() else type(task.exception()).__name__

    assert with_dispatch(work) == {"late": "Problem", "left": "ClientDisconnect", "cancelled": "cancelled"}[why]
    assert heard.is_set()


def test_a_request_that_is_cut_ends_with_the_call_it_is_at_when_it_is_given_up() -> None:
    gate = Gate()

    async def work(dispatch: Dispatch) -> None:
        opened = model(before=gate)
        dispatch.lane(opened).curve.image_s[4:6] = [2.0, 1.0]  # 16 images are known to be slower than two calls of 8
        dispatch.lane(opened).curve.image_s[1:4] = [1.0, 1.0, 0.1]
        task = asyncio.create_task(dispatch.infer(opened, images(*range(16)), Stopwatch()))
        await asyncio.to_thread(gate.reached.wait, 10)
        task.cancel()
        await asyncio.wait([task])
        gate.opened.set()

    with_dispatch(work, concurrency=1)

    assert gate.calls == [list(range(8))]


def test_an_end_does_not_wait_for_a_thread_that_cannot_be_stopped() -> None:
    stuck = threading.Event()

    async def work(dispatch: Dispatch) -> None:
        with pytest.raises(Problem):
            await dispatch.call(lambda _: stuck.wait(60), 1.0, "decode", Stopwatch())

    with_dispatch(work, timeout_s=0.1)

    assert not stuck.is_set()
    stuck.set()


def test_a_client_that_leaves_while_it_waits_leaves_the_queue() -> None:
    gate = Gate()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def work(dispatch: Dispatch) -> Any:
        opened = model(before=gate)
        tasks = await queue_behind(dispatch, gate, opened, 1, receive=gone)
        await asyncio.wait([tasks[1]])
        depth = dispatch.depth()
        gate.opened.set()
        await tasks[0]
        return type(tasks[1].exception()).__name__, depth

    assert with_dispatch(work, concurrency=1) == ("ClientDisconnect", {("toy@1", "fake"): 0})
    assert gate.calls == [[0]]


def test_a_full_queue_is_refused_at_once_with_the_time_it_takes_to_drain() -> None:
    gate = Gate()

    async def work(dispatch: Dispatch) -> Problem:
        opened = model(before=gate, image_s=3.0)
        tasks = await queue_behind(dispatch, gate, opened, 1, 2, 3)
        with pytest.raises(Problem) as caught:
            await dispatch.infer(opened, images(4), Stopwatch())
        gate.opened.set()
        await asyncio.gather(*tasks)
        return caught.value

    problem = with_dispatch(work, concurrency=1, max_waiting=3, max_batch=1)

    assert (problem.slug, problem.headers) == ("overloaded", {"Retry-After": "9"})


def test_a_busy_model_does_not_starve_another() -> None:
    order: list[str] = []
    gate = Gate()

    async def work(dispatch: Dispatch) -> None:
        busy, quiet = (model(name, lambda images, name=name: order.append(name)) for name in ("busy", "quiet"))
        holding = await queue_behind(dispatch, gate, model("holding", gate))
        tasks = [asyncio.create_task(dispatch.infer(busy, images(1), Stopwatch())) for _ in range(20)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(dispatch.infer(quiet, images(1), Stopwatch())))
        await asyncio.sleep(0)
        gate.opened.set()
        await asyncio.gather(*holding, *tasks)

    with_dispatch(work, concurrency=1, max_batch=1)

    assert order.index("quiet") <= 2


def test_a_curve_follows_what_calls_really_took() -> None:
    curve = Curve(1.0, 32)
    assert curve.limit(100) == 2  # unknown sizes are tried one after another

    for count, seconds in ((2, 1.0), (4, 1.0), (8, 1.0), (16, 4.0), (32, 8.0)):
        curve.learn(count, seconds)

    assert curve.limit(100) == 15  # 8 to 15 images were quickest per image
    assert curve.limit(5) == 5
    assert curve.pays()


def test_batches_that_save_nothing_are_not_made() -> None:
    curve = Curve(1.0, 4)
    curve.learn(2, 2.0)
    curve.learn(4, 4.2)

    assert curve.limit(100) == 1
    assert not curve.pays()


ALONE = {"workers": 256, "inline_ms": 1, "concurrency": 1}  # more workers than cores: each has at most one


def tried(joins: bool) -> Joining:
    """What has found joining to be twice as cheap, or twice as dear."""
    spent = 0
    joining = Joining(lambda: 0, lambda: spent)
    for _ in range((PAIRS + 2) * WINDOW):
        spent += 1_000 if joining.now == joins else 2_000
        joining.served(1)
    return joining


def calls_of_four(joins: bool, **given: float) -> list[int]:
    """Images in each call that four requests at once lead to, where joining was found to be cheaper, or not."""
    calls: list[int] = []
    toy = model(before=lambda batch: calls.append(len(batch)), image_s=0.01)

    async def work(dispatch: Dispatch) -> None:
        dispatch.lane(toy).joining = tried(joins)
        await asyncio.gather(*(dispatch.infer(toy, images(1), Stopwatch()) for _ in range(4)))

    with_dispatch(work, **given)
    return calls


@pytest.mark.parametrize("joins", [True, False])
def test_a_worker_with_one_core_joins_requests_only_while_that_was_found_cheaper(joins: bool) -> None:
    calls = calls_of_four(joins, **ALONE)

    assert len(calls) == (2 if joins else 4)  # two: a size that is not known yet is tried first
    assert sum(calls) == 4


@pytest.mark.parametrize("given", [{**ALONE, "inline_ms": 0}, {**ALONE, "max_wait_ms": 1.0}])
def test_where_threads_are_free_or_waiting_was_wished_for_requests_join_all_the_same(given: dict[str, float]) -> None:
    assert len(calls_of_four(False, **given)) < 4


def test_models_that_take_turns_and_requests_of_many_images_teach_nothing_about_joining(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, other = model(image_s=0.01), model("other", image_s=0.01)
    monkeypatch.setattr(Curve, "pays", lambda _: True)  # these two take no time at all

    async def work(dispatch: Dispatch) -> list[bool]:
        for _ in range(2 * WINDOW):
            await dispatch.infer(toy, images(1), Stopwatch())
            await dispatch.infer(other, images(1), Stopwatch())
        for _ in range(2 * WINDOW):
            await dispatch.infer(toy, images(1), Stopwatch())
            await dispatch.infer(toy, images(*[1] * 32), Stopwatch())
        so_far = dispatch.lane(toy).joining.now
        for _ in range(WINDOW + 1):
            await dispatch.infer(toy, images(1), Stopwatch())
        return [so_far, dispatch.lane(toy).joining.now]

    assert with_dispatch(work, **ALONE) == [False, True]


def test_while_company_would_not_pay_nothing_is_learned_about_joining() -> None:
    toy = model(image_s=0.01)

    async def work(dispatch: Dispatch) -> list[bool]:
        joining, curve = dispatch.lane(toy).joining, dispatch.lane(toy).curve
        curve.learn(2, 2 * 0.01)
        found = []
        for _ in range(3 * WINDOW):
            await dispatch.infer(toy, images(1), Stopwatch())
            found.append(joining.now)
        return found

    assert not any(with_dispatch(work, **ALONE))


@pytest.mark.parametrize("concurrency", [1, 2, 8])
def test_a_worker_with_one_core_does_not_share_what_waits_among_threads_that_it_does_not_use(concurrency: int) -> None:
    assert len(calls_of_four(True, **{**ALONE, "concurrency": concurrency})) == 2


def test_one_slow_call_does_not_end_batching_for_ever() -> None:
    toy = model(image_s=0.01)

    async def work(dispatch: Dispatch) -> bool:
        curve = dispatch.lane(toy).curve
        curve.learn(2, 2 * 0.0101)
        assert not curve.pays()
        for _ in range(1000):
            await dispatch.infer(toy, images(1), Stopwatch())
            curve.image_s[0] = 0.01  # of a model that takes no time at all
        return curve.pays()

    assert with_dispatch(work, **ALONE)


def test_looking_at_what_waits_forgets_nothing() -> None:
    lane = Lane(model(image_s=0.001), 32, lambda _: None)
    lane.curve.learn(2, 2 * 0.002)
    lane.images = 2
    before = list(lane.curve.image_s)

    lane.backlog_s()
    lane.curve.limit(2)

    assert lane.curve.image_s == before
    lane.curve.limit(2, forget=FORGET)
    assert lane.curve.image_s != before


def test_a_large_request_is_cut_where_smaller_calls_are_as_quick() -> None:
    curve = Curve(1.0, 32)
    assert curve.part(32) == 32  # what a whole call takes has to be known first

    curve.learn(32, 32.0)
    for size in (4, 8, 16):  # then smaller ones are tried
        assert curve.part(32) == size
        curve.learn(size, size * (1.02 if size == 8 else 1.05))

    assert curve.part(32) == 8
    assert curve.part(2) == 2
    assert 32 in {curve.part(32) for _ in range(1000)}  # it might have become quicker meanwhile


def test_a_request_that_is_cut_gets_the_rows_of_all_its_images_in_order() -> None:
    async def work(dispatch: Dispatch) -> None:
        sizes: list[int] = []
        opened = model(before=lambda batch: sizes.append(len(batch)))
        for _ in range(6):
            found = await dispatch.infer(opened, images(*range(21)), Stopwatch())
            assert [int(row[0]) for row in found] == list(range(21))
        assert {21, 2, 4, 8} <= set(sizes)  # the whole first, then what might be quicker

    with_dispatch(work)
