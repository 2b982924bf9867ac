"""Who can do what with an index, when, and within which bounds: read from the chain alone.

    found = read_roles(w3, "0x…")              any index of these contracts, whoever deployed it
    found.dangers                              what a holder should know before buying

Candidates come from the events of the AccessManagers, the answer from their views at one block: membership, function
roles, delays, closed contracts, operations that wait. What is not in the list of powers (powers.py) but was given a role
is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from web3 import Web3
from web3.contract.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3RPCError
from web3.types import EventData

from offchain.chain.artifacts import artifact
from offchain.chain.client import read_logs
from offchain.chain.core import ADMIN, GUARDIAN, STRATEGIST, access_manager, contract_artifact, index_contract
from offchain.chain.deploy import IndexDeployment
from offchain.chain.governance import GOVERNOR, TIMELOCK, Governance
from offchain.chain.powers import POWERS, Power, powers_of
from offchain.chain.transactions import at
from offchain.errors import ChainError, UnknownIndex

PUBLIC = 2**64 - 1  # the role that everyone has
ROLE_NAMES = {ADMIN: "governor", GUARDIAN: "guardian", STRATEGIST: "strategist", PUBLIC: "anyone"}
SHORT_DELAY = 24 * 3600  # {s} below it holders hardly have time to leave
ZERO = "0x" + "0" * 40
_REFUSED = (BadFunctionCallOutput, ContractLogicError, Web3RPCError)


@dataclass(frozen=True, kw_only=True)
class Member:
    """An account that holds a role. `delay` {s} its calls wait; `vote` {s} more a vote takes before, when it is one."""

    account: str
    delay: int
    vote: int = 0
    is_contract: bool = False


@dataclass(frozen=True, kw_only=True)
class Held:
    """One power as it is now: at which contract, with which role, and whether it was given up or closed."""

    power: Power
    target: str
    role: int
    members: tuple[Member, ...]
    is_abdicated: bool = False
    is_closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An operation that was decided and is not executed yet. `ready` {s}; `text`: what it calls."""

    ready: int
    caller: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Vote:
    """How the holders decide, when they govern: times {s}, `quorum_percent` of all shares, `guardian` may veto."""

    governance: Governance
    voting_delay: int
    voting_period: int
    timelock_delay: int
    quorum_percent: int
    threshold: int
    guardian: str


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A pause: until when {s} (zero: not paused), and whether the guardian can still use it."""

    name: str
    until: int
    is_armed: bool


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Everything above for one index, at one block. `time` {s} of the block."""

    symbol: str
    index: str
    block: int
    time: int
    authorities: Mapping[str, str]  # AccessManager → what it governs
    contracts: Mapping[str, str]  # kind → address
    held: tuple[Held, ...]
    vote: Vote | None
    switches: tuple[Switch, ...]
    is_deprecated: bool
    waiting: tuple[Waiting, ...]
    dangers: tuple[str, ...]
    members: Mapping[int, tuple[Member, ...]] = field(default_factory=dict)  # of each role of the index

    def of(self, function: str, contract: str = "IndexToken") -> Held:
        """One power by the name of its function."""
        return next(item for item in self.held if (item.power.contract, item.power.function) == (contract, function))


def read_roles(w3: Web3, index: str, *, from_block: int = 0, known: Mapping[str, str] | None = None) -> Roles:
    """The powers over the index at `index`. `from_block`: at or before the deployment of its AccessManager and oracle's.

    `known`: accounts that are expected to hold a role, by role name; others are named among the dangers.
    """
    return _Reader(w3, w3.to_checksum_address(index), from_block).read(known or {})


def read_deployed(w3: Web3, index: IndexDeployment, *, from_block: int = 0) -> Roles:
    """The same for an index of a deployment file, whose people are the expected ones."""
    known = {"governor": index.governor, "guardian": index.guardian, "strategist": index.strategist}
    return read_roles(w3, index.address, from_block=from_block, known=known)


# --- internals --------------------------------------------------------------------------------------------------------


