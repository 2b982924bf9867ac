"""[universe]: which coins may be in the index, and how a place in it is won and lost."""

from __future__ import annotations

from dataclasses import dataclass

from offchain.spec.keys import COIN_IDS, USD, Choice, Flag, Integer, ListOf, Number, Text, fraction, key

CLASSES = ("stablecoin", "wrapped", "receipt", "leveraged", "commodity")
SECTORS = (
    "currency", "platform", "scaling", "defi", "data", "computing", "culture", "meme", "exchange", "real-world",
    "commodity", "stablecoin", "copy",
)  # fmt: skip
RANKS = (
    "market_cap", "free_float", "volume", "venue_volume", "momentum", "return_consistency", "volume_consistency", "score",
)  # fmt: skip
POWERS = ("mint", "pause", "blocklist", "fee", "upgrade")
RECONSTITUTIONS = ("review", "monthly", "quarterly", "semiannual")

_ANY_CLASS = ListOf(item=Choice(options=CLASSES))
_THEME = Text(pattern=r"[a-z0-9][a-z0-9-]{0,39}", rule='a theme in lower case, such as "defi"')
_ANY_THEME = ListOf(item=_THEME, max_items=50)
_CHECK = Text(pattern=r"[a-z][a-z0-9-]{0,39}", rule='the name of a check in lower case, such as "audit"')
_FILE = Text(pattern=r"[^\n]{0,400}", rule="a path on one line")


