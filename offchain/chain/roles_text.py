"""Who can do what, when, as a table: one line a power, the dangers last. Pure text; the scripts print it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from offchain.canonical import utc_text
from offchain.chain.roles import PUBLIC, Held, Member, Roles, Vote, duration, role_name
from offchain.chain.tables import facts, shares
from offchain.chain.voting import Proposal

_HEAD = ("power", "role", "who", "waits", "hard limit")


def roles_text(roles: Roles, name: Callable[[str], str] = str) -> str:
    """The whole page. `name` turns an address into what to show for it."""
    parts = [
        f"{roles.symbol} {roles.index} at block {roles.block}: who can do what, when",
        "Redeem and claim ask no role: none of the powers below can stop them.",
        *(_section(kind, target, roles, name) for kind, target in _targets(roles)),
        facts(_facts(roles, name)),
        "\n".join(["dangers", *(f"  ! {text}" for text in roles.dangers)]) if roles.dangers else "dangers  none found",
    ]
    return "\n\n".join(parts)


def proposals_text(roles: Roles, proposals: Sequence[Proposal]) -> str:
    """Each proposal with its number, times and votes."""
    if not proposals:
        return f"{roles.symbol}: nothing has been proposed"
    return "\n\n".join(_proposal(proposal) for proposal in proposals)


def _proposal(proposal: Proposal) -> str:
    rows = [
        ("proposal", str(proposal.id)),
        ("text", proposal.text),
        ("state", proposal.state),
        ("voting", f"{_time(proposal.voting_starts)} to {_time(proposal.voting_ends)}"),
        (
            "votes",
            f"{shares(proposal.in_favour)} for, {shares(proposal.against)} against, {shares(proposal.abstaining)} abstain; "
            f"{shares(proposal.quorum)} needed",
        ),
    ]
    if proposal.due:
        rows.append(("due", _time(proposal.due)))
    return facts(rows)


def _targets(roles: Roles) -> list[tuple[str, str]]:
    return list(dict.fromkeys((item.power.contract, item.target) for item in roles.held))


def _section(kind: str, target: str, roles: Roles, name: Callable[[str], str]) -> str:
    rows = [_row(item, name) for item in roles.held if (item.power.contract, item.target) == (kind, target)]
    return f"{kind} {target}\n{_left(_HEAD, rows)}"


def _row(item: Held, name: Callable[[str], str]) -> tuple[str, ...]:
    if item.is_abdicated:
        return (item.power.text, role_name(item.role), "nobody", "given up", item.power.limit)
    if item.is_closed:
        return (item.power.text, role_name(item.role), "nobody", "closed", item.power.limit)
    if item.role == PUBLIC:
        return (item.power.text, "anyone", "anyone", "at once", item.power.limit)
    who = ", ".join(name(member.account) for member in item.members) or "nobody"
    waits = ", ".join(dict.fromkeys(_waits(member) for member in item.members)) or "-"
    return (item.power.text, role_name(item.role), who, waits, item.power.limit)


def _waits(member: Member) -> str:
    if member.vote:
        return f"{duration(member.vote)} vote + {duration(member.delay)}"
    return duration(member.delay) if member.delay else "at once"


def _facts(roles: Roles, name: Callable[[str], str]) -> list[tuple[str, str]]:
    rows = [(f"authority of {what}", address) for address, what in roles.authorities.items()]
    if roles.vote is not None:
        rows += _vote(roles.vote, name)
    if roles.is_deprecated:
        rows.append(("deprecated", "for good: no minting, no trading; redeem and claim work"))
    else:
        for switch in roles.switches:
            state = f"paused until {_time(switch.until)}" if switch.until else "not paused"
            rows.append((switch.name, f"{state}; the guardian {'can' if switch.is_armed else 'cannot'} pause it now"))
    for item in roles.waiting:
        when = f"ready {_time(item.ready)}" if item.ready > roles.time else "ready now"
        rows.append(("waiting", f"{when}: {item.text}, by {name(item.caller)}"))
    if not roles.waiting:
        rows.append(("waiting", "nothing is scheduled"))
    return rows


def _time(seconds: int) -> str:
    return utc_text(datetime.fromtimestamp(seconds, UTC))


def _vote(vote: Vote, name: Callable[[str], str]) -> list[tuple[str, str]]:
    return [
        ("vote", f"{vote.governance.governor} counts {vote.governance.votes}"),
        (
            "a vote takes",
            f"{duration(vote.voting_delay)} notice, {duration(vote.voting_period)} vote, "
            f"{duration(vote.timelock_delay)} timelock; quorum {vote.quorum_percent} % of all shares",
        ),
        ("veto", name(vote.guardian)),
    ]


def _left(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text: every column to the left, two spaces between."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
