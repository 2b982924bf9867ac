"""What stands behind a coin: how many there are and will be, what its protocol earns and holds, who works on it."""

from __future__ import annotations

import numpy as np

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.windows import change, days_of, difference, divide, mean, newest, power_of_ten, total
from offchain.market.history import Floats


def _inflation(window: int) -> Feature:
    return Feature(
        name=f"supply_inflation_{window}d",
        group="fundamental",
        unit="1/year",
        fields={"supply": window + 1},
        doc=f"Log growth of the circulating supply in {window} days, per year.",
        source="definition",
        work=lambda days: difference(days.log("supply"), window) * (YEAR / window),
    )


def _commits_trend(days: Days) -> Floats:
    done = days["commits"]
    return divide(newest(mean(done, 30), days.rows), mean(done, 90)) - 1.0


def _age(days: Days) -> Floats:
    answer = np.full((days.rows, days["price"].shape[1]), np.nan)
    for day, price in enumerate(days_of(days["price"], 365)):
        answer = np.where(np.isnan(answer) & ~np.isnan(price), 364.0 - day, answer)
    return answer


FUNDAMENTAL = (
    Feature(
        name="cap_level",
        group="fundamental",
        unit="log10 USD",
        fields={"market_cap": 1},
        doc="Power of ten of the market cap.",
        source="Banz (1981); for crypto Liu, Tsyvinski and Wu (2022), size",
        work=lambda days: power_of_ten(days["market_cap"]),
    ),
    *(_inflation(window) for window in (90, 365)),
    Feature(
        name="issuance_rate",
        group="fundamental",
        unit="% per year",
        fields={"issuance": 1},
        doc="New coins a year over supply, as the source has it.",
        source="definition",
        work=lambda days: days["issuance"],
    ),
    Feature(
        name="free_float_share",
        group="fundamental",
        unit="of the supply",
        fields={"free_float": 1, "supply": 1},
        doc="Part of the circulating supply that is not held back.",
        source="definition",
        work=lambda days: divide(days["free_float"], days["supply"]),
    ),
    Feature(
        name="unlock_share_30d",
        group="fundamental",
        unit="of the supply",
        fields={"unlocks": 1},
        doc="Part of the supply that is due to be released in the next 30 days, by the schedule known now.",
        source="definition",
        work=lambda days: days["unlocks"],
    ),
    Feature(
        name="fees_to_cap_30d",
        group="fundamental",
        unit="1/year",
        fields={"fees_paid": 30, "market_cap": 1},
        doc="Fees of 30 days over market cap, per year: what the network earns on its price.",
        source="definition; a sales yield",
        work=lambda days: divide(total(days["fees_paid"], 30) * (YEAR / 30.0), days["market_cap"]),
    ),
    Feature(
        name="tvl_to_cap",
        group="fundamental",
        unit="1",
        fields={"tvl": 1, "market_cap": 1},
        doc="Value locked in the protocol over market cap: a book-to-market of decentralised finance.",
        source="Soiman, Dumas and Jimenez-Garces (2023)",
        work=lambda days: divide(days["tvl"], days["market_cap"]),
    ),
    Feature(
        name="tvl_growth_30d",
        group="fundamental",
        unit="1",
        fields={"tvl": 31},
        doc="Value locked in the protocol / the same 30 days before − 1.",
        source="Soiman, Dumas and Jimenez-Garces (2023)",
        work=lambda days: change(days["tvl"], 30),
    ),
    Feature(
        name="commits_30d",
        group="fundamental",
        unit="commits",
        fields={"commits": 30},
        doc="Changes to the public source code in 30 days.",
        source="definition",
        work=lambda days: total(days["commits"], 30),
    ),
    Feature(
        name="commits_trend_30d_90d",
        group="fundamental",
        unit="1",
        fields={"commits": 90},
        doc="Changes per day to the public source code of 30 days / of 90 days − 1; unknown when there were none.",
        source="definition",
        work=_commits_trend,
    ),
    Feature(
        name="age_365d",
        group="fundamental",
        unit="days",
        counted={"price": 365},
        doc="Days since the first price inside the last 365; 364 stands for all that are older.",
        source="definition",
        work=_age,
    ),
)
