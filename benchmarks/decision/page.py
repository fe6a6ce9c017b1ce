"""The page of a decision: what to deploy and how, then what it rests on, then everything needed to doubt it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.capacity.slo import arriving
from benchmarks.decision import figures
from benchmarks.decision.merits import known_accuracy, shown_bracket
from benchmarks.decision.names import short_names
from benchmarks.decision.trades import trades
from benchmarks.decision.words import MARK, cells, configuration, cost_title, refinement, rule
from benchmarks.report import evidence
from benchmarks.report.figures import colour
from benchmarks.report.markup import Markup, el, join, table
from benchmarks.report.numbers import MISSING, milliseconds, short_time
from benchmarks.report.page import document
from benchmarks.roofline import words as roofline
from benchmarks.roofline.result import published_for

Result = dict[str, Any]
SHOWN_STAGES = 3  # configurations, the best ones


def write_page(path: Path, result: Result) -> Path:
    """Write the page for a decision to `path`."""
    path.write_text(page(result), encoding="utf-8")
    return path


def page(result: Result) -> str:
    """The whole document."""
    wish = result["wish"]
    return document(
        title=f"{wish['objective_text']} at {wish['rate']:g}/s, {result['created'][:10]}",
        heading=f"decision of {result['created'][:16].replace('T', ' ')} UTC",
        sections=[section for build in SECTIONS if (section := build(result)) is not None],
        run_id=result["run_id"], data=result,
    )


def answer(result: Result) -> Markup:
    """What to deploy, and the command that serves it."""
    decision, wish = result["decision"], result["wish"]
    best = next((entry for entry in result["configurations"] if entry["id"] == decision["recommended"]), None)
    beside = trades(result["configurations"], wish)
    return join([
        _banner(result), el("p", "Deploy" if best else "No answer", class_="kicker"),
        el("p", best["label"], class_="winner") if best else None,
        el("p", decision["sentence"].removeprefix(f"Deploy {best['label']}: ") if best else decision["sentence"],
           class_="lead"),
        el("pre", decision["command"], class_="command") if best else None,
        _cards(best, wish) if best else None,
        el("h3", "Why not another one" if best else "Why") if decision["because"] else None,
        el("ul", *(el("li", reason) for reason in decision["because"])) if decision["because"] else None,
        *(el("p", el("b", "But: "), caveat, ".") for caveat in decision["caveats"]),
        el("h3", "What else would do") if beside else None,
        el("ul", *(el("li", trade, ".") for trade in beside)) if beside else None,
        el("p", _held(best), class_="soft") if best else None,
    ])


def _held(best: dict[str, Any]) -> str:
    """What the command alone does not say."""
    cores = best["pinned_to"]
    held = f"with the server held to core {', '.join(map(str, cores))} (taskset -c {','.join(map(str, cores))})" \
        if cores else "without pinning"
    passes = len(best["passes"])
    return f"Measured {held}, {f'{passes} times, each on a fresh server' if passes > 1 else 'once'}."


def trade_off(result: Result) -> Markup | None:
    """Accuracy against capacity."""
    drawn = figures.accuracy_against_capacity(result)
    wish = result["wish"]
    return drawn and join([
        el("h2", f"Accuracy against capacity with {wish['objective_text']}"),
        el("p", "Up and to the right is better; the dashed lines are what was asked for. Sideways bars run from the "
                "rate that passed to the one that failed, upright ones are 95 % intervals. Open marks are rejected, "
                "for the reason below.", class_="soft"),
        drawn])


def ranking(result: Result) -> Markup:
    """Every configuration, and why it lost."""
    wish, names = result["wish"], short_names(result["configurations"])
    head = ["", configuration(result), "Why not", "Accuracy, %", "Capacity, req/s",
            join([f"{wish['slo'].split('=')[0]} at", el("br"), f"{wish['rate']:g}/s"]), "Headroom", cost_title(wish)]
    rows = []
    for position, entry in enumerate(result["configurations"]):
        accuracy, capacity, at_rate, headroom, price, reasons = cells(entry, wish)
        mark = MARK[entry["verdict"]].strip("*")
        rows.append([
            el("span", mark, class_={"recommended": "best", "rejected": "invalid"}.get(entry["verdict"])),
            join([el("span", class_="dot", style=f"background:{colour(position)}"), names[entry["id"]]]),
            el("span", reasons or MISSING, class_="reason"), _accuracy(accuracy), capacity.removesuffix("/s"), at_rate,
            headroom, price])
    return join([el("h2", "Every configuration, best first"), table(head, rows, text_columns=3),
                 el("p", rule(wish), class_="soft"),
                 *(el("p", sentence, class_="soft") for sentence in refinement(result)),
                 *(el("p", "Left out: ", sentence, ".", class_="soft") for sentence in result["left_out"])])


def passes(result: Result) -> Markup | None:
    """Each pass by itself: what was found, and when."""
    percentile = result["wish"]["slo"].split("=")[0].strip()
    rows = []
    for position, entry in enumerate(result["configurations"]):
        for noted in entry["passes"]:
            kept = {f"rate-{probe['rate']:g}-{probe['trial'] + 1}": probe["passed"] and probe["blame"] is None
                    for probe in (entry["capacity"] or {"probes": []})["probes"] if not probe.get("disturbed")}
            own = [kept[name] for name in noted["probes"] if name in kept]
            low, high = noted["bracket"]
            at = noted["at_rate"]
            rows.append([
                join([el("span", class_="dot", style=f"background:{colour(position)}"), entry["label"]]),
                f"{noted['pass']}, {noted['began'][11:16]} UTC",
                shown_bracket({"pass_rate": low, "fail_rate": high}) if low or high else MISSING,
                f"{own.count(True)} kept, {own.count(False)} missed" if own else MISSING,
                f"{milliseconds(at['percentile_us'])} ms" if at else MISSING])
    if not rows:
        return None
    return join([el("h2", "Pass by pass"),
                 el("p", "Every pass has a fresh server; the order is random, and reversed in every other pass. A "
                         "later pass tries both ends of the bracket again and goes on searching where it disagrees.",
                    class_="soft"),
                 table(["Configuration", "Pass, begun", "Bracket after it, req/s", "Its probes",
                        f"{percentile} at {result['wish']['rate']:g}/s"], rows, text_columns=2)])


def curves(result: Result) -> Markup | None:
    """The tail against the rate."""
    drawn = figures.tail_against_rate(result)
    return drawn and join([
        el("h2", "The tail against the rate"),
        el("p", f"Each mark is one probe with {arriving(result['wish'])}, latency counted from the intended start. "
                "Filled marks kept the objective, open ones missed it; a probe stops as soon as it cannot pass any "
                "more, so the figure of an open mark may be too low.", class_="soft"),
        drawn])


def stages(result: Result) -> Markup | None:
    """Where the time goes, and where that of the slowest goes."""
    best = [entry for entry in result["configurations"] if entry["parts"]][:SHOWN_STAGES]
    bars = [(f"{entry['name']}, {part['label']}{suffix}", part[kind])
            for entry in best for part in entry["parts"]
            for kind, suffix in (("mean", ""), ("slowest", ": slowest")) if part[kind]]
    if not bars:
        return None
    share = 100 - float(result["wish"]["slo"].split("=")[0].strip().removeprefix("p"))
    return join([el("h2", "Where the time goes"),
                 el("p", "Mean milliseconds by the stages in the server's Server-Timing header, at half and at 90 % "
                         f"of the capacity: of all requests, and of the slowest {share:g} % that the objective "
                         "is about. What waits is in the queue or outside of the server's own account.",
                    class_="soft"), evidence.waterfall(bars)])


def accuracies(result: Result) -> Markup | None:
    """Whether the served artifact is as good under load as its card says."""
    rows = [[entry["label"], entry["caching"]["reason"] if entry["caching"] else "no sign of a cache",
             _percent(entry["accuracy"]), f"{entry['accuracy']['n']:,}", _percent(entry["card_accuracy"])]
            for entry in result["configurations"] if entry["accuracy"] and entry["accuracy"]["n"]]
    if not rows:
        return None
    return join([el("h2", "Accuracy under load, and caching"),
                 el("p", "Every request carried a labelled image, and every answer was scored. Caching was looked for "
                         "by asking about one image again and again.", class_="soft"),
                 table(["Configuration", "Same image against different ones", "Under load", "Answers", "Card"], rows,
                       text_columns=2)])


def alone(result: Result) -> Markup | None:
    """The bare runtime, one request at a time over HTTP, and what that costs on top."""
    rows = []
    for entry in result["configurations"]:
        forward, single = entry["forward_us"], entry["single"]
        if not (forward or single):
            continue
        tax = (single["p50_us"] - forward["p50"]) if forward and single else None
        used = entry["resources"] or {}
        rows.append([entry["label"], short_time(forward["p50"] / 1e6) if forward else MISSING,
                     f"{milliseconds(single['p50_us'])} ms" if single else MISSING,
                     f"{milliseconds(single['p99_us'])} ms" if single else MISSING,
                     f"{milliseconds(tax)} ms" if tax is not None else MISSING,
                     f"{used['server_cpu']:.0%}" if used.get("server_cpu") is not None else MISSING,
                     f"{used['server_rss_bytes'] / 2**20:,.0f} MiB" if used.get("server_rss_bytes") else MISSING])
    return (rows and join([
        el("h2", "Alone, and what serving costs"),
        el("p", "The runtime with one image in memory; one request at a time over HTTP; the serving tax is the "
                "difference of the medians. CPU and memory are the server's most over all loads.", class_="soft"),
        table(["Configuration", "Runtime p50", "HTTP p50", "HTTP p99", "Serving tax", "CPU", "Memory"], rows)])) or None


def limit(result: Result) -> Markup | None:
    """How far the bare runtime is from what this kind of machine could do, where a roofline of it is committed."""
    known = published_for(result["machine"])
    models = {entry["model"] for entry in result["configurations"]}
    rows = [roofline.cells(row) for row in roofline.ordered(known) if row["model"] in models] if known else []
    if known is None or not rows:
        return None
    return join([
        el("h2", "How far from the limit"),
        el("p", "The operations and bytes of one call against what this kind of machine was measured to do at most: no "
                "setting of a server gets far beyond it, only a network with less to do or another precision. The "
                "limit is measured, too, so a share may exceed 100 % by what two measurements differ.",
           class_="soft"),
        table(list(roofline.COLUMNS), rows, text_columns=2),
        el("p", roofline.sentence(known), class_="soft")])


def machine(result: Result) -> Markup:
    """Where, and what the generator can do there."""
    found, wish = result["calibration"], result["wish"]
    cpus = [entry["resources"]["generator_cpu"] for entry in result["configurations"]
            if entry["resources"] and entry["resources"]["generator_cpu"]]
    more = {"Asked for": f"{wish['objective_text']}, accuracy at least {100 * wish['min_accuracy']:g} %, "
                         f"{wish['rate']:g}/s, objective {wish['objective']}"}
    if found:
        most = f"{found['most_rate']:,.0f}/s at most" if found["most_rate"] else "not even 250/s"
        more["Generator alone"] = (f"{most} on schedule ({found['limited_by']}); against a server that does nothing "
                                   f"p50 {milliseconds(found['floor_p50_us'])} ms, "
                                   f"p99 {milliseconds(found['floor_p99_us'])} ms")
    told = next((entry["resources"] for entry in result["configurations"] if entry["resources"]), None)
    if told:
        more["CPU energy"] = f"unknown: {told['energy_unknown']}" if told["energy_unknown"] else \
            "by RAPL, of the whole package: the generator and idling included"
        mib = (told["gpu_memory_bytes"] or 0) / 2**20
        more["GPU"] = told["gpu_unknown"] or f"at most {told['gpu_utilisation'] or 0:.0%} busy, {mib:,.0f} MiB in use"
    return evidence.machine_box(result, cpus, more)


SECTIONS: tuple[Callable[[Result], Markup | None], ...] = (
    answer, trade_off, ranking, curves, passes, stages, accuracies, alone, limit,
    evidence.validity, machine, evidence.reproduce,
)


def _banner(result: Result) -> Markup | None:
    state = result["validity"]
    if not state["valid"]:
        reasons = [el("li", item["reason"]) for item in state["reasons"][:5]]
        return el("div", el("b", "INVALID: do not decide by this."), el("ul", *reasons), class_="banner")
    note = next((item for item in state["notes"] if item["code"] == "screening"), None)
    return el("div", el("b", "Screening: "), note["reason"], class_="banner screening") if note else None


def _cards(best: dict[str, Any], wish: dict[str, Any]) -> Markup:
    """The three figures the sentence rests on."""
    accuracy, cost = known_accuracy(best) or {}, best["cost"]
    cores = f"{cost['cores']} core{'s' * (cost['cores'] > 1)}"
    if cost["money"] is not None:
        money = (f"{cost['money']:.3g}", f"per million predictions, {cores} at {wish['price_per_hour']:g} an hour")
    elif wish["objective"] == "efficiency":
        money = (f"{cost['core_seconds']:,.0f} s", "of one core per million predictions")
    else:
        money = (cores, f"for the {wish['rate']:g}/s expected")
    if wish["objective"] == "energy":
        money = (f"{cost['joules']:,.0f} J", "of the CPU packages per million predictions")
    shown = (
        ("Capacity", shown_bracket(best["capacity"]), f"{best['headroom'][0]:.2f} × the {wish['rate']:g}/s expected"),
        ("Accuracy", f"{100 * accuracy['top1']:.2f} %",
         f"95 %: {100 * accuracy['interval'][0]:.2f} to {100 * accuracy['interval'][1]:.2f} %"),
        ("Cost", *money),
    )
    return el("div", *(el("div", el("h3", title), el("strong", figure), el("div", soft, class_="figure soft"),
                          class_="answer") for title, figure, soft in shown), class_="answers")


def _accuracy(text: str) -> Markup | str:
    at, _, interval = text.partition(" % ")
    return join([at, el("small", interval.strip("[]").replace(", ", " – "))]) if interval else text


def _percent(accuracy: dict[str, Any] | None) -> str:
    return f"{100 * accuracy['top1']:.2f} %" if accuracy else MISSING
