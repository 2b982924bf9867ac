"""Is every token accounted for? Balances rebuilt from events against what the tokens say, shares, and value. Pure.

A check passes only with a difference of zero base units; there is no tolerance anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from offchain.report.record import Books, Flow, Run
from offchain.units import D27, NANO

ZERO = "0x" + "0" * 40
SHOWN = 5  # differences told one by one


@dataclass(frozen=True, kw_only=True)
class Check:
    """`detail`: what was compared, or every difference in base units."""

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'OK  ' if self.passed else 'FAIL'}  {self.name}: {self.detail}"


@dataclass(frozen=True, kw_only=True)
class TokenLine:
    """Everything that happened to one token at the index, {tok}: put in + bought − sold − taken out = held."""

    coin: str
    put_in: int
    bought: int
    sold: int
    taken_out: int
    held: int

    @property
    def difference(self) -> int:
        return self.held - (self.put_in + self.bought - self.sold - self.taken_out)


@dataclass(frozen=True, kw_only=True)
class ValueLine:
    """D27{nUSD}, exact: put in − taken out + price gains − trading cost = inside."""

    put_in: int
    taken_out: int
    price_gain: int
    trading_cost: int
    inside: int

    @property
    def difference(self) -> int:
        return self.inside - (self.put_in - self.taken_out + self.price_gain - self.trading_cost)


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """All checks of a run."""

    checks: tuple[Check, ...]
    tokens: tuple[TokenLine, ...]
    value: ValueLine

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


def audit(run: Run) -> Accounting:
    """Every check, whatever the others say."""
    tokens, value = token_lines(run), value_line(run)
    checks = (
        check_tokens(run, tokens),
        check_accounts(run.books),
        check_shares(run.books),
        check_contracts(run.books),
        check_allowances(run.books),
        check_claims(run.books),
        check_value(value),
    )
    return Accounting(checks=checks, tokens=tokens, value=value)


# --- tokens -----------------------------------------------------------------------------------------------------------


def rebuilt(books: Books) -> dict[tuple[str, str], int]:
    """{(token, account): Σ in − Σ out} from the Transfer events."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for transfer in books.transfers:
        sums[transfer.token, transfer.sender] -= transfer.amount
        sums[transfer.token, transfer.receiver] += transfer.amount
    return dict(sums)


def token_lines(run: Run) -> tuple[TokenLine, ...]:
    """What the index's own events say of every token it ever held, and what the token says now."""
    put_in = _sum_of(flow for flow in run.flows if flow.kind != "redeem")
    taken_out = _sum_of(flow for flow in run.flows if flow.kind == "redeem")
    bought: dict[str, int] = defaultdict(int)
    sold: dict[str, int] = defaultdict(int)
    for plan in run.plans:
        for swap in plan.swaps:
            bought[swap.buy] += swap.bought
            sold[swap.sell] += swap.sold
    touched = sorted({*put_in, *taken_out, *bought, *sold}, key=lambda coin: (run.symbol_of(coin), coin))
    return tuple(
        TokenLine(
            coin=coin,
            put_in=put_in.get(coin, 0),
            bought=bought[coin],
            sold=sold[coin],
            taken_out=taken_out.get(coin, 0),
            held=run.books.balances.get((run.coins[coin].token, run.books.index), 0),
        )
        for coin in touched
    )


def check_tokens(run: Run, lines: Iterable[TokenLine]) -> Check:
    """The index's own events and the tokens' Transfer events both explain each balance of the index."""
    events, wrong, count = rebuilt(run.books), [], 0
    for line in lines:
        count += 1
        coin = run.coins[line.coin]
        moved = events.get((coin.token, run.books.index), 0)
        if line.difference:
            wrong.append(f"{coin.symbol}: held − explained by the index's events = {line.difference}")
        if moved != line.held:
            wrong.append(f"{coin.symbol}: held − explained by Transfer events = {line.held - moved}")
    known = {run.coins[line.coin].token for line in lines} | {run.books.index}
    stray = [
        token for (token, account), sum_ in events.items() if account == run.books.index and sum_ and token not in known
    ]
    wrong += [f"{token}: the index holds a token that none of its events names" for token in stray]
    return _check("tokens of the index", wrong, f"{count} tokens, each equals what its events say")


