"""From what was measured of each configuration to a decision: one recommendation, and a reason for every other.

A pure function of the entries in a result (see `benchmarks.decision.result`). Where the intervals of what decides
overlap, nobody knows which is better: that is a tie, and the more accurate one is preferred, openly; of those that are
as accurate, as far as can be told, the one that does most with a core. Where accuracy itself decides, the cheaper one.
Accuracies can be told apart where their difference is more than chance, which is so before their intervals part.
"""

from __future__ import annotations

from typing import Any

from benchmarks.decision.explain import NOT_YET, because, caveats, sentence
from benchmarks.decision.merits import (
    bracket_of,
    cost,
    differ_in_accuracy,
    differ_only_in_batching,
    efficiency,
    energy,
    is_open,
    known_accuracy,
    percent,
    scaled,
    score,
    shown_bracket,
    surely_more_accurate,
    top1,
)
from benchmarks.decision.names import short_names
from benchmarks.stats.intervals import Interval, overlap

Entry = dict[str, Any]


def reasons_against(entry: Entry, wish: dict[str, Any]) -> list[str]:
    """Why a configuration cannot be the answer; empty when it can."""
    if entry["unavailable"]:
        return [entry["unavailable"]]
    found = _accuracy(entry, wish)
    if entry["dominated"] and not entry["capacity"]:  # what was load-tested all the same is judged by that
        found.append(entry["dominated"])
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
    low = capacity["pass_rate"]
    if is_open(entry) and (low is None or low < rate):
        found.append(f"INVALID: whether it bears {rate:g}/s is unknown: " + _unknown(capacity))
    elif low is None:
        found.append(f"no rate down to {capacity['fail_rate']:g}/s keeps {wish['objective_text']}")
    elif low < rate:
        found.append(f"capacity {shown_bracket(capacity)} is below {rate:g}/s")
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
        entry["headroom"] = scaled(bracket_of(entry), 1 / wish["rate"])
    eligible = [entry for entry in entries if not entry["reasons"]]
    best = max(eligible, key=lambda entry: score(entry, wish)[0], default=None)
    tied = [entry for entry in eligible if best and _as_good(entry, best, wish)]
    tied = preferred(tied, wish)
    others = sorted((entry for entry in eligible if entry not in tied), key=lambda entry: -score(entry, wish)[0])
    losers = sorted((entry for entry in entries if entry["reasons"]),
                    key=lambda entry: (-_capacity(entry), -top1(entry)))
    ranked, names = [*tied, *others, *losers], short_names(entries)
    for rank, entry in enumerate(ranked, 1):
        entry["rank"] = rank
        entry["verdict"] = ("rejected" if entry["reasons"] else "recommended" if rank == 1 else
                            "tie" if entry in tied else "fits")
    return {
        "recommended": ranked[0]["id"] if eligible else None,
        "ties": [entry["id"] for entry in tied[1:]],
        "runner_up": others[0]["id"] if others else None,
        "sentence": sentence(tied, losers, wish, names),
        "because": because(tied, others, losers, wish, names),
        "command": tied[0]["command"] if tied else None,
        "caveats": caveats(tied, eligible, wish, names) if tied else [],
        "ranked": [entry["id"] for entry in ranked],
    }


def preferred(tied: list[Entry], wish: dict[str, Any]) -> list[Entry]:
    """Those that cannot be told apart by the objective, best first: by accuracy, and where that cannot be told apart
    from the best one's either, by what they do with a core; where accuracy is the objective, by cost.

    What wins only by a batch policy of its own has to bear more, and not only by luck, than with the usual one."""
    order = _by_merit(tied, wish)
    if not order or order[0]["usual_policy"]:
        return order
    usual = next((each for each in order if each["usual_policy"] and differ_only_in_batching(each, order[0])
                  and overlap(_span(each), _span(order[0]))), order[0])
    return [usual, *(each for each in order if each is not usual)]


def _by_merit(tied: list[Entry], wish: dict[str, Any]) -> list[Entry]:
    if wish["objective"] == "accuracy":
        return sorted(tied, key=lambda each: (-score(each, wish | {"objective": "cost"})[0], -efficiency(each),
                                              each["id"]))
    first = max(tied, key=top1, default=None)
    alike = [each for each in tied if first and not differ_in_accuracy(each, first)]
    rest = [each for each in tied if each not in alike]
    return [*sorted(alike, key=lambda each: (-efficiency(each), each["cores"], each["id"])),
            *sorted(rest, key=lambda each: (-top1(each), each["cores"], each["id"]))]


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


def _unknown(capacity: dict[str, Any]) -> str:
    """Why the search ended, where the server did not end it."""
    if capacity["blame"]:
        return f"the {capacity['bound_by']} was the limit at {capacity['fail_rate']:g}/s: {capacity['blame']}"
    return f"it bears {capacity['pass_rate']:,.0f}/s, and the generator cannot send more here"


def _as_good(entry: Entry, best: Entry, wish: dict[str, Any]) -> bool:
    """Whether nobody knows which of the two is better."""
    if wish["objective"] == "accuracy":
        return not surely_more_accurate(best, entry)
    return overlap(score(entry, wish), score(best, wish))


def _span(entry: Entry) -> Interval:
    """Requests per second, from the least to the most that it may bear."""
    return score(entry, {"objective": "headroom"})


def _capacity(entry: Entry) -> float:
    bracket = bracket_of(entry)
    return bracket[0] if bracket else 0.0


