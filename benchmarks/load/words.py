"""One load in a few lines, for the terminal of those who sent it by hand."""

from __future__ import annotations

from benchmarks.load.stored import Load
from benchmarks.load.summary import summarise


def lines(load: Load) -> list[str]:
    """What was sent, what came back, how long it took, and whether any of it may be believed."""
    said = summarise(load)
    workers = load.generator.get("workers") or []
    by = f" by {len(workers)} workers" if workers else ""
    told = [(f"{said['requests']} requests at {said['rate_achieved']:g}/s{by}: {said['ok']} answered, "
             f"{said['failed']} failed, {said['timeouts']} timed out, {said['dropped']} dropped")]
    if said["ok"]:
        response, accuracy = said["response_us"], said["accuracy"]
        low, high = accuracy["interval"]
        told += [
            "response time from the intended start: " + ", ".join(
                f"p{q} {response[f'p{q}'] / 1000:.2f} ms" for q in (50, 90, 99)),
            f"accuracy under load {accuracy['top1']:.2%} (95 %: {low:.2%} to {high:.2%})",
        ]
    state = said["validity"]
    told.append("VALID" if state["valid"] else "INVALID: do not use these figures")
    told += [f"  {entry['code']}: {entry['reason']}" for entry in (*state["reasons"], *state["notes"])]
    told += [f"  what to do: {advice}" for advice in state["advice"]]
    return told