@dataclass(frozen=True, kw_only=True)
class UniverseRules:
    """[universe]: which coins may be in the index, and how a place in it is won and lost."""

    top: int = key(Integer(low=1, high=64), unit="coins", doc="How many coins the index holds.")
    exclude_classes: tuple[str, ...] = key(_ANY_CLASS, default=CLASSES, doc="Kinds of coins that are never held.")
    exclude: tuple[str, ...] = key(COIN_IDS, default=(), doc="Coins that are never held, by id.")
    include_only: tuple[str, ...] = key(COIN_IDS, default=(), doc="When given, no other coin is considered.")
    min_age_days: int = key(Integer(low=0, high=3650), unit="days", default=30, doc="Days since the first price.")
    min_volume_usd: float = key(USD, unit="USD per day", default=1e6, doc="Least median daily volume.")
    volume_days: int = key(Integer(low=1, high=365), unit="days", default=30, doc="Window of the median volume.")
    min_market_cap_usd: float = key(USD, unit="USD", default=0.0, doc="Least market capitalisation.")
    buffer: int = key(
        Integer(low=0, high=25),
        unit="ranks",
        default=0,
        doc="A coin enters without a vacancy only above rank top - buffer; a held one stays up to rank top + buffer.",
    )
    require_tradable: bool = key(Flag(), default=True, doc="Leave out coins without a token and a feed on the chain.")

    # --- what kind of coin ------------------------------------------------------------------------------------------
    themes: tuple[str, ...] = key(_ANY_THEME, default=(), doc="When given, a coin needs one of them.", later=True)
    exclude_themes: tuple[str, ...] = key(_ANY_THEME, default=(), doc="Coins of these are never held.", later=True)
    sectors: tuple[str, ...] = key(
        ListOf(item=Choice(options=SECTORS)),
        default=(),
        doc="When given, a coin needs to be of one; a coin has one sector.",
        later=True,
    )

    # --- size and rank ----------------------------------------------------------------------------------------------
    rank_by: str = key(Choice(options=RANKS), default="market_cap", doc="What coins are ranked by.", later=True)
    rank_also: tuple[str, ...] = key(
        ListOf(item=Choice(options=RANKS)),
        default=(),
        doc="Ranked by each of these as well; the ranks are added up.",
        later=True,
    )
    rank_days: int = key(
        Integer(low=7, high=730), unit="days", default=90, doc="Window of momentum and of consistency.", later=True
    )
    skip_top: int = key(
        Integer(low=0, high=1_000), unit="ranks", default=0, doc="Ranks left to a larger segment.", later=True
    )
    max_market_cap_usd: float = key(USD, unit="USD", default=0.0, doc="Most market capitalisation; 0: any.", later=True)
    coverage: float = key(
        fraction(),
        unit="of the eligible market cap",
        default=0.0,
        doc="As many of the first ranks as hold this part, at most top; 0: always top.",
        later=True,
    )
    min_members: int = key(
        Integer(low=0, high=64),
        unit="coins",
        default=0,
        doc="Fewer are topped up by the largest that lack only theme, sector or size.",
        later=True,
    )

    # --- what a held coin has to meet -------------------------------------------------------------------------------
    stay_market_cap_usd: float = key(
        USD, unit="USD", default=0.0, doc="Least market cap of a held coin; 0: as any other.", later=True
    )
    stay_volume_usd: float = key(
        USD, unit="USD per day", default=0.0, doc="Least median volume of a held coin; 0: as any other.", later=True
    )
    reconstitution: str = key(
        Choice(options=RECONSTITUTIONS),
        default="review",
        doc="When members may change: in every decision, or at the first review of a period; a dead or barred one leaves at once.",
        later=True,
    )

    # --- liquidity, supply, life ------------------------------------------------------------------------------------
    min_price_usd: float = key(USD, unit="USD", default=0.0, doc="Least price.", later=True)
    min_turnover: float = key(
        fraction(), unit="of market cap per day", default=0.0, doc="Least median volume over market cap.", later=True
    )
    min_venue_volume_usd: float = key(
        USD, unit="USD per day", default=0.0, doc="Least median volume on the venues we can trade on.", later=True
    )
    min_listings: int = key(
        Integer(low=0, high=1_000), unit="venues", default=0, doc="Least venues that list it.", later=True
    )
    min_history_days: int = key(
        Integer(low=0, high=730), unit="days", default=0, doc="Newest days that all need a price.", later=True
    )
    min_free_float: float = key(
        fraction(), unit="of supply", default=0.0, doc="Least part that nobody holds back.", later=True
    )
    max_unlock: float = key(
        fraction(), unit="of supply", default=1.0, doc="Most supply due to be released in 30 days.", later=True
    )
    min_commits: int = key(
        Integer(low=0, high=100_000), unit="per 90 days", default=0, doc="Least changes to its source.", later=True
    )

    # --- extraordinary deletion -------------------------------------------------------------------------------------
    max_fall: float = key(
        fraction(), unit="of 1", default=0.0, doc="A coin that fell by more in fall_days is out; 0: any.", later=True
    )
    fall_days: int = key(Integer(low=1, high=60), unit="days", default=7, doc="Window of max_fall.", later=True)
    quarantine_days: int = key(
        Integer(low=0, high=365), unit="days", default=90, doc="How long it stays out after such a fall.", later=True
    )

    # --- votes and vetting ------------------------------------------------------------------------------------------
    votes: str = key(
        _FILE, default="", doc='Ballots about members: a JSON file, or "governor" to read the chain.', later=True
    )
    dossiers: str = key(_FILE, default="", doc="Vetting dossiers: a JSON file.", later=True)
    incidents: str = key(_FILE, default="", doc="Incidents that bar coins: a JSON file.", later=True)
    require_checked: bool = key(
        Flag(), default=False, doc="A coin needs a dossier in which no check failed.", later=True
    )
    require_checks: tuple[str, ...] = key(
        ListOf(item=_CHECK, max_items=50), default=(), doc="Checks that its dossier has to show as passed.", later=True
    )
    refuse_powers: tuple[str, ...] = key(
        ListOf(item=Choice(options=POWERS)),
        default=(),
        doc="Powers over holders that its dossier must not show.",
        later=True,
    )
    max_dossier_days: int = key(
        Integer(low=0, high=3_650), unit="days", default=0, doc="Oldest dossier accepted; 0: any.", later=True
    )
    max_holder_share: float = key(
        fraction(), unit="of supply", default=1.0, doc="Most that its ten largest holders have.", later=True
    )
    min_pool_usd: float = key(
        Number(low=0, high=1e15), unit="USD", default=0.0, doc="Least depth of its pools, by its dossier.", later=True
    )

    @property
    def is_vetted(self) -> bool:
        """Whether any key asks for a dossier."""
        return bool(
            self.require_checked
            or self.require_checks
            or self.refuse_powers
            or self.max_dossier_days
            or self.max_holder_share < 1
            or self.min_pool_usd
        )


def universe_contradictions(rules: UniverseRules) -> list[str]:
    """Mistakes that show when two keys of [universe] that came later are read together."""
    found = []
    for what in ("market_cap_usd", "volume_usd"):
        stay, least = getattr(rules, f"stay_{what}"), getattr(rules, f"min_{what}")
        if stay > least:
            found.append(
                f"universe.stay_{what} = {stay:g} is above universe.min_{what} = {least:g}: a held coin has to be "
                "easier to keep than a new one is to take; lower it"
            )
    if rules.max_market_cap_usd and rules.max_market_cap_usd <= rules.min_market_cap_usd:
        found.append(
            f"universe.max_market_cap_usd = {rules.max_market_cap_usd:g} must be above universe.min_market_cap_usd = "
            f"{rules.min_market_cap_usd:g}: no coin is in between"
        )
    if rules.min_members > rules.top:
        found.append(
            f"universe.min_members = {rules.min_members} is above universe.top = {rules.top}: lower it or raise top"
        )
    both = sorted(set(rules.themes) & set(rules.exclude_themes))
    if both:
        found.append(f"universe.themes and universe.exclude_themes both name {', '.join(both)}: keep each in one list")
    if rules.rank_by in rules.rank_also:
        found.append(f'universe.rank_also repeats rank_by = "{rules.rank_by}": name other measures there')
    return found
