"""What happens on a coin's own chain: who uses it, what it moves, what its holders paid, and who secures it."""

from __future__ import annotations

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.windows import before, change, deviation, divide, mean, newest, power_of_ten, total
from offchain.market.history import Floats


def _growth(field: str, what: str) -> Feature:
    """Of weekly means, because a chain has weekends too."""

    def work(days: Days) -> Floats:
        weekly = mean(days[field], 7)
        return divide(weekly[30:], before(weekly, 30)) - 1.0

    return Feature(
        name=f"{field}_growth_30d",
        group="onchain",
        unit="1",
        fields={field: 37},
        doc=f"{what} of the last 7 days / the same 30 days before − 1.",
        source="Liu and Tsyvinski (2021), network growth",
        work=work,
    )


def _address_trend(days: Days) -> Floats:
    seen = days["active_addresses"]
    return divide(newest(mean(seen, 7), days.rows), mean(seen, 90)) - 1.0


def _nvt_signal(days: Days) -> Floats:
    return divide(newest(days["market_cap"], days.rows), mean(days["transfer_value"], 90))


def _mvrv_zscore(days: Days) -> Floats:
    cap = days["market_cap"]
    return divide(newest(cap, days.rows) - days["realized_cap"], deviation(cap, 365))


def _realized_distance(days: Days) -> Floats:
    return divide(days["price"] * days["supply"], days["realized_cap"]) - 1.0


def _puell(days: Days) -> Floats:
    issued = days["issuance"] * days["market_cap"]
    return divide(newest(issued, days.rows), mean(issued, 365))


def _hash_ribbon(days: Days) -> Floats:
    rate = days["hash_rate"]
    return divide(newest(mean(rate, 30), days.rows), mean(rate, 60)) - 1.0


def _net_flow(window: int) -> Feature:
    def work(days: Days) -> Floats:
        net = total(days["exchange_inflow"], window) - total(days["exchange_outflow"], window)
        return divide(net, days["market_cap"])

    return Feature(
        name=f"exchange_net_flow_{window}d",
        group="onchain",
        unit="of the market cap",
        fields={"exchange_inflow": window, "exchange_outflow": window, "market_cap": 1},
        doc=f"Value sent to exchanges minus value taken from them in {window} days, over market cap: above 0, coins go to be sold.",
        source="Hoang and Baur (2022)",
        work=work,
    )


def _flow_balance(days: Days) -> Floats:
    inward, outward = total(days["exchange_inflow"], 30), total(days["exchange_outflow"], 30)
    return divide(inward - outward, inward + outward)


def _velocity(days: Days) -> Floats:
    return divide(mean(days["transfer_value"], 30), mean(days["market_cap"], 30)) * YEAR


def _transfer_size(days: Days) -> Floats:
    return divide(total(days["transfer_value"], 7), total(days["transfers"], 7))


