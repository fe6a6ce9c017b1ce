"""A decision in words: what to deploy in one sentence, what speaks against others, and what to know about the winner.

`tied` are those that cannot be told apart, the recommended one first; `others` fit too, `losers` do not.
"""

from __future__ import annotations

from typing import Any

from benchmarks.capacity.slo import Slo
from benchmarks.decision.merits import (
    differ_in_accuracy,
    differ_only_in_batching,
    disagree,
    efficiency,
    known_accuracy,
    passes_of,
    per_hour,
    percent,
    shown_bracket,
    top1,
    usual,
)
from benchmarks.decision.names import in_a_row
from benchmarks.stats.earlystop import most_over

Entry = dict[str, Any]
NOT_YET = "not measured yet"
UNKNOWN_COST = "what the GPU costs is not known; --gpu-price-per-hour says it"
TWIN = "the same as"
# How a reason begins, and what is said of it where its figures would be too much.
KINDS = {
    "accuracy": "not accurate enough", "capacity": "too little capacity", "no rate": "no rate keeps the objective",
    "dominated": "another one is as good in one respect and better in the other", "INVALID": "measured invalidly",
    TWIN: "no different from the usual batching",
}


def makes_no_difference(entry: Entry) -> bool:
    """Whether it was dropped before any load as another one's twin."""
    return (entry["dominated"] or "").startswith(TWIN)


def sentence(
    tied: list[Entry], losers: list[Entry], wish: dict[str, Any], names: dict[str, str]
) -> str:
    """What to deploy, or that nothing fits and what comes closest."""
    if not tied and (waiting := [entry for entry in losers if entry["reasons"] == [NOT_YET]]):
        return f"Not decided yet: {len(waiting)} of {len(losers)} configurations are not measured."
    if not tied:
        closest = f" Closest: {losers[0]['label']} ({'; '.join(losers[0]['reasons'])})." if losers else ""
        return (f"Nothing that was tried keeps {wish['objective_text']} at {wish['rate']:g} requests/s "
                f"with an accuracy of {100 * wish['min_accuracy']:g} %.{closest}")
    best = tied[0]
    accuracy = known_accuracy(best) or {}
    said = (f"Deploy {best['label']}: {100 * accuracy['top1']:.2f} % accurate, and it bears "
            f"{shown_bracket(best['capacity'])} with {wish['objective_text']}, {best['headroom'][0]:.1f} times the "
            f"{wish['rate']:g}/s that you expect.")
    if len(tied) > 1:
        rest = in_a_row(names[entry["id"]] for entry in tied[1:])
        what = {"cost": "costs are the same", "efficiency": "core-seconds overlap", "energy": "energies overlap",
                "headroom": "capacities overlap", "accuracy": "accuracies overlap"}
        shared = what[wish["objective"]]
        if wish["objective"] == "cost" and per_hour(best, wish) is None:
            shared = "costs are unknown"
        said += f" A tie with {rest}: their {shared}, and this one {_preferred(tied, wish, names)}."
    return said


def _preferred(tied: list[Entry], wish: dict[str, Any], names: dict[str, str]) -> str:
    """By what a tie was broken."""
    best, second = tied[:2]
    if best["usual_policy"] and differ_only_in_batching(best, second):
        return "batches as the service does anyway: no other policy is better, as far as can be told"
    if wish["objective"] == "accuracy":
        cheapest = [entry for entry in tied if per_hour(entry, wish) == per_hour(best, wish)]
        if len(cheapest) == 1:
            return "is preferred as the cheapest"
        by = "takes the least core time" if efficiency(best) > efficiency(cheapest[1]) else "the first by its name"
        return f"is one of the cheapest, and of these {by}"
    first = max(tied, key=top1)
    if first is not best and efficiency(best) > efficiency(first):
        return f"is as accurate as {names[first['id']]}, as far as can be told, for less core time"
    if differ_in_accuracy(best, second):
        return "is preferred for its accuracy"
    if efficiency(best) > efficiency(second):
        return "takes the least core time of those that are as accurate, as far as can be told"
    return "is preferred for its few cores" if best["cores"] < second["cores"] else "comes first by its name"


