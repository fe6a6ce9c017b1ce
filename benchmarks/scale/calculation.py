"""From measured capacity to replicas, cores, money and bandwidth. Pure arithmetic; what is not measured is assumed.

The rate a core is given comes from the curve of p99 against the rate: the highest offered rate up to which every probe
stayed within TAIL_SHARE of the objective, which leaves the rest to the network and whatever stands before the service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

TAIL_SHARE = 0.5    # of the objective may be spent in the service
BALANCE = 0.8       # of a replica's rate is planned, since balancing is never even
SPARE = 0.1         # of the replicas may be away at once, but at least one: N + 1, and how a rollout goes on
FRAME = 90          # bytes of Ethernet, IP and TCP around a packet, with the gap between two frames
SEGMENT = 1448      # bytes of a packet's content
SCRAPE_S = 15       # between two scrapes of a replica
DEMANDS = {1_000: 1, 100_000: 4, 10_000_000: 16}  # predictions per second, and how many cores a replica then has


@dataclass(frozen=True)
class Core:
    """What one core of one model bears. Rates in predictions per second; `utilisation` is target / capacity."""

    label: str
    accuracy: float
    objective: str
    limit_s: float
    capacity: float
    target: float
    target_p99_us: float

    @property
    def utilisation(self) -> float:
        """Of what it could bear."""
        return self.target / self.capacity


@dataclass(frozen=True)
class Need:
    """What a demand needs. `waves` is how many steps a rollout takes that replaces the spare replicas at a time."""

    demand: int
    cores_each: int
    working: int
    spare: int
    cores: int
    per_hour: float
    per_million: float
    in_gbit: float
    out_gbit: float
    packets: float
    in_flight: float
    waves: int
    memory_gb: float
    series: int
    scrape_mbit: float

    @property
    def replicas(self) -> int:
        """All."""
        return self.working + self.spare


def cores_of(decision: dict[str, Any]) -> list[Core]:
    """The measured configurations of one worker on one core, the most accurate first."""
    limit_us = decision["configurations"][0]["capacity"]["limit_us"]
    found = [core for each in decision["configurations"] if (core := _core(each, decision, limit_us)) is not None]
    return sorted(found, key=lambda core: -core.accuracy)


def _core(each: dict[str, Any], decision: dict[str, Any], limit_us: float) -> Core | None:
    capacity, curve = each["capacity"], each["curve"]
    if not capacity or not capacity["pass_rate"] or not curve or each["workers"] != 1 or each["device"] != "cpu":
        return None
    found = target(curve, limit_us)
    if found is None:
        return None
    return Core(
        label=each["name"], accuracy=each["card_accuracy"]["top1"], objective=decision["wish"]["objective_text"],
        limit_s=limit_us / 1e6, capacity=capacity["pass_rate"], target=found[0], target_p99_us=found[1],
    )


def target(curve: list[dict[str, Any]], limit_us: float) -> tuple[float, float] | None:
    """(rate, the worst p99 up to it): the highest rate up to which every probe kept within TAIL_SHARE of the limit."""
    found, worst = None, 0.0
    for rate in sorted({probe["rate"] for probe in curve}):
        probes = [probe for probe in curve if probe["rate"] == rate]
        worst = max(worst, *(probe["percentile_us"] for probe in probes))
        if worst > TAIL_SHARE * limit_us or not all(probe["passed"] for probe in probes):
            break
        found = rate, worst
    return found


def need(demand: int, core: Core, *, price: float, doubling: float, wire: dict[str, Any]) -> Need:
    """`price` of a core for an hour; `doubling` is what two workers bear to one; `wire` as wire.py found it.

    `doubling` was measured on calls of 32 raw images, which wait for the model more and for HTTP less than those of one
    image do. Memory is what the processes of one replica hold, summed: pages that they share count once for each of
    them, and the whole is taken as often as there are cores. So it is rather too much.
    """
    each = DEMANDS[demand]
    efficiency = min(1.0, doubling / 2) if each > 1 else 1.0
    working = math.ceil(demand / (core.target * BALANCE * efficiency * each))
    spare = max(1, math.ceil(SPARE * working))
    cores = (working + spare) * each
    in_packets, out_packets = _packets(wire["request_bytes"]), _packets(wire["answer_bytes"])
    both = in_packets + out_packets
    replicas = working + spare
    return Need(
        demand=demand, cores_each=each, working=working, spare=spare, cores=cores, per_hour=cores * price,
        per_million=cores * price / (demand * 3600 / 1e6),
        in_gbit=demand * 8 * (wire["request_bytes"] + FRAME * both) / 1e9,
        out_gbit=demand * 8 * (wire["answer_bytes"] + FRAME * both) / 1e9,
        packets=demand * 2 * both, in_flight=demand * core.limit_s, waves=math.ceil(replicas / spare),
        memory_gb=(replicas * wire["supervisor_bytes"] + cores * wire["worker_bytes"]) / 1e9,
        series=replicas * wire["series"],
        scrape_mbit=replicas * wire["scrape_bytes"] * 8 / SCRAPE_S / 1e6,
    )


def _packets(size: float) -> int:
    """That carry so many bytes one way; the other way, as many acknowledge them at most."""
    return math.ceil(size / SEGMENT)
