"""What every page about results has to say."""

from __future__ import annotations

PAST = "Past performance says nothing certain about the future."
SIMULATED = "Results are simulated with hindsight of which rules to test; nobody held this index at the time."
LIVE = "Results are those of the live index token on its chain."
ADVICE = "This is information about how an index works, not investment, legal or tax advice."
RISK = "Crypto assets can lose all of their value; smart contracts, price feeds and stablecoins can fail."
TAXES = "The records are complete; which method is allowed, and what is owed, depends on your country. Not tax advice."


def statements(*, is_simulated: bool) -> tuple[str, ...]:
    """In the order in which they are printed."""
    return (SIMULATED if is_simulated else LIVE, PAST, RISK, ADVICE)