def because(
    tied: list[Entry], others: list[Entry], losers: list[Entry], wish: dict[str, Any], names: dict[str, str]
) -> list[str]:
    """Why not another one: what the next best lacks, and what the rest fail at."""
    found = []
    aim = {"cost": "costs least", "efficiency": "needs the fewest core-seconds per prediction",
           "energy": "takes the least energy per prediction", "headroom": "bears the highest rate",
           "accuracy": "is the most accurate, as far as can be told"}[wish["objective"]]
    fitting = len(tied) + len(others)
    if others:
        worse = max(usual(entry, wish) for entry in tied) / max(usual(others[0], wish), 1e-12)
        unknown = wish["objective"] == "cost" and per_hour(others[0], wish) is None
        lacks = UNKNOWN_COST if unknown else {
            "headroom": f"bears {1 / worse:.0%} of that",
            "accuracy": f"{100 * (top1(tied[0]) - top1(others[0])):.2f} points less",
        }.get(wish["objective"], f"{worse:.2f} times as much")
        it = "it" if len(tied) == 1 else "it, as one of a tie,"
        found.append(f"Of {fitting} that fit, {it} {aim}; the next, {names[others[0]['id']]}: {lacks}.")
    elif len(tied) == 1:
        found.append("No other one fits.")
    kinds: dict[str, list[str]] = {}
    for entry in losers:
        kinds.setdefault(_kind(entry["reasons"][0]), []).append(names[entry["id"]])
    found += [f"{in_a_row(told[:3])}{f' and {len(told) - 3} more' if len(told) > 3 else ''}: {kind}."
              for kind, told in kinds.items()]
    return found


def caveats(tied: list[Entry], fitting: list[Entry], wish: dict[str, Any], names: dict[str, str]) -> list[str]:
    """What whoever deploys the first of `tied` should know."""
    best, found = tied[0], []
    if wish["objective"] == "cost" and per_hour(best, wish) is None:
        found.append(UNKNOWN_COST)
    if wish["objective"] == "efficiency" and best["device"] == "cuda":
        found.append("core-seconds leave out the GPU"
                     + (", which others that fit do without" if any(e["device"] == "cpu" for e in fitting) else ""))
    accuracy = known_accuracy(best) or {}
    if accuracy["interval"][0] < wish["min_accuracy"]:
        found.append(f"its accuracy {percent(accuracy)} may still be below {100 * wish['min_accuracy']:g} %")
    if best["capacity"]["bound_by"] in ("generator", "machine"):
        found.append(f"the {best['capacity']['bound_by']}, not the server, ended the search: the real capacity is "
                     f"higher or unknown ({best['capacity']['blame']})")
    if best["capacity"]["fail_rate"] is None:
        found.append(f"no rate up to {best['capacity']['pass_rate']:,.0f}/s, the highest tried, made it fail: the real "
                     "capacity is higher")
    decisive = [best] if wish["objective"] in ("cost", "accuracy") else tied  # whose capacity the answer rests on
    if restless := [entry for entry in decisive if disagree(entry)]:
        found.append(_disagreeing(restless, names))
    if best["at_rate"] and not best["at_rate"]["passed"]:
        found.append(f"the load at {wish['rate']:g}/s itself {_not_kept(best, wish)}")
    if best["caching"] and not best["caching"]["invalid"]:
        found.append(best["caching"]["reason"])
    return found


def _not_kept(entry: Entry, wish: dict[str, Any]) -> str:
    """Why the load at the expected rate is no proof of it."""
    over, requests = entry["at_rate"]["over"], entry["at_rate"]["requests"]
    told = f"{over or 'none'} of {requests:,} over"
    allowed = most_over(Slo.parse(wish["slo"]).percentile, requests)
    if over > max(0, allowed):
        return (f"missed the objective ({told}), though those at {entry['capacity']['pass_rate']:,.0f}/s kept it: the "
                "machine was restless")
    return f"was too short to prove anything ({told})" if allowed < 0 else f"never became steady ({told})"


def _disagreeing(restless: list[Entry], names: dict[str, str]) -> str:
    told = []
    for entry in restless:
        brackets = [f"{low:,.0f} to {high:,.0f}/s" for low, high in passes_of(entry)]
        told.append(f"{names[entry['id']]}: {', then '.join(brackets)}")
    return (f"passes disagree ({'; '.join(told)}): the machine was restless; more --passes with the same --output "
            "would tell more")


def _kind(reason: str) -> str:
    """A reason without its figures, which the table has."""
    return next((kind for start, kind in KINDS.items() if reason.startswith(start)), reason.splitlines()[0])
