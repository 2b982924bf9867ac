"""From texts to two numbers a day: how they speak of a coin, and how many speak of it.

    score("Mainnet launch was a great success")                        -1..1, by the lexicon: no network, no weights
    panels = daily_panels(texts, dates=…, ids=…, aliases=…)            sentiment, mentions, and the market's sentiment
    market = market.with_fields(panels.fields, panels.series)
    daily_panels(…, scorer=transformer_scorer())                       a language model instead, when it is installed

A text belongs to the first 00:00 UTC at or after the time it was known, so the row of a day holds what could be read
before that day began. One author counts with at most AUTHOR_TEXTS a day and coin, a repeated text once: a campaign
has to be paid for.

The way of adding up (negation, degree, "but", capitals, a sum squashed by s / √(s² + 15)) follows Hutto and Gilbert (2014),
"VADER"; the words and all numbers but that 15 are our own.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from offchain.errors import MarketDataError
from offchain.signals.lexicon import COMMON_NAMES, DEGREES, LONGEST_PHRASE, NEGATIONS, PHRASES, SIGNS, TURNS, WORDS
from offchain.signals.outcome import GRID

AUTHOR_TEXTS = 3
# how many words a negation or a degree reaches
REACH = 3
NEGATED = -0.5
BEFORE_BUT, AFTER_BUT = 0.6, 1.3
CAPITALS = 1.2
SHOUT, MOST_SHOUTS = 0.1, 3
QUESTION = 0.5
# so that one word of strength 2 is about half way
_HALF = 15.0

Scorer = Callable[[str], float]

_LINK = re.compile(r"https?://\S+|www\.\S+|@\w+")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9'’]*|[^\w\s]")
_WORD = re.compile(r"[A-Za-z0-9]")


@dataclass(frozen=True, kw_only=True)
class Text:
    """What somebody wrote. `time`: when we could know it, not when it was written. `ids`: coins it is about; empty: find them."""

    time: datetime
    text: str
    ids: tuple[str, ...] = ()
    author: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class SentimentPanels:
    """`sentiment`, `mentions`: UTC midnights × ids; `market_sentiment`: by day. Days before the first or after the last text
    are unknown; on a day between, a coin nobody wrote about has 0 mentions and no sentiment.
    """

    sentiment: pd.DataFrame
    mentions: pd.DataFrame
    market_sentiment: pd.Series

    @property
    def fields(self) -> dict[str, pd.DataFrame]:
        """For `Market.with_fields`."""
        return {"sentiment": self.sentiment, "mentions": self.mentions}

    @property
    def series(self) -> dict[str, pd.Series]:
        """For `Market.with_fields`."""
        return {"market_sentiment": self.market_sentiment}


def score(text: str) -> float:
    """How `text` speaks, -1 (as badly as can be) to 1; 0 when it says nothing. Rounded to GRID decimals."""
    tokens = _TOKEN.findall(_LINK.sub(" ", text).replace("’", "'"))
    words = [token.lower() for token in tokens]
    is_shouted = sum(token.isupper() and len(token) > 1 for token in tokens) * 2 > sum(
        len(token) > 1 for token in tokens
    )
    hits = _hits(words)
    turn = max((place for place, word in enumerate(words) if word in TURNS), default=-1)
    values = []
    for place, length, strength in hits:
        value = strength * _context(words, place)
        if tokens[place].isupper() and len(tokens[place]) > 1 and not is_shouted and _WORD.match(tokens[place]):
            value *= CAPITALS
        if turn >= 0 and length:
            value *= AFTER_BUT if place > turn else BEFORE_BUT
        values.append(value)
    total = math.fsum(values) * (1.0 + SHOUT * min(words.count("!"), MOST_SHOUTS))
    if words and "?" in words[-2:]:
        total *= QUESTION
    return round(total / math.sqrt(total * total + _HALF), GRID)


def scores(texts: Sequence[str]) -> list[float]:
    """`score` of each: what a source of texts asks for."""
    return [score(text) for text in texts]


def _hits(words: Sequence[str]) -> list[tuple[int, int, float]]:
    """(place, words taken, strength) from left to right; the longest phrase first."""
    found, place = [], 0
    while place < len(words):
        for length in range(LONGEST_PHRASE, 1, -1):
            strength = PHRASES.get(tuple(words[place : place + length]))
            if strength is not None:
                found.append((place, length, strength))
                place += length
                break
        else:
            strength = WORDS.get(words[place]) or SIGNS.get(words[place])
            if strength is not None:
                found.append((place, 1, strength))
            place += 1
    return found


def _context(words: Sequence[str], place: int) -> float:
    """What the words before make of it; a full stop, comma or semicolon ends their reach."""
    factor = 1.0
    for back in range(1, REACH + 1):
        if place - back < 0 or words[place - back] in ".,;:!?":
            break
        word = words[place - back]
        if word in NEGATIONS:
            factor *= NEGATED
        factor *= DEGREES.get(word, 1.0)
    return factor


def aliases_of(coins: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, ...]]:
    """{id: what texts call it} from (id, symbol, name); see `coins_in` for how each is matched."""
    return {
        coin: tuple(dict.fromkeys([f"${symbol.upper()}", symbol.upper(), name] if symbol else [name]))
        for coin, symbol, name in coins
    }


def coins_in(text: str, aliases: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Ids named in `text`, sorted. "$BTC" and "#bitcoin" always count; a name counts as a whole word in any case, but one
    that is a word of its own ("Optimism") only with its capital; a symbol only in capitals, from three letters on, and
    not in a text that is all capitals.

    A ticker that two coins share is nobody's: who meant one writes its name.
    """
    plain = " ".join(_LINK.sub(" ", text).split())
    is_shouted = plain.isupper()
    owners: dict[str, set[str]] = {}
    for coin, names in aliases.items():
        for name in names:
            owners.setdefault(name, set()).add(coin)
    found = set()
    for name, coins in owners.items():
        if len(coins) == 1 and _is_named(name, plain, is_shouted=is_shouted):
            found |= coins
    return tuple(sorted(found))


