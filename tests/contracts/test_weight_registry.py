"""Weights are proposed with their inputs, wait, and are executed unless somebody objects (G5).

WeightRegistry.register, setRules
├── refuse every mistake the interface names, with its values
├── are the governor's; epoch 1 is executed at once, once
└── setRules drops what is pending

WeightRegistry.propose
├── refuses every mistake the interface names, with its values
├── measures the change against the last executed weights: enter, stay and leave
├── given a methodology it recomputes the weights from the inputs
└── while one is pending, nothing else can be proposed

WeightRegistry.veto, execute
├── a veto drops the proposal, and its number can be proposed again
├── anyone executes, after delay and interval, before the lapse
├── nothing but what was proposed, and not twice
└── a token that lost its place on the allow-list cannot come in any more

WeightRegistry.weightsOf
└── is the executed epoch, zero for what left
"""

import pytest
from brownie import DampedStep, EqualWeight, Managed, SqrtMarketCap, WeightRegistry, accounts, web3
from eth_abi import encode

from tests.contracts.support import DAY, DEAD, HOUR, WAD, ZERO, at_next, now, undone, wait, why

SPEC, INPUTS = "0x" + "51" * 32, "0x" + "1a" * 32
RULES = {
    "min_weight": WAD // 100,
    "max_weight": WAD * 6 // 10,
    "max_change": WAD * 4 // 10,
    "min_interval": 7 * DAY,
    "delay": DAY,
    "ttl": 2 * DAY,
    "methodology": ZERO,
}


def rules_with(**changes):
    return tuple({**RULES, **changes}.values())


