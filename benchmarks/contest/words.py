"""A contest in words: a Markdown summary for a job or a pull request, the same on a terminal, and the exit code."""

from __future__ import annotations

from typing import Any

from benchmarks.contest.verdict import WORSE
from benchmarks.machine.fingerprint import cpu_and_cores

Result = dict[str, Any]
EXIT_WORSE, EXIT_INCONCLUSIVE = 3, 4


def exit_code(result: Result, *, inconclusive_passes: bool = False) -> int:
    """0: B is no worse; 3: it is; 4: nobody knows."""
    if result["verdict"] in WORSE:
        return EXIT_WORSE
    return EXIT_INCONCLUSIVE if result["verdict"] == "inconclusive" and not inconclusive_passes else 0


def headline(result: Result) -> str:
    """`B (fm-fast:t2) is slower than A (fm-fast)`."""
    terms = result["terms"]
    a, b = f"A ({terms['a']})", f"B ({terms['b']})"
    said = {
        "slower": f"{b} is slower than {a}", "faster": f"{b} is faster than {a}",
        "equivalent": f"{b} and {a} are equivalent within {100 * terms['margin']:g} %",
        "less accurate": f"{b} is less accurate than {a}", "failing": f"{b} fails more often than {a}",
        "inconclusive": f"It is open whether {b} is slower than {a}",
    }
    return said[result["verdict"]] + "."


def together(results: list[Result], *, inconclusive_passes: bool = False) -> int:
    """The exit code of several comparisons: harm in any of them over doubt in any of them."""
    codes = [exit_code(result, inconclusive_passes=inconclusive_passes) for result in results]
    return EXIT_WORSE if EXIT_WORSE in codes else max(codes)


def summary(results: list[Result]) -> str:
    """Several comparisons with one A, for a job's summary; `markdown` where there is only one."""
    if len(results) == 1:
        return markdown(results[0])
    lines = [f"## {len(results)} comparisons with A ({results[0]['terms']['a']})", ""]
    lines += ["| B | Verdict | p50, B / A | p99, B / A |", "|---|---|---:|---:|"]
    for result in results:
        ratios = [f"{figure['ratio']:.3f} [{figure['interval'][0]:.3f}, {figure['interval'][1]:.3f}]"
                  for figure in result["figures"].values()]
        lines.append("| " + " | ".join([result["terms"]["b"], result["verdict"], *(ratios or ["–", "–"])]) + " |")
    alone = 1 - (1 - 0.05) ** len(results)
    shared = f"{100 * results[0]['confidence']:.4g} %"
    lines += ["", (f"{len(results)} comparisons at 5 % each would raise a false alarm in {alone:.0%} of such calls "
                   f"where nothing differs. So they share the 5 %: every interval here is one of {shared}, which makes "
                   "each verdict more careful."), ""]
    return "\n".join(lines) + "\n" + "\n".join(markdown(result) for result in results)


def markdown(result: Result) -> str:
    """The whole comparison."""
    terms, machine = result["terms"], result["machine"]
    lines = [f"### {headline(result)}", ""]
    if result["figures"]:
        lines += [f"| Response time | A, ms | B, ms | B / A | {100 * result['confidence']:.4g} % interval | |",
                  "|---|---:|---:|---:|---:|---|"]
        lines += [f"| {name} | {figure['a_ms']:.3g} | {figure['b_ms']:.3g} | {figure['ratio']:.3f} | "
                  f"{figure['interval'][0]:.3f} – {figure['interval'][1]:.3f} | {figure['verdict']} |"
                  for name, figure in result["figures"].items()]
        lines.append("")
    if accuracy := result["accuracy"]:
        answers = result["answers"]
        lines.append(f"- accuracy on {accuracy['images']:,} images that both answered: A {accuracy['a']:.2%}, "
                     f"B {accuracy['b']:.2%}; {accuracy['only_a']} only A gets right, {accuracy['only_b']} only B: "
                     f"{accuracy['verdict']}")
        lines.append(f"- answered: A {answers['a']:.2%}, B {answers['b']:.2%} of the requests")
    turns = "in turns" if result["baseline"] is None else f"A from the baseline of {result['baseline']['created']}"
    lines.append(f"- {result['pairs']} of {terms['pairs']} pairs of {terms['seconds']:g} s, {turns}, the same Poisson "
                 f"schedule at {result['rate']}/s and the same images for both; seeds from {terms['seed']}")
    lines.append(f"- {cpu_and_cores(machine)}, commit {machine['commit']}")
    state = result["validity"]
    lines += [f"- **INVALID** `{item['code']}` {item['reason']}" for item in state["reasons"]]
    lines += [f"- `{item['code']}` {item['reason']}" for item in state["notes"][:5]]
    if result["verdict"] == "inconclusive":
        lines.append("- what to do: more pairs, longer ones, or a quieter machine")
    return "\n".join(lines) + "\n"