def _is_named(name: str, text: str, *, is_shouted: bool) -> bool:
    word = re.escape(name)
    if name.startswith("$"):
        return re.search(rf"{word}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None
    if re.search(rf"#{re.escape(name.replace(' ', ''))}(?![A-Za-z0-9])", text, re.IGNORECASE):
        return True
    whole = rf"(?<![A-Za-z0-9$#]){word}(?![A-Za-z0-9])"
    if name.isupper():
        return len(name) >= 3 and not is_shouted and re.search(whole, text) is not None
    is_word = name.lower() in COMMON_NAMES or name.lower() in WORDS
    return re.search(whole, text, re.NOFLAG if is_word else re.IGNORECASE) is not None


def daily_panels(
    texts: Iterable[Text],
    *,
    dates: Sequence[date],
    ids: Sequence[str],
    aliases: Mapping[str, Sequence[str]] | None = None,
    scorer: Scorer = score,
) -> SentimentPanels:
    """Mean score and number of texts per day and coin. `aliases`: to find the coins of texts that name none in `ids`.

    Raises MarketDataError for a time without a zone, or a scorer that answers outside -1..1.
    """
    index = pd.DatetimeIndex([pd.Timestamp(day, tz="UTC") for day in dates], name="date")
    sums: dict[tuple[date, str], list[float]] = {}
    whole: dict[date, list[float]] = {}
    seen: set[tuple[date, str]] = set()
    spoken: dict[tuple[date, str, str], int] = {}
    for text in sorted(texts, key=lambda one: (one.time, one.author, one.text)):
        day = _first_day(text.time)
        repeated = (day, _folded(text.text))
        if repeated in seen:
            continue
        seen.add(repeated)
        about = text.ids or coins_in(text.text, aliases or {})
        counted = [coin for coin in (*about, "") if _counts(spoken, day, coin, text.author)]
        if not counted:
            continue
        value = scorer(text.text)
        if not -1.0 <= value <= 1.0:
            raise MarketDataError(f'the scorer gave {value} for "{text.text[:60]}"; a score is from -1 to 1')
        for coin in counted:
            (sums.setdefault((day, coin), []) if coin else whole.setdefault(day, [])).append(value)
    return _panels(index, ids, sums, whole)


def _first_day(time: datetime) -> date:
    """The first 00:00 UTC at or after `time`."""
    if time.tzinfo is None:
        raise MarketDataError(f"time {time.isoformat()} of a text has no zone; use datetime(..., tzinfo=timezone.utc)")
    at = time.astimezone(UTC)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return at.date() if at == midnight else at.date() + timedelta(days=1)


def _counts(spoken: dict[tuple[date, str, str], int], day: date, coin: str, author: str) -> bool:
    if not author:
        return True
    spoken[day, coin, author] = spoken.get((day, coin, author), 0) + 1
    return spoken[day, coin, author] <= AUTHOR_TEXTS


def _folded(text: str) -> str:
    return " ".join(_TOKEN.findall(_LINK.sub(" ", text).lower()))


def _panels(
    index: pd.DatetimeIndex,
    ids: Sequence[str],
    sums: Mapping[tuple[date, str], list[float]],
    whole: Mapping[date, list[float]],
) -> SentimentPanels:
    sentiment = np.full((len(index), len(ids)), np.nan)
    mentions = np.full(sentiment.shape, np.nan)
    market = np.full(len(index), np.nan)
    first, last = min(whole, default=date.max), max(whole, default=date.min)
    for row, day in enumerate(stamp.date() for stamp in index):
        if not first <= day <= last:
            continue
        market[row] = _mean(whole.get(day, []))
        for column, coin in enumerate(ids):
            values = sums.get((day, coin), [])
            mentions[row, column] = len(values)
            sentiment[row, column] = _mean(values)
    return SentimentPanels(
        sentiment=pd.DataFrame(sentiment, index=index, columns=list(ids)),
        mentions=pd.DataFrame(mentions, index=index, columns=list(ids)),
        market_sentiment=pd.Series(market, index=index),
    )


def _mean(values: Sequence[float]) -> float:
    return round(math.fsum(values) / len(values), GRID) if values else math.nan


def transformer_scorer(model: str = "ProsusAI/finbert", *, device: str = "cpu") -> Scorer:
    """A scorer by a language model: p(positive) − p(negative), rounded to GRID decimals. Loads it now; needs transformers.

    Its weights are not part of this package: pin the model's revision by a local path when decisions have to be recomputed.
    """
    try:
        library = importlib.import_module("transformers")
    except ImportError as error:
        raise MarketDataError(
            f'scoring by "{model}" needs transformers, which cannot be loaded ({error}): `uv pip install transformers torch`, '
            "or leave the scorer out to use the lexicon"
        ) from error
    pipeline = library.pipeline("text-classification", model=model, top_k=None, device=device)

    def scored(text: str) -> float:
        return _difference(pipeline(text, truncation=True))

    return scored


def _difference(answer: Any) -> float:
    rows = answer[0] if answer and isinstance(answer[0], list) else answer
    parts = {str(row["label"]).lower(): float(row["score"]) for row in rows}
    known = {
        "positive": ("positive", "bullish", "pos", "label_2"),
        "negative": ("negative", "bearish", "neg", "label_0"),
    }
    found = {side: [parts[name] for name in names if name in parts] for side, names in known.items()}
    if not found["positive"] or not found["negative"]:
        raise MarketDataError(
            f"the model answers the labels {', '.join(sorted(parts))}; a scorer needs positive and negative ones. Use another model"
        )
    return round(max(-1.0, min(1.0, found["positive"][0] - found["negative"][0])), GRID)