class _Manager:
    """One AccessManager: what its events name, and what its views say."""

    def __init__(self, reader: _Reader, address: str) -> None:
        self.contract = at(reader.w3, access_manager(), address)
        self.reader = reader
        self.events = reader.events(self.contract)
        self._members: dict[int, tuple[Member, ...]] = {}

    def ask(self, function: str, *arguments: object) -> Any:  # noqa: ANN401  whatever the view returns
        return self.reader.ask(self.contract, function, *arguments)

    def args_of(self, event: str) -> list[Mapping[str, Any]]:
        return [cast("Mapping[str, Any]", item["args"]) for item in self.events if item["event"] == event]

    def members(self, role: int) -> tuple[Member, ...]:
        """Whoever was ever given the role and holds it at the block, in that order."""
        if role not in self._members:
            # the constructor's own grant is an event too
            candidates = dict.fromkeys(str(a["account"]) for a in self.args_of("RoleGranted") if a["roleId"] == role)
            found = []
            for account in candidates:
                is_member, delay = self.ask("hasRole", role, account)
                if is_member:
                    found.append(self.reader.member(account, int(delay)))
            self._members[role] = tuple(found)
        return self._members[role]

    def roles(self) -> list[int]:
        """Every role that somebody was given."""
        return sorted({int(a["roleId"]) for a in self.args_of("RoleGranted")})

    def assigned(self) -> list[tuple[str, bytes]]:
        """Every (contract, selector) that was ever given to a role."""
        pairs = ((str(a["target"]), bytes(a["selector"])) for a in self.args_of("TargetFunctionRoleUpdated"))
        return list(dict.fromkeys(pairs))


