"""Where to begin: goal, tolerance and horizon of an investor → settings of [risk] that fit together.

A table for orientation and nothing else. NOTICE belongs on every page that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from offchain.errors import UnitError, did_you_mean
from offchain.spec.risk_rules import RiskRules

NOTICE = (
    "This table is no investment advice and no recommendation. It shows settings that are consistent with each other, not "
    "settings that suit you. Crypto assets can lose all their value; past performance says nothing about the future."
)
GOALS = ("preserve", "balanced", "growth")
TOLERANCES = ("low", "medium", "high")
HORIZONS = ("short", "medium", "long")  # below 1 year, 1 to 3 years, above 3 years


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Settings to begin with. `sleeve`: {low, high} part of a whole portfolio that sources name for crypto {1};
    `drawdown`: the fall {1} that the settings are drawn around, not one that they can promise.
    """

    goal: str
    tolerance: str
    horizon: str
    sleeve: tuple[float, float]
    drawdown: float
    buffer: float
    max_shift: float
    volatility_target: float
    drawdown_limit: float
    stop_loss: float
    step: float
    mode: str
    why: str

    def rules(self, stable: tuple[tuple[str, float], ...]) -> RiskRules:
        """[risk] with these settings and this stable side; the shift reads breadth, which needs no signals."""
        names = {row.name for row in fields(RiskRules)}
        given = {row.name: getattr(self, row.name) for row in fields(self) if row.name in names}
        return RiskRules(
            stable=stable, shift="breadth" if self.max_shift else "off", drawdown_from=self.drawdown_limit / 3, **given
        )


# tolerance: sleeve, drawdown, buffer, shift, volatility target, step, mode
_BY_TOLERANCE: dict[str, tuple[tuple[float, float], float, float, float, float, float, str]] = {
    "low": ((0.01, 0.03), 0.20, 0.20, 0.50, 0.30, 0.10, "conservative"),
    "medium": ((0.05, 0.07), 0.35, 0.05, 0.30, 0.50, 0.15, "auto"),
    "high": ((0.10, 0.15), 0.60, 0.00, 0.00, 0.00, 1.00, "aggressive"),
}
# goal: added to the buffer, and why
_BY_GOAL = {
    "preserve": (0.30, "keeping what is there comes first: three tenths more stay in the stable side"),
    "balanced": (0.10, "gain and loss count alike: a tenth more stays in the stable side"),
    "growth": (0.00, "gain comes first: nothing is set aside for the goal alone"),
}
# horizon: factor of the drawdown that is drawn around, whether a stop is set, and why
_BY_HORIZON = {
    "short": (0.75, True, "below a year there is no time to recover: an earlier limit and a stop"),
    "medium": (1.0, True, "one to three years: the limit of the tolerance, and a stop behind it"),
    "long": (1.25, False, "above three years: a later limit, and no stop that would sell at the low"),
}


def suggest(*, goal: str, tolerance: str, horizon: str) -> Profile:
    """The row for a goal, a tolerance and a horizon. Raises UnitError for a word that the table does not have."""
    for what, word, known in (
        ("goal", goal, GOALS), ("tolerance", tolerance, TOLERANCES), ("horizon", horizon, HORIZONS)
    ):  # fmt: skip
        if word not in known:
            raise UnitError(f'{what} "{word}": use one of {", ".join(known)}.{did_you_mean(word, known)}')
    sleeve, drawdown, buffer, shift, target, step, mode = _BY_TOLERANCE[tolerance]
    more, why_goal = _BY_GOAL[goal]
    factor, has_stop, why_horizon = _BY_HORIZON[horizon]
    limit = round(drawdown * factor, 4)
    return Profile(
        goal=goal,
        tolerance=tolerance,
        horizon=horizon,
        sleeve=sleeve,
        drawdown=limit,
        buffer=round(buffer + more, 4),
        max_shift=shift,
        volatility_target=target,
        drawdown_limit=limit,
        stop_loss=round(limit + 0.05, 4) if has_stop else 0.0,
        step=step,
        mode=mode,
        why=f"{why_goal}; {why_horizon}",
    )


def table() -> tuple[Profile, ...]:
    """All rows, by goal, tolerance and horizon."""
    return tuple(
        suggest(goal=goal, tolerance=tolerance, horizon=horizon)
        for goal in GOALS
        for tolerance in TOLERANCES
        for horizon in HORIZONS
    )
