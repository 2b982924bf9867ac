"""The keeper: moves one index to the weights its methodology decides. Start at `job.py`.

reading → planning → simulating → sending → report        what a run goes through
guards                                                    what must hold before anything is signed
ledger                                                    what was done and why; outcomes: how a run ends
"""

from offchain.keeper.job import Keeper, devnet_account
from offchain.keeper.ledger import Ledger
from offchain.keeper.opening import open_keeper
from offchain.keeper.outcomes import Done, Halt, Outcome, RetryAt, Skip, Stop
from offchain.keeper.planning import Settings
from offchain.keeper.reading import Places

__all__ = [
    "Done",
    "Halt",
    "Keeper",
    "Ledger",
    "Outcome",
    "Places",
    "RetryAt",
    "Settings",
    "Skip",
    "Stop",
    "devnet_account",
    "open_keeper",
]
