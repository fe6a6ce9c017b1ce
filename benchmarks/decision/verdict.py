"""From what was measured of each configuration to a decision: one recommendation, and a reason for every other.

A pure function of the entries in a result (see `benchmarks.decision.result`). Where the intervals of what decides
overlap, nobody knows which is better: that is a tie, and the more accurate one is preferred, openly; where accuracy
itself decides, the one that costs less.
"""

from __future__ import annotations

from typing import Any

from benchmarks.report.numbers import listed
from benchmarks.stats.intervals import Interval, overlap

Entry = dict[str, Any]
SECONDS_PER_MILLION = 1e6
NOT_YET = "not measured yet"
# How a reason begins, and what is said of it where its figures would be too much.
KINDS = {
    "accuracy": "not accurate enough", "capacity": "too little capacity", "no rate": "no rate keeps the objective",
    "dominated": "another one is as good in one respect and better in the other", "INVALID": "measured invalidly",
    "the same as": "no different from the usual batching",
}


def reasons_against(entry: Entry, wish: dict[str, Any]) -> list[str]:
    """Why a configuration cannot be the answer; empty when it can."""
    if entry["unavailable"]:
        return [entry["unavailable"]]
    found = [*_accuracy(entry, wish), *([entry["dominated"]] if entry["dominated"] else [])]
    if entry["problem"]:
        return [*found, entry["problem"]]
    if not entry["capacity"]:
        return found or [NOT_YET]
    capacity, rate = entry["capacity"], wish["rate"]
    if entry["caching"] and entry["caching"]["invalid"]:
        found.append(f"INVALID: {entry['caching']['reason']}")
    changed = (entry.get("flips") or {}).get("finding")
    if changed and changed["invalid"]:
        found.append(f"INVALID: {changed['reason']}")
    if capacity["pass_rate"] is None:
        found.append(f"no rate down to {capacity['fail_rate']:g}/s keeps {wish['objective_text']}"
                     + _blamed(capacity))
    elif capacity["pass_rate"] < rate:
        found.append(f"capacity {shown_bracket(capacity)} is below {rate:g}/s" + _blamed(capacity))
    elif wish["objective"] == "energy" and energy(entry) is None:
        why = (entry["resources"] or {}).get("energy_unknown") or "no load told it"
        found.append(f"its energy is unknown: {why}")
    return found


def decide(entries: list[Entry], wish: dict[str, Any]) -> dict[str, Any]:
    """`{recommended, ties, runner_up, sentence, because, command, caveats, ranked}`, ranked every id, best first.

    Writes `reasons`, `rank` and `verdict` into each entry.
    """
    for entry in entries:
        entry["reasons"] = reasons_against(entry, wish)
        entry["cost"] = cost(entry, wish)
        entry["headroom"] = _scaled(bracket_of(entry), 1 / wish["rate"])
    eligible = [entry for entry in entries if not entry["reasons"]]
    best = max(eligible, key=lambda entry: score(entry, wish)[0], default=None)
    tied = [entry for entry in eligible if best and overlap(score(entry, wish), score(best, wish))]
    if wish["objective"] == "accuracy":
        tied.sort(key=lambda entry: (-score(entry, wish | {"objective": "cost"})[0], entry["id"]))
    else:
        tied.sort(key=lambda entry: (-top1(entry), entry["cores"], entry["id"]))
    others = sorted((entry for entry in eligible if entry not in tied), key=lambda entry: -score(entry, wish)[0])
    losers = sorted((entry for entry in entries if entry["reasons"]), key=lambda entry: -_capacity(entry))
    ranked = [*tied, *others, *losers]
    for rank, entry in enumerate(ranked, 1):
        entry["rank"] = rank
        entry["verdict"] = ("rejected" if entry["reasons"] else "recommended" if rank == 1 else
                            "tie" if entry in tied else "fits")
    return {
        "recommended": ranked[0]["id"] if eligible else None,
        "ties": [entry["id"] for entry in tied[1:]],
        "runner_up": others[0]["id"] if others else None,
        "sentence": _sentence(tied, losers, wish),
        "because": _because(tied, others, losers, wish),
        "command": tied[0]["command"] if tied else None,
        "caveats": _caveats(tied[0], wish) if tied else [],
        "ranked": [entry["id"] for entry in ranked],
    }


