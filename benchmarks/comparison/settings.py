"""What a comparison was asked to do; stored with the run, so that a rerun continues only what is the same."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.plan import Plan
from benchmarks.load.schedule import rounded

UTILISATIONS = (0.5, 0.8)   # of the closed loop's throughput: an ordinary day, and a busy one
SINGLE_STREAM = 700         # requests; 662 are the minimum for a p99


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One comparison."""

    models: tuple[str, ...] = ("*",)
    root: str = "models"
    seconds: float = 15.0                # measured time of each load
    rates: tuple[float, ...] = ()        # requests per second; empty: UTILISATIONS of each model's throughput
    seed: int = 0
    body: str = "png"
    runtime: str = "onnxruntime"
    threads: int = 1
    connections: int = 8                 # of the closed load that measures capacity
    micro_seconds: float = 0.5           # per micro-benchmark; 0: none
    screening: bool = False              # short on purpose: shows that everything works, claims nothing

    def path(self, model: str) -> str:
        """Where the requests go."""
        return f"/predict?model={model}&top_k=1&runtime={self.runtime}"

    def closed(self, model: str) -> Plan:
        """The load that finds the capacity."""
        return self._plan("closed", model, arrival="closed", seconds=self.seconds * 2 / 3,
                          connections=self.connections, seed=self.seed)

    def single(self, model: str) -> Plan:
        """One request at a time: latency without any waiting."""
        return self._plan("single", model, arrival="closed", seconds=self.seconds / 3,
                          at_least=0 if self.screening else SINGLE_STREAM, seed=self.seed + 1)

    def open(self, model: str, capacity: float) -> list[Plan]:
        """The Poisson loads: at the given rates, or at known shares of the capacity (answers per second)."""
        shares: list[tuple[float | None, float]] = [(None, rate) for rate in self.rates]
        shares = shares or [(share, share * capacity) for share in UTILISATIONS]
        return [
            self._plan(f"open-{share:.0%}".rstrip("%") if share else f"open-{rate:g}", model,
                       arrival="poisson", seconds=self.seconds, rate=rounded(rate), utilisation=share,
                       seed=self.seed + 2 + number)
            for number, (share, rate) in enumerate(shares)
        ]

    def _plan(self, name: str, model: str, **details: object) -> Plan:
        warmup = min(2.0, self.seconds / 5)
        return Plan(name=name, model=model, path=self.path(model), warmup=warmup, warmup_most=5 * warmup,
                    **details)  # type: ignore[arg-type]  # the three callers above name Plan's own fields
