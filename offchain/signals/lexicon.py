"""Words and what they say about a coin: a small list of our own, written for markets and crypto, that ships as code.

Strength from -4 (the coin is gone) to 4 (nothing better could be said). A phrase is read before its words. A word that
means two things in this market ("crash course", "killer app", "not your keys") is in a phrase with the right meaning.
"""

from __future__ import annotations

from collections.abc import Mapping

_WORDS: Mapping[float, str] = {
    4.0: "moonshot",
    3.0: """
        breakthrough excellent outstanding soar soared soaring soars skyrocket skyrocketed skyrocketing skyrockets
        surge surged surges surging thriving triumph unstoppable
    """,
    2.0: """
        accumulate accumulated accumulating adopt adopted adopting adoption amazing approval approve approved approves
        boom booming breakout bull bullish bulls buying climb climbed climbing climbs confidence confident gain gained gaining
        gains gem great growth growing hodl impressive innovative jump jumped jumping jumps milestone moon mooning
        optimism optimistic outperform outperformed outperforming outperforms profit profitable profits progress pump pumping
        rallied rallies rally rallying recover recovered recovering recovery rebound rebounded rebounds record
        reward rewards rise rises rising rose secure secured strength strong stronger success successful
        successfully undervalued upgrade upgraded upgrades uptrend victory win winner winning wins wagmi
    """,
    1.0: """
        active audited bid benefit bounce bounced build builders building buy collaboration compliant confirmed
        decentralized demand deploy deployed efficient expand expanded expanding expansion fast faster fix fixed good grow
        grew help helpful higher improve improved improvement improvements improves integrate integrated integration
        interest launch launched launches launching legit liquid list listed listing listings long nice partner partnered partners
        partnership partnerships patched positive promising reliable resilient robust safe scalable scaling ship shipped
        solid stable staked staking support supported supports transparent trust trusted up useful verified
    """,
    -1.0: """
        afraid bug bugs cautious centralized complaint complaints concern concerned concerns congested congestion cut cuts delay delayed
        delays dilution disappoint disappointed disappointing dip dipped down downtime drop dropped dropping drops expensive
        fall falling falls fell halt halted inflation issue issues late lose losing low lower negative outage overbought
        overvalued pause paused postponed problem problems risk risks risky sell selling shaky short shorting sideways slow slower slowed
        stagnant stuck suspend suspended uncertain uncertainty unlock unlocks unstable volatile warn warned warning warnings
        weak weaker weakness worried worries worry
    """,
    -2.0: """
        abandon abandoned accuse accused allegation allegations attack attacked ban banned bans bear bearish bears bleed bleeding
        bubble capitulation crackdown decline declined declines declining delist delisted delisting delists depeg depegged
        deny denied dispute downgrade downgraded downtrend dump dumped dumping dumps exploit exploited exploits failed fails failure
        fear fearful fined fud investigate investigated investigation lawsuit lawsuits liquidated
        liquidation liquidations loss losses manipulate manipulated manipulation ngmi outflow outflows panic phishing plunge plunged
        plunges plunging probe prosecuted rejected rejection rekt resign resigned sanction sanctioned sanctions selloff slump
        slumped sue sued sues suing tank tanked tanking tanks tumble tumbled tumbles vulnerability vulnerabilities
        wrecked
    """,
    -3.0: """
        bankrupt bankruptcy collapse collapsed collapses collapsing crash crashed crashes crashing crisis default
        defaulted drained fraud fraudulent hack hacked hacker hackers hacks honeypot insolvency insolvent malicious malware plagiarised
        plagiarized ponzi rugged rugpull scam scammed scammer scammers scams shitcoin stolen theft worthless
    """,
    -4.0: "embezzled",
}

