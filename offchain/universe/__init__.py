"""Which coins are in the index, with a reason for each one in and out. Start at `selection.py`; one file per question:

taxonomy      what is it about?           eligibility   may it be held?            ranking    which come first?
votes         what did holders decide?    vetting       who has looked at it?      monitor    what is wrong since?
"""

from offchain.universe.classes import classify
from offchain.universe.eligibility import Screened, candidates, screen
from offchain.universe.monitor import Incident, RedFlag, load_incidents, monitor, monitor_needs
from offchain.universe.ranking import needs
from offchain.universe.records import Records, load_records
from offchain.universe.selection import Universe, Verdict, select
from offchain.universe.taxonomy import asset_of, sector_of, themes_of
from offchain.universe.vetting import Check, Dossier, by_coin, load_dossiers
from offchain.universe.votes import Ballot, load_ballots

__all__ = [
    "Ballot", "Check", "Dossier", "Incident", "Records", "RedFlag", "Screened", "Universe", "Verdict", "asset_of", "by_coin",
    "candidates", "classify", "load_ballots", "load_dossiers", "load_incidents", "load_records", "monitor", "monitor_needs", "needs", "screen",
    "sector_of", "select", "themes_of",
]  # fmt: skip
