"""GET /routes: what the operator's file of routes says, whether each can be used, and what came of it so far."""

from __future__ import annotations

from collections import defaultdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.metrics import Metrics
from service.problems import Problem
from service.routebook import Cascade, Route, Shadow
from service.routing import differ
from service.state import State, state_of
from service.wire import CascadeState, RouteList, RouteState, ShadowState

Totals = dict[tuple[str, ...], float]


async def routes(request: Request) -> Response:
    """Answer GET /routes."""
    state = state_of(request)
    found = await run_in_threadpool(_totals, state.metrics)
    listed = [_route(name, route, state, found) for name, route in sorted(state.book.routes.items())]
    answer = RouteList(routes=listed, problem=state.book.problem)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _route(name: str, route: Route, state: State, found: Totals) -> RouteState:
    reason = _reason(route, state)
    return RouteState(
        name=name,
        ready=reason is None,
        reason=reason,
        champion=route.champion,
        shadow=_shadow(name, route.shadow, found) if route.shadow else None,
        cascade=_cascade(name, route.cascade, found) if route.cascade else None,
    )


def _reason(route: Route, state: State) -> str | None:
    """Why a route cannot be used, or None; a shadow that cannot does not keep its champion from answering."""
    names = [route.cascade.small, route.cascade.large] if route.cascade else [route.champion]
    try:
        members = [state.shelf.open(state.shelf.find(name), None) for name in names]
    except Problem as problem:
        return problem.detail
    return differ(members[0], members[-1])


def _shadow(name: str, shadow: Shadow, found: Totals) -> ShadowState:
    counts = {
        outcome: int(found["shadow", name, shadow.model, outcome])
        for outcome in ("agreed", "differed", "dropped", "failed")
    }
    compared = counts["agreed"] + counts["differed"]
    return ShadowState(
        model=shadow.model, share=shadow.share, agreement=counts["agreed"] / compared if compared else None, **counts
    )


def _cascade(name: str, cascade: Cascade, found: Totals) -> CascadeState:
    ran_s, large_s = found["seconds", name, "cascade"], found["seconds", name, "large"]
    return CascadeState(
        small=cascade.small,
        large=cascade.large,
        threshold=cascade.threshold,
        by_small=int(found["images", name, "small"]),
        by_large=int(found["images", name, "large"]),
        cost=ran_s / large_s if large_s else None,
    )


def _totals(metrics: Metrics) -> Totals:
    found: Totals = defaultdict(float)
    for family in metrics.collect():
        for sample in family.samples:
            labels = sample.labels
            if sample.name == "weighbridge_route_images_total":
                found["images", labels["route"], labels["part"]] += sample.value
            elif sample.name == "weighbridge_route_seconds_total":
                found["seconds", labels["route"], labels["of"]] += sample.value
            elif sample.name == "weighbridge_shadow_images_total":
                found["shadow", labels["route"], labels["model"], labels["outcome"]] += sample.value
    return found