_PHRASES: Mapping[float, tuple[str, ...]] = {
    3.0: ("all time high", "all time highs", "new ath", "to the moon", "etf approved", "etf approval"),
    2.0: (
        "short squeeze", "buy the dip", "bought the dip", "diamond hands", "higher highs", "higher lows", "record high",
        "mainnet launch", "mainnet is live", "passed audit", "audit passed", "killer app", "supply shock", "bull run",
        "bull market", "golden cross", "beat expectations", "no issues", "tvl growth", "fee switch",
    ),
    1.0: ("up only", "back online", "token burn", "buy back", "bug bounty", "crash course", "risk free", "bear trap"),
    -1.0: ("take profit", "taking profits", "profit taking", "token unlock", "up for sale", "too good", "bull trap"),
    -2.0: (
        "bear market", "dead cat", "death cross", "paper hands", "sell off", "lower lows", "lower highs", "all time low",
        "bank run", "class action", "51 attack", "double spend", "insider trading", "wash trading", "wells notice",
        "lost peg", "loses peg", "off its peg", "selling pressure", "sell pressure", "under investigation", "chain halt",
        "chain halted", "stopped producing blocks",
    ),
    -3.0: (
        "rug pull", "rug pulled", "pump and dump", "death spiral", "withdrawals paused", "withdrawals suspended",
        "paused withdrawals", "halts withdrawals", "halted withdrawals", "chapter 11", "private key leaked", "keys compromised",
        "going to zero", "goes to zero", "fake team", "infinite mint",
    ),
    -4.0: ("exit scam", "founders vanished", "team vanished", "funds are gone"),
}  # fmt: skip

SIGNS: Mapping[str, float] = {
    "🚀": 2.0, "📈": 2.0, "🔥": 1.0, "💎": 1.5, "🐂": 1.5, "✅": 1.0, "🎉": 1.5, "💪": 1.0,
    "📉": -2.0, "🐻": -1.5, "💀": -2.0, "🚨": -1.5, "⚠": -1.0, "🩸": -2.0, "😭": -1.5, "🤡": -2.0,
}  # fmt: skip

WORDS: Mapping[str, float] = {word: weight for weight, words in _WORDS.items() for word in words.split()}
PHRASES: Mapping[tuple[str, ...], float] = {
    tuple(phrase.split()): weight for weight, phrases in _PHRASES.items() for phrase in phrases
}
LONGEST_PHRASE = max(len(phrase) for phrase in PHRASES)

# turn what follows within a few words around
NEGATIONS = frozenset(
    """
    not no never none nobody nothing neither nor without hardly barely cannot cant can't dont don't doesnt doesn't didnt
    didn't isnt isn't wasnt wasn't arent aren't werent weren't wont won't wouldnt wouldn't shouldnt shouldn't lacks lack
    debunked denies stop stops stopped avoid avoided avoids prevent prevented prevents
    """.split()
)
# what they make of the next word
DEGREES: Mapping[str, float] = {
    **dict.fromkeys("very extremely incredibly hugely massively highly insanely massive huge".split(), 1.4),
    **dict.fromkeys("really so strongly sharply deeply seriously totally major".split(), 1.25),
    **dict.fromkeys("slightly somewhat fairly bit little minor partly mildly slight modest".split(), 0.6),
    **dict.fromkeys("maybe perhaps possibly rumored rumoured allegedly might could".split(), 0.6),
}
TURNS = frozenset("but however although though yet nevertheless".split())

# names of coins that are also words: they mean the coin only with their capital
COMMON_NAMES = frozenset(
    """
    ark aurora avalanche balancer beam blur celestia compound convex cosmos curve dash dent enjin flow
    gala gas gnosis golem graph harmony hive hedera holo iris icon injective jupiter kava lisk loom maker
    mantle maple mask mina mirror near neo nexo ocean optimism orca pax phantom polygon power pyth quant radix
    render request reserve rose safe sand sei shadow siren sky solar space spell stacks stargate status stellar
    stride sui swipe terra uma unity vulcan wave waves wing yearn
    """.split()
)