def energy(entry: Entry) -> Interval | None:
    """Joules per million predictions at the expected rate: the least and the most of the passes; None where unknown."""
    known = [noted["at_rate"]["joules_per_million"] for noted in entry["passes"]
             if noted["at_rate"] and noted["at_rate"]["joules_per_million"]]
    return (min(known), max(known)) if known else None


def score(entry: Entry, wish: dict[str, Any]) -> Interval:
    """The interval of what is to be large: requests per second, or per core-second or joule, or accuracy."""
    if wish["objective"] == "accuracy":
        return accuracy_interval(entry)
    if wish["objective"] == "energy":
        least, most = energy(entry) or (float("inf"), float("inf"))
        return 1 / most, 1 / least
    low, high = bracket_of(entry) or (0.0, 0.0)
    share = entry["cores"] if wish["objective"] == "cost" else 1
    return low / share, high / share


def cost(entry: Entry, wish: dict[str, Any]) -> dict[str, Any] | None:
    """What a million predictions cost at capacity: core-seconds, and money where a price of a core-hour is known."""
    bracket = bracket_of(entry)
    if bracket is None:
        return None
    low, high = bracket
    seconds = entry["cores"] * SECONDS_PER_MILLION / low
    price = wish["price_per_hour"]
    interval = (entry["cores"] * SECONDS_PER_MILLION / high, seconds)
    joules = energy(entry)
    return {
        "core_seconds": round(seconds, 1), "core_seconds_interval": interval,
        "money": None if price is None else seconds / 3600 * price,
        "money_interval": None if price is None else _scaled(interval, price / 3600),
        "joules": None if joules is None else sum(joules) / 2, "joules_interval": joules,
    }


def bracket_of(entry: Entry) -> Interval | None:
    """Requests per second that pass and that fail. Where nothing failed, the highest that was tried stands for both."""
    capacity = entry["capacity"]
    if not capacity or capacity["pass_rate"] is None:
        return None
    return capacity["pass_rate"], capacity["fail_rate"] or capacity["pass_rate"]


def shown_bracket(capacity: dict[str, Any]) -> str:
    """`412 to 430/s`: the rate that passed and the one that failed."""
    low, high = capacity["pass_rate"], capacity["fail_rate"]
    if low is None:
        return f"below {high:,.0f}/s"
    return f"{low:,.0f} to {high:,.0f}/s" if high else f"at least {low:,.0f}/s"


def known_accuracy(entry: Entry) -> dict[str, Any] | None:
    """`{top1, interval, n}` on the whole split by the card, or else under load; None where nothing tells it."""
    card, load = entry["card_accuracy"], entry["accuracy"]
    known: dict[str, Any] | None = card or (load if load and load["n"] else None)
    return known


def accuracy_interval(entry: Entry) -> Interval:
    """With 95 % confidence; nothing is known of what has never been scored."""
    low, high = (known_accuracy(entry) or {}).get("interval") or (0.0, 1.0)
    return low, high


def percent(accuracy: dict[str, Any]) -> str:
    """`92.10 % [91.55, 92.61]`."""
    low, high = accuracy["interval"]
    return f"{100 * accuracy['top1']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def _accuracy(entry: Entry, wish: dict[str, Any]) -> list[str]:
    card, load, known = entry["card_accuracy"], entry["accuracy"], known_accuracy(entry)
    floor, found = wish["min_accuracy"], []
    if known and known["top1"] < floor:
        found.append(f"accuracy {percent(known)} is below {100 * floor:g} %")
    elif known is None and entry["capacity"]:
        found.append("its accuracy is unknown: no score on the card and no answer under load")
    if card and load and load["n"] and not overlap(tuple(card["interval"]), tuple(load["interval"])):
        found.append(f"INVALID: accuracy under load is {percent(load)}, the card says {percent(card)}")
    return found