class Weights:
    """An index of four tokens in ascending order, registered, and the verbs that the tests repeat."""

    def __init__(self, world):
        self.registry = world.registry
        self.index = world.create([world.token() for _ in range(4)])
        self.tokens = sorted((token.address for token in self.index.tokens), key=lambda address: int(address, 16))
        self.quarters = [WAD // 4] * 4

    def epoch(self, weights=None, **changes):
        fields = {
            "index": self.index.address, "number": self.number + 1, "spec": SPEC, "inputs": INPUTS,
            "tokens": self.tokens, "weights": self.quarters if weights is None else weights, **changes,
        }  # fmt: skip
        return tuple(fields.values())

    @property
    def number(self):
        return self.registry.bookOf(self.index.address)[0]

    def register(self, **changes):
        self.registry.register(self.epoch(), rules_with(**changes), {"from": accounts[1]})
        wait(RULES["min_interval"])  # the interval does not matter where a test does not speak of it
        return self

    def propose(self, epoch, inputs=b"", who=None):
        self.registry.propose(epoch, inputs, {"from": who or accounts[3]})
        return epoch

    def execute(self, epoch, who=None):
        return self.registry.execute(epoch, {"from": who or accounts[7]})

    def move(self, weights, **changes):
        """Proposes, waits and executes."""
        epoch = self.propose(self.epoch(weights, **changes))
        at_next(self.registry.bookOf(self.index.address)[2])
        self.execute(epoch)
        return epoch

    def weights(self):
        return list(self.registry.weightsOf(self.index.address, self.tokens))


@pytest.fixture
def fresh(world):
    return Weights(world)


@pytest.fixture
def weights(fresh):
    return fresh.register()


def shifted(amount):
    """Quarters, with `amount` moved from the first to the last token: a change of twice the amount."""
    return [WAD // 4 - amount, WAD // 4, WAD // 4, WAD // 4 + amount]


# --- register, setRules -----------------------------------------------------------------------------------------------


def test_register_refuses_every_mistake_with_its_values(fresh, governor):
    first = fresh.tokens[0]
    for epoch, rules, reason in (
        ({}, {"min_weight": 0}, ("ValueOutOfBounds", "minWeight", 0, 1, RULES["max_weight"])),
        ({}, {"max_weight": 0}, ("ValueOutOfBounds", "maxWeight", 0, 1, WAD)),
        ({}, {"max_weight": WAD + 1}, ("ValueOutOfBounds", "maxWeight", WAD + 1, 1, WAD)),
        ({}, {"min_weight": WAD // 2, "max_weight": WAD // 3}, ("ValueOutOfBounds", "minWeight", WAD // 2, 1, WAD // 3)),
        ({}, {"max_change": 0}, ("ValueOutOfBounds", "maxChange", 0, 1, 2 * WAD)),
        ({}, {"max_change": 2 * WAD + 1}, ("ValueOutOfBounds", "maxChange", 2 * WAD + 1, 1, 2 * WAD)),
        ({}, {"min_interval": HOUR - 1}, ("ValueOutOfBounds", "minInterval", HOUR - 1, HOUR, 365 * DAY)),
        ({}, {"min_interval": 365 * DAY + 1}, ("ValueOutOfBounds", "minInterval", 365 * DAY + 1, HOUR, 365 * DAY)),
        ({}, {"delay": HOUR - 1}, ("ValueOutOfBounds", "delay", HOUR - 1, HOUR, 30 * DAY)),
        ({}, {"delay": 30 * DAY + 1}, ("ValueOutOfBounds", "delay", 30 * DAY + 1, HOUR, 30 * DAY)),
        ({}, {"ttl": HOUR - 1}, ("ValueOutOfBounds", "ttl", HOUR - 1, HOUR, 30 * DAY)),
        ({}, {"ttl": 30 * DAY + 1}, ("ValueOutOfBounds", "ttl", 30 * DAY + 1, HOUR, 30 * DAY)),
        ({}, {"methodology": DEAD}, ("MethodologyInvalid", DEAD)),
        ({"number": 2}, {}, ("EpochMismatch", 2, 1)),
        ({"number": 0}, {}, ("EpochMismatch", 0, 1)),
        ({"weights": [*fresh.quarters[:3], WAD // 4 - 1]}, {}, ("WeightsSumInvalid", WAD - 1)),
        ({}, {"max_weight": WAD // 5}, ("WeightTooHigh", first, WAD // 4, WAD // 5)),
    ):  # fmt: skip
        assert why(fresh.registry.register, fresh.epoch(**epoch), rules_with(**rules), sender=governor) == reason
    assert fresh.number == 0


@pytest.mark.parametrize("who", ["strategist", "guardian", "eve"])
def test_register_and_set_rules_are_the_governors(fresh, request, who, governor):
    who = request.getfixturevalue(who)
    refused = why(fresh.registry.register, fresh.epoch(), rules_with(), sender=who)
    assert refused == ("NotAuthorized", who.address, fresh.index.address)
    fresh.register()
    refused = why(fresh.registry.setRules, fresh.index.address, rules_with(max_change=2 * WAD), sender=who)
    assert refused == ("NotAuthorized", who.address, fresh.index.address)
    again = why(fresh.registry.register, fresh.epoch(number=1), rules_with(), sender=governor)
    assert again == ("AlreadyRegistered", fresh.index.address)


def test_register_executes_the_first_epoch_at_once(fresh, governor):
    done = fresh.registry.register(fresh.epoch(), rules_with(), {"from": governor})
    assert fresh.weights() == fresh.quarters
    assert fresh.registry.bookOf(fresh.index.address) == (1, now(), 0, 0, "0x" + "0" * 64)
    assert fresh.registry.rulesOf(fresh.index.address) == rules_with()
    assert list(done.events.keys()) == ["SetRules", "Execute"]


def test_nothing_works_for_an_index_that_is_not_registered(fresh, strategist, guardian, governor):
    registry, index = fresh.registry, fresh.index.address
    for method, arguments, who in (
        (registry.propose, (fresh.epoch(), b""), strategist),
        (registry.veto, (index, 1), guardian),
        (registry.execute, (fresh.epoch(),), strategist),
        (registry.setRules, (index, rules_with()), governor),
        (registry.weightsOf, (index, fresh.tokens), strategist),
    ):
        assert why(method, *arguments, sender=who) == ("NotRegistered", index)


def test_set_rules_drops_what_is_pending(weights, governor):
    """What was proposed under other rules was judged by other rules."""
    epoch = weights.propose(weights.epoch(shifted(WAD // 10)))
    done = weights.registry.setRules(weights.index.address, rules_with(max_weight=WAD * 3 // 10), {"from": governor})
    assert list(done.events.keys()) == ["Veto", "SetRules"]
    assert done.events["Veto"]["proposalHash"] == weights.registry.hashOf(epoch)
    wait(DAY)
    assert why(weights.registry.execute, epoch, sender=governor) == ("NothingProposed", weights.index.address)
    assert weights.weights() == weights.quarters
    quiet = weights.registry.setRules(weights.index.address, rules_with(), {"from": governor})
    assert list(quiet.events.keys()) == ["SetRules"]


# --- propose ----------------------------------------------------------------------------------------------------------


def test_propose_refuses_every_mistake_with_its_values(weights, world, strategist, eve):
    index, (a, b, _, d) = weights.index.address, weights.tokens
    stranger = world.token().address
    outside = sorted([*weights.tokens[1:], stranger], key=lambda address: int(address, 16))
    low, high = WAD // 100 - 1, WAD * 6 // 10 + 1
    for changes, inputs, reason in (
        ({"number": 1}, b"", ("EpochMismatch", 1, 2)),
        ({"number": 3}, b"", ("EpochMismatch", 3, 2)),
        ({"spec": "0x" + "00" * 32}, b"", ("ZeroHash",)),
        ({"inputs": "0x" + "00" * 32}, b"", ("ZeroHash",)),
        ({"weights": weights.quarters[:3]}, b"", ("LengthMismatch", 3, 4)),
        ({"tokens": [f"0x{n:040x}" for n in range(1, 66)], "weights": [1] * 65}, b"", ("TooManyComponents", 65, 64)),
        ({"tokens": [b, a, *weights.tokens[2:]]}, b"", ("TokensNotAscending", a)),
        ({"tokens": [a, a, *weights.tokens[2:]]}, b"", ("TokensNotAscending", a)),
        ({"tokens": [ZERO, *weights.tokens[1:]]}, b"", ("TokensNotAscending", ZERO)),
        ({"tokens": outside}, b"", ("TokenNotAllowed", stranger)),
        ({"weights": [low, WAD // 4, WAD // 4, WAD // 2 - low]}, b"", ("WeightTooLow", a, low, WAD // 100)),
        ({"weights": [0, WAD // 4, WAD // 4, WAD // 2]}, b"", ("WeightTooLow", a, 0, WAD // 100)),
        ({"weights": [WAD // 8, WAD // 8, WAD * 3 // 4 - high, high]}, b"", ("WeightTooHigh", d, high, high - 1)),
        ({"weights": [2**256 - 1, *weights.quarters[1:]]}, b"", ("WeightTooHigh", a, 2**256 - 1, high - 1)),
        ({"weights": [WAD // 4 - 1, *weights.quarters[1:]]}, b"", ("WeightsSumInvalid", WAD - 1)),
        ({"weights": [WAD // 4 + 1, *weights.quarters[1:]]}, b"", ("WeightsSumInvalid", WAD + 1)),
        ({"tokens": [], "weights": []}, b"", ("WeightsSumInvalid", 0)),
        ({"weights": shifted(WAD // 5 + 1)}, b"", ("ChangeTooLarge", 2 * (WAD // 5 + 1), WAD * 4 // 10)),
        ({}, b"\x01", ("LengthMismatch", 1, 0)),
    ):  # fmt: skip
        assert why(weights.registry.propose, weights.epoch(**changes), inputs, sender=strategist) == reason, changes
    assert why(weights.registry.propose, weights.epoch(), b"", sender=eve) == ("NotAuthorized", eve.address, index)


def test_propose_says_everything_in_its_event(weights, strategist):
    """G5: hashes, tokens, weights and inputs are on the chain; the state keeps one hash."""
    epoch = weights.epoch(shifted(WAD // 10))
    done = weights.registry.propose(epoch, b"", {"from": strategist})
    said = done.events["Propose"]
    assert (said["index"], said["number"], said["proposer"]) == (weights.index.address, 2, strategist.address)
    assert tuple(said["epoch"]) == epoch
    assert (said["methodology"], said["inputs"]) == (ZERO, "0x")
    assert (said["readyAt"], said["lapsesAt"]) == (now() + DAY, now() + 3 * DAY)
    words = (epoch[0], epoch[1], bytes.fromhex(SPEC[2:]), bytes.fromhex(INPUTS[2:]), epoch[4], epoch[5])
    types = ["uint256", "address", "(address,uint256,bytes32,bytes32,address[],uint256[])"]
    expected = web3.keccak(encode(types, [web3.eth.chain_id, weights.registry.address, words])).hex()
    assert weights.registry.bookOf(weights.index.address) == (
        1, now() - 7 * DAY - 1, now() + DAY, now() + 3 * DAY, "0x" + expected.removeprefix("0x"),
    )  # fmt: skip


def test_the_change_counts_what_enters_stays_and_leaves(world, fresh, strategist):
    """From quarters to halves of two: two halves left, two quarters were added: 1e18 in all."""
    fresh.register(max_change=WAD)
    kept = fresh.tokens[:2]
    epoch = fresh.epoch([WAD // 2, WAD // 2], tokens=kept)
    assert why(fresh.registry.propose, epoch, b"", sender=strategist) is None
    fresh.index.govern(fresh.registry.setRules, fresh.index.address, rules_with(max_change=WAD - 1))
    assert why(fresh.registry.propose, epoch, b"", sender=strategist) == ("ChangeTooLarge", WAD, WAD - 1)
    newcomer = world.token()
    fresh.index.govern(world.rebalancer.setAllowed, fresh.index.token, [newcomer], True)
    replaced = sorted([*fresh.tokens[:3], newcomer.address], key=lambda address: int(address, 16))
    fresh.index.govern(fresh.registry.setRules, fresh.index.address, rules_with(max_change=WAD // 2))
    assert why(fresh.registry.propose, fresh.epoch(tokens=replaced), b"", sender=strategist) is None
    fresh.index.govern(fresh.registry.setRules, fresh.index.address, rules_with(max_change=WAD // 2 - 1))
    refused = why(fresh.registry.propose, fresh.epoch(tokens=replaced), b"", sender=strategist)
    assert refused == ("ChangeTooLarge", WAD // 2, WAD // 2 - 1)


def test_weights_that_do_not_follow_from_their_inputs_are_refused(world, fresh, strategist, deployer):
    """E7: the methodology recomputes; one wei off is refused with both numbers, and so are inputs of another shape."""
    fresh.register(methodology=deployer.deploy(SqrtMarketCap).address)
    caps = [9 * 10**20, 16 * 10**20, 9 * 10**20, 16 * 10**20]  # {nUSD}: roots as 3 : 4 : 3 : 4
    inputs = encode(["uint256[]"], [caps])
    right = [WAD * 3 // 14, WAD * 4 // 14, WAD * 3 // 14, WAD * 4 // 14]
    right[1] += WAD - sum(right)  # the remainder to the largest, the first on ties
    wrong = [right[0] + 1, right[1] - 1, *right[2:]]
    refused = why(fresh.registry.propose, fresh.epoch(wrong), inputs, sender=strategist)
    assert refused == ("WeightsMismatch", fresh.tokens[0], wrong[0], right[0])
    other = encode(["uint256[]"], [[*caps[:3], caps[3] * 2]])
    assert why(fresh.registry.propose, fresh.epoch(right), other, sender=strategist)[0] == "WeightsMismatch"
    short = encode(["uint256[]"], [caps[:3]])
    assert why(fresh.registry.propose, fresh.epoch(right), short, sender=strategist) == ("LengthMismatch", 3, 4)
    zero = encode(["uint256[]"], [[0, *caps[1:]]])
    assert why(fresh.registry.propose, fresh.epoch(right), zero, sender=strategist) == ("RawWeightInvalid", 0, 0)
    assert why(fresh.registry.propose, fresh.epoch(right), b"", sender=strategist) is not None

    done = fresh.registry.propose(fresh.epoch(right), inputs, {"from": strategist})
    assert done.events["Propose"]["inputs"] == "0x" + inputs.hex()
    wait(DAY)
    fresh.execute(fresh.epoch(right))
    assert fresh.weights() == right


def test_what_is_executed_is_what_was_proposed(weights, eve):
    """E7: an executor who changes any word of the proposal is refused with HashMismatch."""
    epoch = weights.propose(weights.epoch(shifted(WAD // 10)))
    wait(DAY)
    for changes in (
        {"weights": shifted(WAD // 10 + 1)},
        {"weights": shifted(WAD // 10 - 1)},
        {"spec": INPUTS},
        {"inputs": SPEC},
        {"number": 3},
        {"tokens": weights.tokens[::-1]},
    ):
        other = weights.epoch(**{"weights": shifted(WAD // 10), **changes})
        refused = why(weights.registry.execute, other, sender=eve)
        assert refused[0] == "HashMismatch" and refused[1] != refused[2]
    assert why(weights.registry.execute, epoch, sender=eve) is None


def test_the_base_of_a_change_is_what_was_executed_last(weights, strategist, guardian):
    """E8: proposals that were vetoed or lapsed do not move the base, and market drift does not either."""
    far, step = shifted(WAD // 5), WAD * 4 // 10
    weights.propose(weights.epoch(far))
    weights.registry.veto(weights.index.address, 2, {"from": guardian})
    further = [far[0] - 1, far[1], far[2], far[3] + 1]
    assert why(weights.registry.propose, weights.epoch(further), b"", sender=strategist) == (
        "ChangeTooLarge",
        step + 2,
        step,
    )
    weights.propose(weights.epoch(far))
    wait(4 * DAY)  # lapsed
    assert why(weights.registry.propose, weights.epoch(further), b"", sender=strategist) == (
        "ChangeTooLarge",
        step + 2,
        step,
    )
    weights.index.feed(0).setPrice(weights.index.price(0) * 3, {"from": guardian})
    assert why(weights.registry.propose, weights.epoch(further), b"", sender=strategist) == (
        "ChangeTooLarge",
        step + 2,
        step,
    )
    weights.move(far)
    assert why(weights.registry.propose, weights.epoch(further), b"", sender=strategist) is None


def test_epochs_cannot_be_spammed(weights, strategist, eve):
    """E8: one epoch per interval whatever is sent, and each moves no more than its own step."""
    executed, moved = [], 0
    started = now()
    amount = WAD // 50
    while now() < started + 28 * DAY:
        direction = shifted(amount) if len(executed) % 2 == 0 else weights.quarters
        if why(weights.registry.propose, weights.epoch(direction), b"", sender=strategist) is None:
            weights.propose(weights.epoch(direction))
        if why(weights.registry.execute, weights.epoch(direction), sender=eve) is None:
            before = weights.weights()
            weights.execute(weights.epoch(direction))
            executed.append(now())
            moved += sum(abs(x - y) for x, y in zip(weights.weights(), before, strict=True))
        wait(6 * HOUR)
    assert len(executed) >= 3
    assert all(later - earlier >= 7 * DAY for earlier, later in zip(executed, executed[1:], strict=False))
    assert moved == len(executed) * 2 * amount


def test_while_one_is_pending_nothing_else_can_be_proposed(weights, strategist):
    weights.propose(weights.epoch(shifted(WAD // 10)))
    lapses = now() + 3 * DAY
    refused = why(weights.registry.propose, weights.epoch(), b"", sender=strategist)
    assert refused == ("ProposalPending", weights.index.address, 2, lapses)
    wait(3 * DAY - 1)
    assert why(weights.registry.propose, weights.epoch(), b"", sender=strategist) == refused
    wait(1)
    assert now() == lapses
    assert why(weights.registry.propose, weights.epoch(), b"", sender=strategist) is None


# --- veto, execute ----------------------------------------------------------------------------------------------------


def test_a_veto_drops_the_proposal_and_its_number_is_free_again(weights, guardian, eve, strategist):
    registry, index = weights.registry, weights.index.address
    assert why(registry.veto, index, 2, sender=guardian) == ("NothingProposed", index)
    epoch = weights.propose(weights.epoch(shifted(WAD // 10)))
    for who in (eve, strategist):
        assert why(registry.veto, index, 2, sender=who) == ("NotAuthorized", who.address, index)
    assert why(registry.veto, index, 1, sender=guardian) == ("EpochMismatch", 1, 2)
    done = registry.veto(index, 2, {"from": guardian})
    assert dict(done.events["Veto"]) == {
        "index": index, "number": 2, "by": guardian.address, "proposalHash": registry.hashOf(epoch),
    }  # fmt: skip
    wait(2 * DAY)
    assert why(registry.execute, epoch, sender=eve) == ("NothingProposed", index)
    assert weights.weights() == weights.quarters
    weights.propose(epoch)
    wait(DAY)
    registry.veto(index, 2, {"from": guardian})  # also when it is ready already
    weights.move(shifted(WAD // 20))
    assert weights.number == 2


def test_anyone_executes_between_delay_and_lapse(weights, eve):
    epoch = weights.propose(weights.epoch(shifted(WAD // 10)))
    ready, lapses = now() + DAY, now() + 3 * DAY
    wait(DAY - 1)
    assert why(weights.registry.execute, epoch, sender=eve) == ("EpochTooEarly", ready)
    wait(1)
    assert why(weights.registry.execute, epoch, sender=eve) is None
    with undone():
        done = weights.execute(epoch, eve)
        assert tuple(done.events["Execute"]["epoch"]) == epoch
        assert weights.weights() == shifted(WAD // 10)
        assert why(weights.registry.execute, epoch, sender=eve) == ("NothingProposed", weights.index.address)
    wait(2 * DAY - 1)
    assert why(weights.registry.execute, epoch, sender=eve) is None
    wait(1)
    assert now() == lapses
    assert why(weights.registry.execute, epoch, sender=eve) == ("ProposalLapsed", lapses)


def test_the_interval_counts_from_the_last_execution(fresh, governor, eve):
    """Proposed right after an execution, it is ready when the interval is over and not when the delay is."""
    fresh.registry.register(fresh.epoch(), rules_with(), {"from": governor})
    executed = now()
    epoch = fresh.propose(fresh.epoch(shifted(WAD // 10)))
    assert fresh.registry.bookOf(fresh.index.address)[2:4] == (executed + 7 * DAY, executed + 9 * DAY)
    wait(2 * DAY)
    assert why(fresh.registry.execute, epoch, sender=eve) == ("EpochTooEarly", executed + 7 * DAY)


def test_a_token_that_lost_its_place_on_the_allow_list_does_not_come_in(weights, world, eve):
    epoch = weights.propose(weights.epoch(shifted(WAD // 10)))
    wait(DAY)
    weights.index.govern(world.rebalancer.setAllowed, weights.index.token, [weights.tokens[2]], False)
    assert why(weights.registry.execute, epoch, sender=eve) == ("TokenNotAllowed", weights.tokens[2])


def test_a_proposal_stands_for_one_index_one_epoch_one_registry_and_one_chain(
    world, weights, eve, strategist, deployer
):
    """E13: the same words do not execute for a second index, a later epoch or another registry; the chain id is hashed."""
    other = Weights(world)
    other.tokens = weights.tokens
    other.index.govern(world.rebalancer.setAllowed, other.index.token, weights.tokens, True)
    other.register()
    epoch = weights.propose(weights.epoch(shifted(WAD // 10)))
    other.propose(other.epoch())
    wait(DAY)
    replayed = (other.index.address, *epoch[1:])
    refused = why(world.registry.execute, replayed, sender=eve)
    assert refused == ("HashMismatch", *(_bytes(world.registry.hashOf(e)) for e in (replayed, other.epoch())))
    weights.execute(epoch)
    assert why(world.registry.execute, epoch, sender=eve) == ("NothingProposed", weights.index.address)
    assert why(world.registry.propose, epoch, b"", sender=strategist) == ("EpochMismatch", 2, 3)
    second = deployer.deploy(WeightRegistry)
    assert second.hashOf(epoch) != world.registry.hashOf(epoch)
    chain, here = web3.eth.chain_id, world.registry.hashOf(epoch)
    try:
        web3.provider.make_request("anvil_setChainId", [chain + 1])
        raw = web3.provider.make_request(
            "eth_call", [{"to": world.registry.address, "data": world.registry.hashOf.encode_input(epoch)}, "latest"]
        )
        assert raw["result"] != str(here)
    finally:
        web3.provider.make_request("anvil_setChainId", [chain])
    assert world.registry.hashOf(epoch) == here


def _bytes(word):
    return bytes.fromhex(str(word)[2:]).rstrip(b"\0").decode("ascii", "replace")


# --- weightsOf --------------------------------------------------------------------------------------------------------


def test_weights_of_is_the_executed_epoch_and_zero_for_what_left(fresh, eve):
    fresh.register(max_change=2 * WAD)
    fresh.move([WAD // 2, WAD // 2], tokens=fresh.tokens[:2])
    assert fresh.weights() == [WAD // 2, WAD // 2, 0, 0]
    fresh.move([WAD * 4 // 10, WAD * 6 // 10], tokens=fresh.tokens[2:])
    assert fresh.weights() == [0, 0, WAD * 4 // 10, WAD * 6 // 10]
    backwards = fresh.registry.weightsOf(fresh.index.address, [DEAD, *fresh.tokens[::-1]])
    assert list(backwards) == [0, WAD * 6 // 10, WAD * 4 // 10, 0, 0]
    fresh.move(fresh.quarters)
    assert fresh.weights() == fresh.quarters
    assert sum(fresh.weights()) == WAD


# --- what stolen keys can do ------------------------------------------------------------------------------------------


def test_a_captured_strategist_cannot_leave_the_bounds(weights, strategist, guardian, governor, eve):
    """E6: with the strategist's key, everything that is tried lands inside the rules, a step at a time, under the veto."""
    attacker, registry, index = strategist, weights.registry, weights.index.address
    assert why(registry.setRules, index, rules_with(max_change=2 * WAD), sender=attacker)[0] == "NotAuthorized"
    assert why(registry.veto, index, 2, sender=attacker)[0] == "NotAuthorized"
    assert why(registry.propose, weights.epoch([WAD - 3, 1, 1, 1]), b"", sender=attacker)[0] == "WeightTooHigh"
    all_in = [WAD // 5, WAD // 5 - WAD // 100, WAD // 100, WAD * 6 // 10]
    assert why(registry.propose, weights.epoch(all_in), b"", sender=attacker)[0] == "ChangeTooLarge"
    started, history = now(), [weights.weights()]
    weights.move(shifted(WAD // 5))
    history.append(weights.weights())
    for before, after in zip(history, history[1:], strict=False):
        assert sum(abs(x - y) for x, y in zip(before, after, strict=True)) <= RULES["max_change"]
        assert sum(after) == WAD and min(after) >= RULES["min_weight"] and max(after) <= RULES["max_weight"]
    assert now() - started >= DAY  # the guardian had the time of the delay
    weights.propose(weights.epoch(weights.quarters))
    registry.veto(index, 3, {"from": guardian})
    assert weights.weights() == shifted(WAD // 5)


def test_a_damped_index_goes_part_of_the_way(fresh, strategist, deployer):
    """The step is measured from the weights that the registry executed, which nobody who proposes can choose."""
    step = WAD // 4
    damped = deployer.deploy(DampedStep, deployer.deploy(Managed), step)
    fresh.register(methodology=damped.address, max_change=WAD)
    target = [WAD * 5 // 10, WAD * 3 // 10, WAD // 10, WAD // 10]
    inputs = encode(["uint256[]"], [target])
    expected = [WAD // 4 + (t - WAD // 4) // 4 for t in target]
    assert sum(expected) == WAD
    assert why(fresh.registry.propose, fresh.epoch(target), inputs, sender=strategist) == (
        "WeightsMismatch", fresh.tokens[0], target[0], expected[0],
    )  # fmt: skip
    fresh.propose(fresh.epoch(expected), inputs)
    wait(DAY)
    fresh.execute(fresh.epoch(expected))
    assert fresh.weights() == expected


def test_an_epoch_of_64_tokens_fits_a_transaction(world, deployer, governor, strategist, eve):
    """Propose with a methodology and execute, at 64 components, stay far below 16.7 M gas."""
    registry = world.registry
    tokens = sorted((f"0x{0xC0FFEE0000 + n * 7919:040x}" for n in range(64)), key=lambda a: int(a, 16))
    tokens = [web3.to_checksum_address(token) for token in tokens]
    index = world.create([world.token(), world.token()])
    index.govern(world.rebalancer.setAllowed, index.token, tokens, True)
    rules = rules_with(min_weight=1, methodology=deployer.deploy(EqualWeight).address)
    epoch = (index.address, 1, SPEC, INPUTS, tokens, [WAD // 64] * 64)
    first = registry.register(epoch, rules, {"from": governor})
    wait(7 * DAY)
    epoch = (index.address, 2, *epoch[2:])
    proposed = registry.propose(epoch, b"", {"from": strategist})
    wait(DAY)
    executed = registry.execute(epoch, {"from": eve})
    print("gas at 64 tokens: register", first.gas_used, "propose", proposed.gas_used, "execute", executed.gas_used)
    assert first.gas_used < 3_000_000 and proposed.gas_used < 1_500_000 and executed.gas_used < 1_500_000
