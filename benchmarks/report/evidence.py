"""The last parts of the report: where the time goes, whether to believe it, and where and how it was measured."""

from __future__ import annotations

from typing import Any

from benchmarks.load.disturbance import in_words
from benchmarks.machine.fingerprint import cpu_name
from benchmarks.report.markup import Markup, el, join, table
from benchmarks.report.metrics import headline
from benchmarks.report.numbers import MISSING, listed, short_time
from benchmarks.report.tables import operating_point

Result = dict[str, Any]
# Where a request's time goes, in its order: server stages, then what the server did not account for, then the rest.
STAGES = (("read", "#009E73"), ("parse", "#56B4E9"), ("decode", "#0072B2"), ("queue", "#E69F00"), ("infer", "#D55E00"),
          ("encode", "#CC79A7"), ("server, other", "#9C8ADE"), ("HTTP and client", "#9AA4B2"))


def stages(result: Result) -> Markup | None:
    """Where the time goes, by the server's own account."""
    parts = [(entry, _parts(load)) for entry in result["models"] if (load := headline(entry)) and load["stages_ms"]]
    if not parts:
        return None
    return join([el("h2", "Where the time goes"),
                 el("p", f"Mean service time at {operating_point(result)}, by the stages in the server's Server-Timing "
                         "header. Means, because only means add up.", class_="soft"),
                 waterfall([(entry["name"], part) for entry, part in parts])])


def waterfall(parts: list[tuple[str, dict[str, float]]]) -> Markup:
    """Bars and a table of milliseconds by stage, one per name."""
    longest = max(sum(part.values()) for _, part in parts)
    bars = []
    for title, part in parts:
        pieces = [el("i", style=f"width:{100 * part.get(name, 0) / longest:.2f}%;background:{colour}",
                     title=f"{name}: {part.get(name, 0):.3f} ms") for name, colour in STAGES]
        bars.append(el("div", el("span", title), el("div", *pieces, class_="bar"),
                       el("span", f"{sum(part.values()):.2f} ms", class_="total"), class_="row"))
    legend = [el("li", el("span", class_="dot", style=f"background:{colour}"), name) for name, colour in STAGES]
    rows = [[title, *(f"{part[name]:.3f}" if name in part else MISSING for name, _ in STAGES)]
            for title, part in parts]
    return join([el("ul", *legend, class_="legend"), el("div", *bars),
                 table(["ms", *(name for name, _ in STAGES)], rows)])


def micro(result: Result) -> Markup | None:
    """The parts alone, each against the least anybody could do with the same bytes."""
    if not result["micro"]:
        return None
    rows = [[entry["name"].replace(" x ", " × "), short_time(entry["p50_us"] / 1e6), short_time(entry["p90_us"] / 1e6),
             short_time(entry["p99_us"] / 1e6), f"{entry['rounds']:,}",
             f"{entry['ratio']:g} ×" if entry["ratio"] else MISSING,
             (entry["control"] or "").removeprefix("control ").replace(" x ", " × ")]
            for entry in sorted(result["micro"], key=lambda entry: entry["group"] == "control")]
    return join([el("h2", "Parts alone"),
                 el("p", "Without HTTP. The ratio is the median over that of a control on the same bytes, and what "
                         "survives a change of machine.", class_="soft"),
                 table(["Part", "p50", "p90", "p99", "Rounds", "Ratio", "Control"], rows)])


def validity(result: Result) -> Markup:
    """What the tool found out about its own measurement."""
    state = result["validity"]
    found = [*((reason, "invalid") for reason in state["reasons"]), *((note, None) for note in state["notes"])]
    believed = ("Every load that the figures rest on was within its limits: generator CPU, send lag, achieved rate, "
                "drops, failures.")
    not_believed = "This result is INVALID: the loads named here say nothing about their models."
    return join([el("h2", "Validity"), el("p", believed if state["valid"] else not_believed),
                 el("ul", *(el("li", el("code", item["code"]), " ", item["reason"], class_=kind)
                            for item, kind in found)) if found else None,
                 el("p", "What to do: ", "; ".join(state["advice"]), ".") if state["advice"] else None])


def machine(result: Result) -> Markup:
    """Where."""
    settings = result["settings"]
    cpus = [load["generator_cpu"] for entry in result["models"] for load in entry["loads"] if load["generator_cpu"]]
    return machine_box(result, cpus, {"Runtime": f"{settings['runtime']}, {settings['threads']} thread(s)"})


def machine_box(result: Result, generator_cpus: list[float], more: dict[str, str]) -> Markup:
    """The fingerprint, what the generator used, and `more` rows."""
    facts = result["machine"]
    rows = {
        "CPU": f"{cpu_name(facts)}, {facts['usable_cores']} usable of {facts['cores']} cores"
               + (", virtual" if facts["virtual"] else ""),
        "Pinning": result["cores"],
        "Memory": f"{facts['ram_bytes'] / 2**30:.1f} GiB",
        "System": f"{facts['system']}, {facts['python']}",
        "Governor, quota": f"{facts['governor'] or 'unknown'}, {facts['cpu_quota'] or 'none'}",
        "Load at start": ", ".join(map(str, facts["load_average"])),
        "Taken meanwhile": in_words(result.get("witness")),
        "Generator CPU": f"at most {max(generator_cpus):.0%} of a core" if generator_cpus else "unknown",
        **more,
        "Libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
        "Commit": facts["commit"] or "unknown",
        "Images": "; ".join(f"{data['bodies']:,} of {name} as {data['body']} ({data['licence']})"
                            for name, data in result["datasets"].items()),
    }
    return join([el("h2", "Machine"), el("dl", *(part for key, value in rows.items()
                                                 for part in (el("dt", key), el("dd", value))))])


def reproduce(result: Result) -> Markup:
    """The same again."""
    commit, changes, _ = (result["machine"]["commit"] or "").partition("+")
    more = "  # and changes that were not committed" if changes else ""
    checkout = f"git checkout {commit}{more}\n" if commit else ""
    return join([el("h2", "Reproduce"), el("pre", f"{checkout}{result['command']}"),
                 el("p", f"Seeds {listed([str(seed) for seed in result['seeds']])}: arrival times and order of images."
                    if result["seeds"] else None, class_="soft")])


def _parts(load: dict[str, Any]) -> dict[str, float]:
    said = load["stages_ms"]
    named = {name: said[name] for name, _ in STAGES if name in said}
    total = said.get("total", sum(named.values()))
    return named | {"server, other": max(0.0, total - sum(named.values())),
                    "HTTP and client": max(0.0, load["service_us"]["mean"] / 1000 - total)}