def _sentence(tied: list[Entry], losers: list[Entry], wish: dict[str, Any]) -> str:
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
        rest = listed([entry["label"] for entry in tied[1:]])
        said += (f" A tie with {rest}: their accuracies overlap, and this one is preferred as the cheapest."
                 if wish["objective"] == "accuracy" else
                 f" A tie with {rest}: their capacities overlap, and this one is preferred for its accuracy.")
    return said


def _because(tied: list[Entry], others: list[Entry], losers: list[Entry], wish: dict[str, Any]) -> list[str]:
    """Why not another one: what the next best lacks, and what the rest fail at."""
    found = []
    aim = {"cost": "needs the fewest core-seconds per prediction", "energy": "takes the least energy per prediction",
           "headroom": "bears the highest rate", "accuracy": "is the most accurate, as far as can be told",
           }[wish["objective"]]
    fitting = len(tied) + len(others)
    if others:
        worse = score(tied[0], wish)[0] / max(score(others[0], wish)[0], 1e-12)
        lacks = {"headroom": f"bears {1 / worse:.0%} of that",
                 "accuracy": f"{100 * (top1(tied[0]) - top1(others[0])):.2f} points less",
                 }.get(wish["objective"], f"{worse:.2f} times as much")
        found.append(f"Of {fitting} that fit, it {aim}; the next, {others[0]['label']}: {lacks}.")
    elif len(tied) == 1:
        found.append("No other one fits.")
    kinds: dict[str, list[str]] = {}
    for entry in losers:
        kinds.setdefault(_kind(entry["reasons"][0]), []).append(entry["label"])
    found += [f"{listed(labels[:3])}{f' and {len(labels) - 3} more' if len(labels) > 3 else ''}: {kind}."
              for kind, labels in kinds.items()]
    return found


def _kind(reason: str) -> str:
    """A reason without its figures, which the table has."""
    return next((kind for start, kind in KINDS.items() if reason.startswith(start)), reason.splitlines()[0])


def _caveats(best: Entry, wish: dict[str, Any]) -> list[str]:
    """What whoever deploys the winner should know."""
    found = []
    accuracy = known_accuracy(best) or {}
    if accuracy["interval"][0] < wish["min_accuracy"]:
        found.append(f"its accuracy {percent(accuracy)} may still be below {100 * wish['min_accuracy']:g} %")
    if best["capacity"]["bound_by"] == "generator":
        found.append("the generator, not the server, ended the search: the real capacity is higher or unknown "
                     f"({best['capacity']['blame']})")
    if best["capacity"]["fail_rate"] is None:
        found.append("no rate that the generator can send made it fail: the real capacity is higher")
    at_rate = best["at_rate"]
    if at_rate and not at_rate["passed"]:
        found.append(f"the probe at {wish['rate']:g}/s itself missed the objective ({at_rate['over']} of "
                     f"{at_rate['requests']:,} over), though two at a higher rate kept it: the machine was restless")
    if best["caching"] and not best["caching"]["invalid"]:
        found.append(best["caching"]["reason"])
    return found


def _blamed(capacity: dict[str, Any]) -> str:
    return f" (INVALID, the generator is to blame: {capacity['blame']})" if capacity["blame"] else ""


def top1(entry: Entry) -> float:
    """The share of right answers; 0 where nothing tells it."""
    known = known_accuracy(entry)
    return float(known["top1"]) if known else 0.0


def _capacity(entry: Entry) -> float:
    bracket = bracket_of(entry)
    return bracket[0] if bracket else 0.0


def _scaled(interval: Interval | None, factor: float) -> Interval | None:
    return (interval[0] * factor, interval[1] * factor) if interval else None