def check_accounts(books: Books) -> Check:
    """The same for investors, roles, contracts and pools, shares included."""
    events = rebuilt(books)
    wrong = [
        f"{books.names.get(account, account)}: balance of {token} − Σ transfers = {balance - events.get((token, account), 0)}"
        for (token, account), balance in books.balances.items()
        if balance != events.get((token, account), 0)
    ]
    accounts = {account for _, account in books.balances}
    return _check(
        "everybody else's tokens",
        wrong,
        f"{len(books.balances)} balances of {len(accounts)} accounts rebuilt from {len(books.transfers)} transfers",
    )


def check_shares(books: Books) -> Check:
    """Σ of all holders' shares + fee shares not minted yet = total supply."""
    held = sum(
        amount for (token, account), amount in rebuilt(books).items() if token == books.index and account != ZERO
    )
    difference = books.total_supply - held - books.pending_fee_shares
    wrong = [f"supply − held − pending = {difference}"] if difference else []
    return _check("shares", wrong, f"{held} held + {books.pending_fee_shares} pending fee = {books.total_supply}")


# --- contracts --------------------------------------------------------------------------------------------------------


def check_contracts(books: Books) -> Check:
    """Contracts that serve indexes keep nothing: no token, no share, no ether."""
    wrong = [
        f"{books.names.get(account, account)} holds {amount} of {token}"
        for (token, account), amount in books.balances.items()
        if account in books.contracts and amount
    ]
    wrong += [f"{books.names.get(account, account)} holds {wei} wei" for account, wei in books.ether.items() if wei]
    return _check("contracts keep nothing", wrong, ", ".join(books.names[account] for account in books.contracts))


def check_allowances(books: Books) -> Check:
    """The index and the contracts never approved anybody, and nothing is left of what they were approved."""
    guarded = {*books.contracts, books.index}
    wrong, left = [], 0
    for (token, owner, spender), amount in books.allowances.items():
        if amount == 0:
            continue
        if owner in guarded or spender in books.contracts:
            names = books.names
            wrong.append(f"{names.get(owner, owner)} allows {names.get(spender, spender)} {amount} of {token}")
        else:
            left += 1
    more = f"; {left} of investors to the index are left from minting" if left else ""
    return _check("allowances", wrong, f"none by the index or a contract, none to a contract{more}")


def check_claims(books: Books) -> Check:
    """No deferred leg is unpaid."""
    wrong = [f"{amount} of {token} are owed" for token, amount in books.owed.items() if amount]
    return _check("claims", wrong, "nothing is owed to anybody")


# --- value ------------------------------------------------------------------------------------------------------------


def value_line(run: Run) -> ValueLine:
    """Exact value of everything at the feeds' prices, from the seed to the last block.

    Prices change at midnight only, so between two midnights every amount is worth what that day's marks say.
    """
    flows = [(flow, run.days[run.position(flow.block)].marks) for flow in run.flows]
    gain = 0
    for before, after in zip(run.days, run.days[1:], strict=False):
        gain += sum(amount * (after.marks[coin] - before.marks[coin]) for coin, amount in after.held.items())
    last = run.days[-1].marks
    return ValueLine(
        put_in=sum(_worth(flow, marks) for flow, marks in flows if flow.kind != "redeem"),
        taken_out=sum(_worth(flow, marks) for flow, marks in flows if flow.kind == "redeem"),
        price_gain=gain,
        trading_cost=sum(swap.exact_loss for plan in run.plans for swap in plan.swaps),
        inside=sum(line.held * last[line.coin] for line in token_lines(run)),
    )


def check_value(line: ValueLine) -> Check:
    """No value appears or disappears: prices, trading cost and investors explain all of it."""
    wrong = [f"inside − explained = {line.difference} × 1e-27 nUSD"] if line.difference else []
    amounts = [dollars(part) for part in (line.put_in, line.taken_out, line.price_gain, line.trading_cost, line.inside)]
    return _check("value", wrong, "{} put in − {} taken out + {} price gains − {} trading = {}".format(*amounts))


def dollars(value: int) -> str:
    """D27{nUSD} as '$1,234.56'."""
    sign = "-" if value < 0 else ""
    return f"{sign}${abs(value) / D27 / NANO:,.2f}"


def _worth(flow: Flow, marks: object) -> int:
    return sum(amount * marks[coin] for coin, amount in flow.amounts.items())  # type: ignore[index]


def _sum_of(flows: Iterable[Flow]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for flow in flows:
        for coin, amount in flow.amounts.items():
            sums[coin] += amount
    return dict(sums)


def _check(name: str, wrong: list[str], good: str) -> Check:
    if not wrong:
        return Check(name=name, passed=True, detail=good)
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return Check(name=name, passed=False, detail="; ".join(wrong[:SHOWN]) + more)