class _Reader:
    """Asks one node about one block."""

    def __init__(self, w3: Web3, index: str, from_block: int) -> None:
        self.w3, self.index, self.from_block = w3, index, from_block
        block = w3.eth.get_block("latest")
        self.block, self.time = int(block["number"]), int(block["timestamp"])
        self.token = index_contract(w3, index)
        self.vote: Vote | None = None
        self._managers: dict[str, _Manager] = {}
        self._is_contract: dict[str, bool] = {}

    def ask(self, contract: Contract, function: str, *arguments: object) -> Any:  # noqa: ANN401
        return contract.functions[function](*arguments).call(block_identifier=self.block)

    def events(self, contract: Contract) -> list[EventData]:
        """All events of a contract up to the block, in order."""
        names = [entry["name"] for entry in contract.abi if entry["type"] == "event"]
        decoders = {bytes.fromhex(str(event.topic)[2:]): event for event in (contract.events[name]() for name in names)}
        logs = read_logs(self.w3, contract.address, self.from_block, self.block)
        return [
            decoders[bytes(log["topics"][0])].process_log(log) for log in logs if bytes(log["topics"][0]) in decoders
        ]

    def manager(self, address: str) -> _Manager:
        if address not in self._managers:
            self._managers[address] = _Manager(self, address)
        return self._managers[address]

    def member(self, account: str, delay: int) -> Member:
        if account not in self._is_contract:
            self._is_contract[account] = len(self.w3.eth.get_code(self.w3.to_checksum_address(account))) > 0
        vote = self._vote_of(account) if self._is_contract[account] else None
        return Member(
            account=account,
            delay=delay + (vote.timelock_delay if vote else 0),
            vote=vote.voting_delay + vote.voting_period if vote else 0,
            is_contract=self._is_contract[account],
        )

    def read(self, known: Mapping[str, str]) -> Roles:
        try:
            authority = str(self.ask(self.token, "authority"))
            symbol, rebalancer = str(self.ask(self.token, "symbol")), str(self.ask(self.token, "rebalancer"))
            guard = str(self.ask(self.token, "guard"))
        except _REFUSED as error:
            raise UnknownIndex(f"{self.index} cannot be read as an index; check the address and the network") from error
        contracts = {"IndexToken": self.index, "Rebalancer": rebalancer, "ExchangeGuard": guard}
        try:
            oracle = str(self.ask(at(self.w3, artifact("Rebalancer"), rebalancer), "oracle"))
            guards_oracle = str(self.ask(at(self.w3, artifact("ExchangeGuard"), guard), "oracle"))
            oracle_authority = str(self.ask(at(self.w3, artifact("PriceOracle"), oracle), "authority"))
        except _REFUSED as error:
            raise ChainError(
                f"the rebalancer {rebalancer} or the guard {guard} of {symbol} is none of ours: nothing bounds its trades "
                "that this command knows of; redeem, or read their source"
            ) from error
        contracts["PriceOracle"] = oracle
        contracts |= self._modules(rebalancer)
        own, others = self.manager(authority), self.manager(oracle_authority)
        held = [*self._held(own, contracts), *self._held(others, {"PriceOracle": oracle}), *self._admin(own)]
        strays = self._strays(own, contracts)
        switches = self._switches()
        deprecated = bool(self.ask(self.token, "deprecated"))
        roles = {role: own.members(role) for role in own.roles()}
        waiting = [*self._timelock_waiting()]
        for manager in dict.fromkeys((own, others)):
            waiting += self._waiting(manager)
        dangers = [
            *self._dangers_of_roles(own, roles, known),
            *self._dangers_of_functions(held, strays),
            *self._dangers_of_oracle(own, others, oracle, guards_oracle),
        ]
        return Roles(
            symbol=symbol,
            index=self.index,
            block=self.block,
            time=self.time,
            authorities={authority: "the index", oracle_authority: "the oracle"}
            if authority != oracle_authority
            else {authority: "the index and the oracle"},
            contracts=contracts,
            held=(*held, *strays),
            vote=self.vote,
            switches=switches,
            is_deprecated=deprecated,
            waiting=tuple(sorted(waiting, key=_ready)),
            dangers=tuple(dangers),
            members=roles,
        )

    # --- what is ---

    def _modules(self, rebalancer: str) -> dict[str, str]:
        """Further contracts that the index or its rebalancer names."""
        found = {}
        module = str(self.ask(self.token, "feeModule"))
        if module != ZERO:
            found["FeeModule"] = module
        reader = at(self.w3, artifact("Rebalancer"), rebalancer)
        names = {entry["name"] for entry in reader.abi if entry["type"] == "function"}
        for kind, function, arguments in (
            ("AuctionHouse", "auctions", ()),
            ("WeightRegistry", "weightSourceOf", (self.index,)),
        ):
            if function in names and (address := str(self.ask(reader, function, *arguments))) != ZERO:
                found[kind] = address
        splitter, code = str(self.ask(self.token, "feeRecipient")), artifact("FeeSplitter")
        try:
            self.ask(at(self.w3, code, splitter), "isFinal", self.index)
            found["FeeSplitter"] = splitter
        except _REFUSED:
            pass  # fees go to an account, or to a contract of another kind
        return found

    def _held(self, manager: _Manager, contracts: Mapping[str, str]) -> list[Held]:
        """The listed powers over contracts that obey this manager."""
        found = []
        for kind, target in contracts.items():
            if kind == "PriceOracle" and str(self.ask(self._oracle(target), "authority")) != manager.contract.address:
                continue
            is_closed = bool(manager.ask("isTargetClosed", target))
            for power in powers_of("PerformanceFee" if kind == "FeeModule" else kind):
                role = int(manager.ask("getTargetFunctionRole", target, power.selector))
                gone = power.can_be_given_up and bool(self.ask(self.token, "abdicated", power.selector))
                found.append(
                    Held(
                        power=power,
                        target=target,
                        role=role,
                        members=() if role == PUBLIC else manager.members(role),
                        is_abdicated=gone,
                        is_closed=is_closed,
                    )
                )
        return list({(item.target, item.power.function): item for item in found}.values())

    def _admin(self, manager: _Manager) -> list[Held]:
        """Powers over the AccessManager itself: the admin's, waiting at least the delay of the index's own changes."""
        own_delay = int(manager.ask("getTargetAdminDelay", self.index))
        found = []
        for power in powers_of("AccessManager"):
            waits = (
                own_delay if power.function.startswith(("setTargetFunctionRole", "setTargetClosed", "update")) else 0
            )
            members = tuple(
                Member(
                    account=member.account,
                    delay=max(member.delay, waits),
                    vote=member.vote,
                    is_contract=member.is_contract,
                )
                for member in manager.members(ADMIN)
            )
            gone = power.function == "updateAuthority" and bool(
                self.ask(self.token, "abdicated", bytes(Web3.keccak(text="setAuthority(address)")[:4]))
            )
            found.append(
                Held(power=power, target=manager.contract.address, role=ADMIN, members=members, is_abdicated=gone)
            )
        return found

    def _strays(self, manager: _Manager, contracts: Mapping[str, str]) -> list[Held]:
        """Functions that were given to a role and are in no list of ours."""
        listed = {(target, power.selector) for kind, target in contracts.items() for power in powers_of(kind)}
        listed |= {(contracts.get("FeeModule", ""), power.selector) for power in powers_of("PerformanceFee")}
        found = []
        for target, selector in manager.assigned():
            role = int(manager.ask("getTargetFunctionRole", target, selector))
            if (target, selector) in listed or role == ADMIN:
                continue
            names = [power for power in POWERS if power.selector == selector]
            power = Power(
                contract=names[0].contract if names else "unknown contract",
                function=names[0].function if names else "0x" + selector.hex(),
                role=role,
                text=f"{names[0].text if names else 'call 0x' + selector.hex()} (not used by the index now)",
                limit=names[0].limit if names else "not known here",
            )
            found.append(
                Held(power=power, target=target, role=role, members=() if role == PUBLIC else manager.members(role))
            )
        return found

    def _switches(self) -> tuple[Switch, ...]:
        """Pauses: a use since the guardian was last armed is seen in the events."""
        events = [str(item["event"]) for item in self.events(self.token)]
        found = []
        for name, view in (("Mint", "mintPausedUntil"), ("Exchange", "exchangePausedUntil")):
            until = int(self.ask(self.token, view))
            used = _last(events, f"Pause{name}") > _last(events, "ArmPauses")
            found.append(
                Switch(
                    name={"Mint": "minting", "Exchange": "trading"}[name],
                    until=until if until > self.time else 0,
                    is_armed=not used,
                )
            )
        return tuple(found)

    def _waiting(self, manager: _Manager) -> list[Waiting]:
        """Operations scheduled at an AccessManager, and roles that begin later."""
        found = []
        scheduled = {bytes(a["operationId"]): a for a in manager.args_of("OperationScheduled")}
        for operation, event in scheduled.items():
            ready = int(manager.ask("getSchedule", operation))
            if ready:
                text = self._call_text(str(event["target"]), bytes(event["data"]))
                found.append(Waiting(ready=ready, caller=str(event["caller"]), text=text))
        for role, account in dict.fromkeys(
            (int(a["roleId"]), str(a["account"])) for a in manager.args_of("RoleGranted")
        ):
            since, _, _, _ = manager.ask("getAccess", role, account)
            if int(since) > self.time:
                text = f"{account} becomes {role_name(role)}"
                found.append(Waiting(ready=int(since), caller=manager.contract.address, text=text))
        return found

    def _timelock_waiting(self) -> list[Waiting]:
        """Operations of the vote's timelock that are not done."""
        if self.vote is None:
            return []
        timelock = self.vote.governance.contract(self.w3, "timelock")
        calls: dict[bytes, list[str]] = {}
        for item in self.events(timelock):
            if item["event"] == "CallScheduled":
                text = self._call_text(str(item["args"]["target"]), bytes(item["args"]["data"]))
                calls.setdefault(bytes(item["args"]["id"]), []).append(text)
        found = []
        for operation, texts in calls.items():
            ready = int(self.ask(timelock, "getTimestamp", operation))
            if ready > 1:  # 0: cancelled, 1: done
                found.append(Waiting(ready=ready, caller=timelock.address, text="; ".join(texts)))
        return found

    def _call_text(self, target: str, data: bytes) -> str:
        """A call in words: `setGuard(newGuard=0x…) on 0x…`."""
        for kind in dict.fromkeys(["IndexToken", *(power.contract for power in POWERS), GOVERNOR, TIMELOCK]):
            contract = at(self.w3, contract_artifact(kind), target)
            try:
                function, arguments = contract.decode_function_input(cast("Any", data))
            except ValueError:
                continue
            shown = ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())
            return f"{function.fn_name}({shown}) on {target}"
        return f"0x{data[:4].hex()} on {target}"

    def _vote_of(self, timelock: str) -> Vote | None:
        """The vote behind a timelock, or None for any other contract."""
        contract = at(self.w3, artifact(TIMELOCK), timelock)
        try:
            delay = int(self.ask(contract, "getMinDelay"))
            role = bytes(self.ask(contract, "PROPOSER_ROLE"))
        except _REFUSED:
            return None
        granted = [
            str(e["args"]["account"])
            for e in self.events(contract)
            if e["event"] == "RoleGranted" and bytes(e["args"]["role"]) == role
        ]
        proposers = [account for account in granted if self.ask(contract, "hasRole", role, account)]
        if len(proposers) != 1:
            return None
        governor = at(self.w3, artifact(GOVERNOR), proposers[0])
        try:
            self.vote = Vote(
                governance=Governance(votes=str(self.ask(governor, "token")), governor=proposers[0], timelock=timelock),
                voting_delay=int(self.ask(governor, "votingDelay")),
                voting_period=int(self.ask(governor, "votingPeriod")),
                timelock_delay=delay,
                quorum_percent=int(self.ask(governor, "quorumNumerator")),
                threshold=int(self.ask(governor, "proposalThresholdFraction")),
                guardian=str(self.ask(governor, "proposalGuardian")),
            )
        except _REFUSED:
            return None
        return self.vote

    def _oracle(self, address: str) -> Contract:
        return at(self.w3, artifact("PriceOracle"), address)

    # --- what is dangerous ---

    def _dangers_of_roles(
        self, manager: _Manager, roles: Mapping[int, Sequence[Member]], known: Mapping[str, str]
    ) -> Iterable[str]:
        if not roles.get(ADMIN):
            yield "nobody is governor: what is set stays as it is, for good"
        for member in roles.get(ADMIN, ()):
            if member.delay == 0:
                kind = "a contract" if member.is_contract else "one key"
                yield f"the governor {member.account} is {kind} without a delay: changes come without warning"
            elif member.delay < SHORT_DELAY:
                yield f"the governor {member.account} waits only {duration(member.delay)}: little time to leave"
        for role, members in roles.items():
            if len(members) > 1:
                accounts = ", ".join(member.account for member in members)
                yield f"{len(members)} accounts are {role_name(role)}: {accounts}"
            expected = known.get(role_name(role))
            for member in members:
                if expected is not None and member.account != expected:
                    yield f"{member.account} is {role_name(role)}, but the deployment names {expected}"
            if role not in ROLE_NAMES and members:
                yield f"role {role} is not one of ours and has members: {', '.join(m.account for m in members)}"
            if role not in (ADMIN, PUBLIC) and int(manager.ask("getRoleAdmin", role)) != ADMIN:
                yield f"role {int(manager.ask('getRoleAdmin', role))} may give the role {role_name(role)}"
        holders: dict[str, list[str]] = {}
        for role, members in roles.items():
            for member in members:
                holders.setdefault(member.account, []).append(role_name(role))
        for account, names in holders.items():
            if len(names) > 1:
                yield f"{account} is {' and '.join(names)} at once: one key does not check another"

    @staticmethod
    def _dangers_of_functions(held: Sequence[Held], strays: Sequence[Held]) -> Iterable[str]:
        for target in dict.fromkeys(item.target for item in held if item.is_closed):
            yield f"{target} is closed: no role can call it"
        for item in [*held, *strays]:
            name = f"{item.power.contract}.{item.power.function}"
            if item.role == PUBLIC:
                yield f"anyone may {item.power.text} ({name})"
            elif item.role != item.power.role:
                yield f"{name} belongs to {role_name(item.role)}, usually to {role_name(item.power.role)}"
        usual = {(power.contract, power.function, power.role) for power in POWERS}
        for item in strays:
            if (item.power.contract, item.power.function, item.role) not in usual:
                yield f"{role_name(item.role)} may call {item.power.function} of {item.target}, which the index does not use"

    @staticmethod
    def _dangers_of_oracle(own: _Manager, others: _Manager, oracle: str, guards_oracle: str) -> Iterable[str]:
        if guards_oracle != oracle:
            yield f"rebalancer and guard use different oracles: {oracle} and {guards_oracle}"
        if others is own:
            return
        admins = others.members(ADMIN)
        names = ", ".join(member.account for member in admins) or "nobody"
        if {member.account for member in admins} != {member.account for member in own.members(ADMIN)}:
            yield f"the oracle's governor is another than the index's: {names}"
        for member in admins:
            if member.delay < SHORT_DELAY:
                yield (
                    f"{member.account} sets price feeds "
                    f"{'at once' if member.delay == 0 else 'after only ' + duration(member.delay)}: prices bound every trade"
                )


def role_name(role: int) -> str:
    """'governor' for 0 and so on; 'role 7' for one that is not ours."""
    return ROLE_NAMES.get(role, f"role {role}")


def duration(seconds: int) -> str:
    """Seconds as people say it: '2 d', '36 h', '90 s'."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _last(events: Sequence[str], name: str) -> int:
    """Position of the last event of a name, −1 if there is none."""
    return max((position for position, event in enumerate(events) if event == name), default=-1)


def _ready(item: Waiting) -> int:
    return item.ready


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
