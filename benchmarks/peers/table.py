"""A published comparison as Markdown: throughput per form beside the bare server's, latency, and what is out."""

from __future__ import annotations

from typing import Any

from benchmarks.machine.fingerprint import cpu_name

Result = dict[str, Any]
NONE = "–"
TWO_WORKERS = "raw-32"
FLAWED = " (!)"  # some answers were not 200, or never came
UNREAD = "not measured: our client could not read its answers"


def table(result: Result) -> str:
    """The tables and the sentences that must stand under them."""
    return "\n\n".join((throughput(result), latency(result), caption(result)))


def throughput(result: Result) -> str:
    """Answers per second, and in brackets the median ratio to bare in the same round."""
    forms = result["forms"]
    lines = [
        "| Answers/s (ratio to the bare server) | " + " | ".join(form["title"] for form in forms.values()) + " |",
        "|---|" + "---:|" * len(forms),
    ]
    for contender in _measured(result):
        cells = [_rate(_find(result, contender["name"], "closed", form)) for form in forms]
        lines.append(f"| {contender['label']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def latency(result: Result) -> str:
    """p99 at half of each server's own throughput and at half of bare's, and what a second worker brings."""
    lines = [
        "| One image, constant rate | rate | p99, half of its rate | p99, half of the bare server's | two workers |",
        "|---|---:|---:|---:|---:|",
    ]
    for contender in _measured(result):
        own = _first(result, contender["name"], "half-own")
        same = _first(result, contender["name"], "half-bare")
        two = _first(result, contender["name"], "two-workers")
        rate = f"{own['per_second']['median']:,.0f}/s, {own['form']}" if own and own["requests"] else NONE
        gain = f"{two['vs_one']['median']:.2f}{_flaw(two)}" if two and two["vs_one"] else NONE
        lines.append(f"| {contender['label']} | {rate} | {_tail(own)} | {_tail(same)} | {gain} |")
    return "\n".join(lines)


def caption(result: Result) -> str:
    """Who, where, when, how often, and who is missing."""
    machine, plan = result["machine"], result["plan"]
    versions = "; ".join(
        f"{each['label']}: " + ", ".join(f"{name} {found}" for name, found in each["versions"].items())
        for each in _measured(result)
    )
    out = [f"{each['label']} is not measured: {each['out']}" for each in result["contenders"] if each["out"]]
    notes = "; ".join(f"{each['label']}: {each['note']}" for each in _measured(result) if each["note"])
    cores = result["cores"]
    apart = "" if not set(cores["server"]) & set(cores["generator"]) else ", which it shares with the client"
    how = (
        f"{result['model']}, one ONNX Runtime thread, one worker on core {_cores(cores['server'])}{apart}, client "
        f"({result['client']}) on core {_cores(cores['generator'])}, 16 connections; median of {plan['rounds']} "
        f"interleaved rounds of {plan['seconds']:g} s in random order, every answer's status checked and the classes "
        f"checked beforehand. Ratios and spread are within rounds; two workers are compared with one on "
        f"{result['forms'][TWO_WORKERS]['title']}; `{FLAWED.strip()}` marks loads with failed answers."
    )
    return " ".join([
        how,
        f"{cpu_name(machine)}, {machine['usable_cores']} cores, {machine['python']}, {machine['at'][:10]}.",
        f"{notes}.",
        f"Versions: {versions}.",
        *(f"{sentence.rstrip('.')}." for sentence in out),
    ])


def _measured(result: Result) -> list[dict[str, Any]]:
    names = {entry["contender"] for entry in result["summary"]}
    return [each for each in result["contenders"] if each["name"] in names]


def _find(result: Result, contender: str, kind: str, form: str) -> dict[str, Any] | None:
    wanted = (contender, kind, form)
    return next((entry for entry in result["summary"]
                 if (entry["contender"], entry["kind"], entry["form"]) == wanted), None)


def _first(result: Result, contender: str, kind: str) -> dict[str, Any] | None:
    return next((entry for entry in result["summary"]
                 if (entry["contender"], entry["kind"]) == (contender, kind)), None)


def _rate(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return NONE
    if not entry["requests"]:
        return _nothing(entry)
    ratio = entry["ratio"]
    share = f" ({ratio['median']:.2f}; {ratio['low']:.2f} to {ratio['high']:.2f})" if ratio else ""
    return f"{entry['per_second']['median']:,.0f}{share}{_flaw(entry)}"


def _tail(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return NONE
    if entry["p99_us"] is None:
        return _nothing(entry)
    p99 = entry["p99_us"]
    return f"{p99['median'] / 1000:.2f} ms ({p99['low'] / 1000:.2f} to {p99['high'] / 1000:.2f}){_flaw(entry)}"


def _nothing(entry: dict[str, Any]) -> str:
    """A load of which no answer counts: whose fault that is."""
    return UNREAD if entry.get("unread") else f"no answer{_flaw(entry)}"


def _flaw(entry: dict[str, Any]) -> str:
    return FLAWED if entry["flaws"] else ""


def _cores(cores: list[int]) -> str:
    return ", ".join(map(str, cores)) or "any"
