"""One sentence, and an exit code that a script may depend on."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
BORNE, NOT_BORNE, UNKNOWN = 0, 3, 4
BOUND = {"latency": "bound by latency", "failures": "bound by failures"}


def decide(result: Result) -> dict[str, Any]:
    """`{sentence, code, borne, headroom}`; `borne` and `headroom` are None where no rate was asked for or nobody knows.
    """
    question, capacity = result["question"], result["capacity"]
    who = f"{result['model']} at {question['url']}"
    if capacity is None:
        return _said(f"Nothing is known yet of {who}: no probe is done", UNKNOWN)
    rate, low, high = question["rate"], capacity["pass_rate"], capacity["fail_rate"]
    spoilt = capacity["blame"] is not None or high is None  # the generator ended the search, not the server
    bears = f"{who} {_amount(low, high, spoilt=spoilt)} within {question['objective_text']}; " + (
        f"what ended the search was {_who(capacity)}, not the server" if spoilt else BOUND[capacity["bound_by"]])
    if not result["validity"]["valid"]:
        return _said(bears, UNKNOWN)
    if rate is None:
        return _said(bears, UNKNOWN if spoilt else NOT_BORNE if low is None else BORNE)
    if low is not None and rate <= low:
        factor = low / rate
        told = f"{bears}: at least {factor:.2f} times" if spoilt else f"{bears}: {factor:.2f} times"
        return _said(f"{told} the {rate:g} requests/s that you expect", BORNE, borne=True, headroom=factor)
    if spoilt:
        return _said(f"{bears}: whether it bears the {rate:g} requests/s that you expect is unknown", UNKNOWN)
    return _said(f"{bears}: not the {rate:g} requests/s that you expect", NOT_BORNE, borne=False,
                 headroom=low / rate if low is not None else None)


def _who(capacity: dict[str, Any]) -> str:
    return "the machine that sent" if capacity["bound_by"] == "machine" else "the generator"


def _amount(low: float | None, high: float | None, *, spoilt: bool) -> str:
    if low is None:
        return "bears an unknown rate" if spoilt else f"does not even bear {high:,.4g} requests/s"
    return f"bears at least {low:,.0f} requests/s" if spoilt else f"bears {low:,.0f} to {high:,.0f} requests/s"


def _said(sentence: str, code: int, *, borne: bool | None = None, headroom: float | None = None) -> dict[str, Any]:
    return {"sentence": f"{sentence}.", "code": code, "borne": borne,
            "headroom": headroom and round(headroom, 3)}
