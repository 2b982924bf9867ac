"""What a run of an agent came to, as a row of the table, as JSON, and as text for the README."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.adversary.cast import CANARY

JSON = Path(__file__).with_name("adversary.json")
HEADINGS = ("agent", "controls", "acts", "lost", "in 24 h", "at market", "profit", "bound", "used")
NOISE = 1e-9  # {1} of the bound: one unit for each operation
BPS = 10_000


@dataclass(frozen=True, kw_only=True)
class Result:
    """Losses and profit in bps of NAV."""

    agent: str
    controls: str
    days: int
    acts: int  # hostile transactions that went through
    refusals: dict[str, int]
    gross: float  # all that operations took from a share, gains not set against it, the honest keeper's costs included
    lost: float  # net, less what the twin lost
    within_a_day: float  # worst gross loss in any 24 hours
    profit: float
    lost_at_market: float
    profit_at_market: float
    bound: float  # C·(1 + T/W) for the whole time
    used: float  # largest share of C·(1 + T/W) over any period within it
    stretch: float  # by how much the bound is wider for this agent, and `notes` say why
    breaches: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)
    days_of: list[float] = field(default_factory=list)  # gross loss at the end of each day

    @property
    def is_canary(self) -> bool:
        return self.agent == CANARY

    @property
    def verdict(self) -> str:
        """Empty when all is well, else what is wrong."""
        broken = self.used > self.stretch * (1 + NOISE)
        if self.is_canary:
            return "" if broken else "the canary did not break the bound: the meter is blind"
        if self.breaches:
            return "; ".join(self.breaches)
        if broken:
            return f"passed the bound: {self.used:.4f} of it"
        return "" if self.acts else "did nothing"

    def cells(self) -> tuple[str, ...]:
        return (
            self.agent,
            self.controls,
            f"{self.acts:,}",
            f"{self.lost:,.2f}",
            f"{self.within_a_day:,.2f}",
            f"{self.lost_at_market:,.2f}",
            f"{self.profit_at_market:,.2f}",
            f"{self.bound:,.0f}",
            f"{self.used:.1%}",
        )


def print_row(result: Result) -> str:
    verdict = result.verdict
    cells = result.cells()
    line = f"{cells[0]:<22}{cells[1]:<42}" + "".join(f"{cell:>11}" for cell in cells[2:])
    wider = f"   bound x {result.stretch:.3f}: an old valuation" if result.stretch != 1 else ""
    return line + wider + (f"   FAILED: {verdict}" if verdict else "")


def heading() -> str:
    return f"{HEADINGS[0]:<22}{HEADINGS[1]:<42}" + "".join(f"{cell:>11}" for cell in HEADINGS[2:])


def markdown(results: Sequence[Result]) -> str:
    """The table for the README, bps of NAV."""
    head = (
        "agent",
        "controls",
        "hostile acts",
        "holders lost",
        "worst in 24 h",
        "lost at market prices",
        "agent's profit",
        "bound",
        "most used",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * 2 + "---:|" * 7]
    lines += ["| " + " | ".join(result.cells()) + " |" for result in results]
    return "\n".join(lines) + "\n"


def write_json(results: Sequence[Result], seed: int, order: Sequence[str]) -> list[Result]:
    """Puts these results in the place of older ones of the same agents; returns all that are there now."""
    old = {row["agent"]: Result(**row) for row in json.loads(JSON.read_text())["agents"]} if JSON.exists() else {}
    known = old | {result.agent: result for result in results}
    rows = [known[name] for name in order if name in known]
    document = {"unit": "bps of NAV", "seed": seed, "agents": [_rounded(asdict(row)) for row in rows]}
    JSON.write_text(json.dumps(document, indent=1) + "\n")
    return rows


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value