ONCHAIN = (
    _growth("active_addresses", "Mean of the active addresses"),
    _growth("transactions", "Mean of the transactions per day"),
    _growth("transfers", "Mean of the transfers per day"),
    _growth("fees_paid", "Mean of the fees per day"),
    Feature(
        name="active_addresses_level_7d",
        group="onchain",
        unit="log10 addresses",
        fields={"active_addresses": 7},
        doc="Power of ten of the mean number of active addresses of 7 days; unknown without any.",
        source="Liu and Tsyvinski (2021)",
        work=lambda days: power_of_ten(mean(days["active_addresses"], 7)),
    ),
    Feature(
        name="active_addresses_trend_7d_90d",
        group="onchain",
        unit="1",
        fields={"active_addresses": 90},
        doc="Mean active addresses of 7 days / mean of 90 days − 1.",
        source="definition",
        work=_address_trend,
    ),
    Feature(
        name="metcalfe_ratio_30d",
        group="onchain",
        unit="log10 USD per address²",
        fields={"market_cap": 1, "active_addresses": 30},
        doc="Power of ten of market cap over the square of the mean number of active addresses of 30 days: high is dear.",
        source="Alabi (2017), after Metcalfe (2013)",
        work=lambda days: power_of_ten(days["market_cap"]) - 2.0 * power_of_ten(mean(days["active_addresses"], 30)),
    ),
    Feature(
        name="nvt",
        group="onchain",
        unit="days",
        fields={"nvt": 1},
        doc="Network value to transactions of the newest day, as the source has it.",
        source="Woo (2017)",
        work=lambda days: days["nvt"],
    ),
    Feature(
        name="nvt_change_30d",
        group="onchain",
        unit="1",
        fields={"nvt": 37},
        doc="Mean of that ratio over 7 days / the same 30 days before − 1.",
        source="Woo (2017)",
        work=lambda days: change(mean(days["nvt"], 7), 30),
    ),
    Feature(
        name="nvt_signal_90d",
        group="onchain",
        unit="days",
        fields={"market_cap": 1, "transfer_value": 90},
        doc="Market cap over the mean value moved per day in 90 days.",
        source="Kalichkin (2018)",
        work=_nvt_signal,
    ),
    Feature(
        name="velocity_30d",
        group="onchain",
        unit="per year",
        fields={"transfer_value": 30, "market_cap": 30},
        doc="Mean value moved per day over mean market cap of 30 days, × 365.",
        source="Fisher (1911), the equation of exchange",
        work=_velocity,
    ),
    Feature(
        name="transfer_size_7d",
        group="onchain",
        unit="log10 USD",
        fields={"transfer_value": 7, "transfers": 7},
        doc="Power of ten of the mean value of a transfer in 7 days: who is using it.",
        source="definition",
        work=lambda days: power_of_ten(_transfer_size(days)),
    ),
    Feature(
        name="mvrv",
        group="onchain",
        unit="1",
        fields={"mvrv": 1},
        doc="Market cap over realised cap, as the source has it: how far the average holder is in profit.",
        source="Mahmudov and Puell (2018)",
        work=lambda days: days["mvrv"],
    ),
    Feature(
        name="mvrv_change_30d",
        group="onchain",
        unit="1",
        fields={"mvrv": 31},
        doc="That ratio / the same 30 days before − 1.",
        source="Mahmudov and Puell (2018)",
        work=lambda days: change(days["mvrv"], 30),
    ),
    Feature(
        name="mvrv_zscore_365d",
        group="onchain",
        unit="deviations",
        fields={"market_cap": 365, "realized_cap": 1},
        doc="Market cap minus realised cap over the deviation of the market cap in 365 days.",
        source="Awe and Wonder (2018), over one year in place of all time",
        work=_mvrv_zscore,
    ),
    Feature(
        name="realized_price_distance",
        group="onchain",
        unit="1",
        fields={"price": 1, "supply": 1, "realized_cap": 1},
        doc="price / realised price (realised cap over supply) − 1.",
        source="Carter and Le Calvez (2018), realised cap",
        work=_realized_distance,
    ),
    Feature(
        name="realized_cap_growth_30d",
        group="onchain",
        unit="1",
        fields={"realized_cap": 31},
        doc="Realised cap / the same 30 days before − 1: new money at today's prices.",
        source="Carter and Le Calvez (2018), realised cap",
        work=lambda days: change(days["realized_cap"], 30),
    ),
    Feature(
        name="puell_multiple_365d",
        group="onchain",
        unit="1",
        fields={"issuance": 365, "market_cap": 365},
        doc="Value of the new coins (issuance × market cap) over its mean of 365 days: what miners have to sell.",
        source="Puell (2019)",
        work=_puell,
    ),
    Feature(
        name="hash_ribbon_30d_60d",
        group="onchain",
        unit="1",
        fields={"hash_rate": 60},
        doc="Mean hash rate of 30 days / mean of 60 days − 1: below 0 while miners give up.",
        source="Edwards (2019)",
        work=_hash_ribbon,
    ),
    Feature(
        name="hash_rate_growth_30d",
        group="onchain",
        unit="1",
        fields={"hash_rate": 37},
        doc="Mean hash rate of 7 days / the same 30 days before − 1.",
        source="Bhambhwani, Delikouras and Korniotis (2019)",
        work=lambda days: change(mean(days["hash_rate"], 7), 30),
    ),
    *(_net_flow(window) for window in (7, 30)),
    Feature(
        name="exchange_flow_balance_30d",
        group="onchain",
        unit="-1..1",
        fields={"exchange_inflow": 30, "exchange_outflow": 30},
        doc="(inflow − outflow) / (inflow + outflow) of 30 days; unknown when nothing flowed.",
        source="own",
        work=_flow_balance,
    ),
)
