"""Everything Ballast refuses to do, in one tree. A message says what is wrong, the value, the limit, and the way out.

BallastError                       exit code 1
├── SpecError                      an index file cannot be used; `.problems` holds every mistake found in it
├── UnitError                      an amount cannot be turned into integers without losing or inventing money
├── MarketDataError                market data cannot be read or trusted
│   ├── MissingHistory             nothing is known at the time asked for
│   ├── PoolsTooShallow            the pools do not hold what a rebalance would have to trade
│   ├── LevelsChanged              a published index level would become another one without a restatement
│   └── SourceUnavailable          a data provider did not answer, or answered something else
├── ModelError                     a trained model cannot be used here: its file, its hash, its features or its time
├── InfeasibleWeights              caps, floors and names cannot add up to one
├── NotConverged                   a solver did not reach the accuracy that its weights are promised with
├── EmptyUniverse                  no coin, or too few, pass the index's own rules
├── UnknownFeature                 a name that is in no catalogue of data points
├── DecisionMismatch               a published decision does not follow from its inputs
├── ChainError                     the chain refused or cannot be reached
│   ├── NotConnected               no node answers at the URL
│   ├── WrongNetwork               the node is on another chain than the operator said
│   ├── UnknownIndex               no index of that name or address on this chain
│   ├── InsufficientBalance        the account holds less than the action needs
│   ├── InsufficientAllowance      the account approved less than the action pulls
│   ├── StalePrice                 a feed is older than the age we accept
│   ├── TransactionReverted        a contract said no; the decoded reason is in the message
│   ├── PortInUse                  the local node cannot listen: something else does
│   └── NodeDied                   the local node stopped by itself
├── KeeperError                    the keeper cannot go on without a human
├── ServiceError                   the service cannot listen, answer or deliver
│   ├── BadRequest                 a question to the service that has no meaning
│   ├── NotFound                   a question about something that there is not
│   └── NotDelivered               alerts did not reach the address they were to be sent to
└── ResultsError                   a result cannot be measured, explained or booked from what was given
    ├── UnusableLevels             a line of levels is none, or does not fit its benchmark
    ├── UnusableHoldings           what is said to be held cannot be
    └── UnusableTrades             a list of trades sells what was never bought, or is out of order
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean "x"?' for the closest known name, or an empty string when nothing is close."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    close = get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return f' Did you mean "{folded[close[0]]}"?' if close else ""


class BallastError(Exception):
    """Any refusal of Ballast; the command line prints the message and leaves with `exit_code`."""

    exit_code = 1


# --- spec -----------------------------------------------------------------------------------------------------------


class SpecError(BallastError):
    """An index file has mistakes. All of them are in `problems`, one line each, so that one edit can fix them all."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        heading = f"{source}: {count} mistake{'s' if count != 1 else ''} in the index file"
        super().__init__("\n".join([heading, *(f"  - {problem}" for problem in self.problems)]))


class UnitError(BallastError, ValueError):
    """A number cannot become an integer amount: not finite, negative, or with more digits than the unit holds."""


# --- market ---------------------------------------------------------------------------------------------------------


class MarketDataError(BallastError):
    """Market data cannot be read or trusted."""


class MissingHistory(MarketDataError):
    """Nothing is known at the time asked for."""


class PoolsTooShallow(MarketDataError):
    """The pools do not hold what a rebalance would have to trade."""


class LevelsChanged(MarketDataError):
    """A published index level would become another one without a restatement."""


class SourceUnavailable(MarketDataError):
    """A data provider did not answer, or answered with something that is not the data asked for."""


# --- signals --------------------------------------------------------------------------------------------------------


class ModelError(BallastError):
    """A trained model cannot be used here, or not be trained: its file, its hash, its features or its time."""


# --- weights --------------------------------------------------------------------------------------------------------


class InfeasibleWeights(BallastError):
    """Caps, floors and the number of names cannot add up to exactly one."""


class NotConverged(BallastError):
    """A solver did not reach the accuracy that its weights are promised with; nothing less is returned."""


class EmptyUniverse(BallastError):
    """No coin, or fewer than the caps need, pass the index's own rules."""


class UnknownFeature(BallastError):
    """A name that is in no catalogue of data points."""


class DecisionMismatch(BallastError):
    """A published decision does not follow from its inputs: a weight, a member or a hash differs."""


# --- chain ----------------------------------------------------------------------------------------------------------


class ChainError(BallastError):
    """The chain refused, or cannot be reached."""


class NotConnected(ChainError):
    """No node answers at the URL."""


class WrongNetwork(ChainError):
    """The node is on another chain than the operator said."""


class UnknownIndex(ChainError):
    """There is no index of that name or address on this chain."""


class InsufficientBalance(ChainError):
    """The account holds less than the action needs."""


class InsufficientAllowance(ChainError):
    """The account approved less than the action pulls."""


class StalePrice(ChainError):
    """A feed is older than the age we accept."""


class TransactionReverted(ChainError):
    """A contract said no; the message carries the decoded reason."""


class PortInUse(ChainError):
    """The local node cannot listen on its port because something else does."""


class NodeDied(ChainError):
    """The local node stopped by itself."""


# --- keeper ---------------------------------------------------------------------------------------------------------


class KeeperError(BallastError):
    """The keeper cannot go on without a human."""


# --- service --------------------------------------------------------------------------------------------------------


class ServiceError(BallastError):
    """The service cannot listen, answer or deliver."""


class BadRequest(ServiceError):
    """A question to the service that has no meaning."""


class NotFound(ServiceError):
    """A question about an index, a coin or a page that there is not."""


class NotDelivered(ServiceError):
    """Alerts did not reach the address they were to be sent to."""


# --- results --------------------------------------------------------------------------------------------------------


class ResultsError(BallastError):
    """A result cannot be measured, explained or booked from what was given."""


class UnusableLevels(ResultsError):
    """A line of levels is no line of levels: empty, negative, not a number, or of another length than its benchmark."""


class UnusableHoldings(ResultsError):
    """What is said to be held cannot be: indexes inside each other, weights that do not sum to one, a value below zero."""


class UnusableTrades(ResultsError):
    """A list of trades cannot be settled: more is sold than was held, out of order, or an amount is not positive."""
