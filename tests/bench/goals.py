"""What the gas is held against: bare transfers, the best peer, and our goal. Measured side by side on one chain.

`limit`: a contract with its list in code that does nothing but n bare transfers and one mint or burn. `peer`: the least
that any index project needs for the same (names in PEERS). `goal`: what we set ourselves; None where there is none yet.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZES = (2, 5, 10, 20, 50)
RECEIVED_CHECK = 830  # {gas} a token: mint checks that what was due arrived

LIMITS: dict[str, dict[int, int]] = {
    "mint": {2: 69_497, 5: 123_623, 10: 213_833, 20: 394_254, 50: 935_519},
    "redeem": {2: 64_677, 5: 111_486, 10: 189_501, 20: 345_532, 50: 813_627},
    "swap V2": dict.fromkeys(SIZES, 87_908),
    "swap V3": dict.fromkeys(SIZES, 101_281),
    "fill": dict.fromkeys(SIZES, 56_081),
    "fill, no guard or oracle": dict.fromkeys(SIZES, 56_081),
    "start plan": {10: 33_460, 50: 79_740},
    "collect": dict.fromkeys(SIZES, 33_769),
    "transfer": dict.fromkeys(SIZES, 33_787),
}

PEERS: dict[str, dict[int, tuple[str, int]]] = {
    "mint": {
        2: ("Indexed", 119_256),
        5: ("Folio", 207_884),
        10: ("Folio", 322_599),
        20: ("Folio", 552_049),
        50: ("Folio", 1_240_609),
    },
    "redeem": {
        2: ("Folio", 101_200),
        5: ("Folio", 165_477),
        10: ("Folio", 272_583),
        20: ("Folio", 486_819),
        50: ("Folio", 1_129_659),
    },
    "swap V2": dict.fromkeys(SIZES, ("Set TradeModule", 229_844)),
    "swap V3": dict.fromkeys(SIZES, ("Set TradeModule", 229_844)),
    "fill": dict.fromkeys(SIZES, ("Folio", 179_016)),
    "open auction": {10: ("Folio", 799_885), 50: ("Folio", 3_388_364)},
    "whole rebalance": {50: ("Folio", 11_200_000)},
    "start plan": {10: ("Indexed", 112_638), 50: ("Set GIM", 1_030_531)},
    "collect": dict.fromkeys(SIZES, ("PieDAO", 55_452)),
    "transfer": dict.fromkeys(SIZES, ("Balancer", 34_810)),
    "create": {2: ("Indexed", 708_523), 10: ("Indexed", 1_561_611), 50: ("Folio", 5_830_000)},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operation at one size, {gas}."""

    operation: str
    size: int
    gas: int

    @property
    def goal(self) -> int | None:
        n = self.size
        goals: dict[str, int] = {
            "mint": 48_000 + (19_600 + RECEIVED_CHECK) * n,
            "redeem": 48_000 + 17_200 * n,
            "exchange V2, no guard": 115_000,
            "fill, no guard or oracle": 82_000,
            "fill": 130_000,
            "open auction": 30_000,
            **({"whole rebalance": 4_500_000} if n == 50 else {}),
            "swap V2": 165_000,
            "swap V3": 165_000,
            "collect": 42_000,
            "transfer": 34_500,
        }
        return goals.get(self.operation)

    @property
    def limit(self) -> int | None:
        return LIMITS.get(self.operation, {}).get(self.size)

    @property
    def peer(self) -> tuple[str, int] | None:
        return PEERS.get(self.operation, {}).get(self.size)
