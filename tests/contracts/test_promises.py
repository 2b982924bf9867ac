"""One test for each promise of the design that the contracts keep: G1, G2, G3, G4, G6, G7.

The details are tested beside each contract; here each promise is put as the holder would put it.
"""

import random
from decimal import Context, Decimal

import pytest
from brownie import GasBurnerToken, PausableToken, RevertingBalanceToken

from tests.contracts.support import DAY, DEAD, HOUR, LOCKED_SHARES, WAD, YEAR, at_next, ceil_div, now, wait, web3, why


def test_g1_there_is_always_a_way_out(world, deployer, alice, bob, guardian, governor, eve):
    """G1: oracle dead, everything paused, deprecated, modules replaced by nothing, keeper gone, one token paused, one
    silent and one burning gas: the rest is paid to the unit, and what only waits is paid later."""
    paused = deployer.deploy(PausableToken, "PAUSE", 18)
    mute = deployer.deploy(RevertingBalanceToken, "MUTE", 18)
    burner = deployer.deploy(GasBurnerToken, "BURN", 18)
    for token in (paused, mute, burner):
        world.list(token)
    index = world.create([world.token(18), paused, world.token(6), mute, burner], streaming_fee=5 * 10**16)
    index.start([WAD // 10, WAD // 10, WAD * 6 // 10, WAD // 10, WAD // 10])
    for i in range(5):
        index.feed(i).setDead(True, {"from": eve})
    index.token.pauseMint(7 * DAY, {"from": guardian})
    index.token.pauseExchange(7 * DAY, {"from": guardian})
    index.govern(index.token.deprecate)
    index.govern(index.token.setRebalancer, DEAD)
    index.govern(index.token.setGuard, DEAD)
    wait(400 * DAY)
    at_next(now() + 1)
    held, supply = index.token.balanceOf(alice), index.token.totalSupply()
    reserves = index.reserves()
    paused.setPaused(True, {"from": eve})
    mute.setSilent(True, {"from": eve})
    burner.setBurns(True, False, {"from": eve})

    tx = index.redeem(alice, held, receiver=bob, mask=0b11010)

    later = index.token.totalSupply()
    assert index.token.balanceOf(alice) == 0 and tx.gas_used < 2**24
    for i in (0, 2):
        paid = index.tokens[i].balanceOf(bob)
        assert 0 <= held * reserves[i] // supply - paid <= reserves[i] // 10**6  # a second of fee
    claim = index.token.claimOf(paused, bob)
    assert 0 <= held * reserves[1] // supply - claim <= reserves[1] // 10**6
    assert index.token.claimOf(burner, bob) == claim and index.token.claimOf(mute, bob) == 0
    paused.setPaused(False, {"from": eve})
    index.token.claim(paused, bob, bob, {"from": eve})
    assert paused.balanceOf(bob) == claim and later > LOCKED_SHARES


def test_g2_a_hostile_keeper_costs_no_more_than_the_budget(world, strategist, eve):
    """G2: the worst that can be done at once is C; after a window it is 2·C (C1 tries it for 30 days with everything)."""
    loose = (50_000, 0, 0, 14 * DAY, WAD, WAD)
    index = world.create([world.token(18), world.token(6)])
    index.govern(world.rebalancer.setPolicy, index.token, loose)
    start = index.nav()
    wait(1)
    for day in (1, 2):
        for k in range(4):
            index.start([WAD * 9 // 10, WAD // 10] if (k + day) % 2 else [WAD // 10, WAD * 9 // 10])
            sell = 0 if index.largest(0, 1) else 1
            order = index.order(
                sell, 1 - sell, max(1, min(index.largest(sell, 1 - sell), index.reserves()[sell] // 10))
            )
            index.tokens[1 - sell].mint(world.taker, 10**30, {"from": eve})
            if why(world.rebalancer.swap, order, sender=strategist) is None:
                index.swap(order)
        lost = (start - index.nav()) * WAD // start
        assert lost <= 5 * 10**15 * (DAY + now() - index_born(index)) // DAY
        assert lost > 25 * 10**14 * day
        wait(DAY)


def index_born(index):
    return int(index.token.supplyWord()[2])


def test_g3_nobody_is_diluted_by_anyone(index, bob, eve):
    """G3: after any mints, redemptions, claims and collections in any order, a share is backed by no less than before."""
    rng = random.Random(7)
    for _ in range(12):
        reserves, supply = index.reserves(), index.token.totalSupply()
        action = rng.choice(["mint", "mint", "redeem", "defer", "claim", "collect"])
        owned = index.token.balanceOf(bob)
        if action == "mint" or not owned:
            index.mint(bob, rng.choice([1, 17, WAD // 3, 50 * WAD]))
        elif action == "redeem":
            index.redeem(bob, rng.randint(1, owned))
        elif action == "defer":
            index.redeem(bob, rng.randint(1, owned), mask=rng.randint(1, (1 << index.n) - 1))
        elif action == "claim":
            for token in index.tokens:
                if index.token.claimOf(token, bob):
                    index.token.claim(token, bob, bob, {"from": eve})
        else:
            index.token.collect({"from": eve})
        after, supply_after = index.reserves(), index.token.totalSupply()
        assert all(a * supply >= r * supply_after for a, r in zip(after, reserves, strict=True)), action


def test_g4_every_swap_moves_towards_the_target_and_never_past_it(index, world):
    """G4: after each fill neither gap is larger nor on the other side, and the price is never below the floor."""
    index.start(index.tilted())
    sell, buy = 0, index.n - 1
    for part in (3, 2, 1):
        gaps = [world.rebalancer.gapOf(index.token, t) for t in index.tokens]
        reserves = index.reserves()
        amount = index.largest(sell, buy) // part
        if not amount:
            continue
        index.swap(index.order(sell, buy, amount))
        after = [world.rebalancer.gapOf(index.token, t) for t in index.tokens]
        assert after[sell] == (gaps[sell][0] - amount, 0) and after[buy][1] < gaps[buy][1] and after[buy][0] == 0
        assert [after[i] == gaps[i] for i in range(index.n) if i not in (sell, buy)] == [True] * (index.n - 2)
        bought = index.reserves()[buy] - reserves[buy]
        floor = ceil_div(amount * index.price(sell) * 990_000, index.price(buy) * 10**6)
        assert bought >= floor and reserves[sell] - index.reserves()[sell] == amount


# --- G6 ---------------------------------------------------------------------------------------------------------------


def exp_wad(x):
    """⌊exp(x/1e18)·1e18⌋, at 60 digits."""
    return int(Context(prec=60).exp(Decimal(x).scaleb(-18)) * WAD)


class Replay:
    """What an indexer knows who has read nothing but the events."""

    def __init__(self):
        self.reserves, self.claims, self.owed = {}, {}, {}
        self.base = self.issued = self.since = self.rate = 0
        self.components, self.version = [], 0
        self.plan = self.steps = self.expires = 0
        self.targets, self.loss, self.turnover, self.charged = {}, 0, 0, 0
        self.limits = None

    def growth(self, t):
        return exp_wad(self.rate * (t - self.since) // YEAR) if self.rate else WAD

    def supply(self, t):
        return max(self.base * self.growth(t) // WAD, self.issued)

    def drain(self, t):
        _, loss_window, turnover, turnover_window, _ = self.limits
        self.loss = max(0, self.loss - self.limits[0] * (t - self.charged) // loss_window)
        self.turnover = max(0, self.turnover - turnover * (t - self.charged) // turnover_window)
        self.charged = t

    def apply(self, name, e, t):
        move = getattr(self, "on_" + name, None)
        if move:
            move(e, t)

    def on_UpdateComponents(self, e, t):
        self.components, self.version = list(e["components"]), e["version"]

    def on_SetStreamingFee(self, e, t):
        self.base, self.rate, self.since = e["base"], e["rate"], t

    def on_Bootstrap(self, e, t):
        self.base = self.issued = e["shares"]
        self.since = t
        for token, amount in zip(self.components, e["amounts"], strict=True):
            self.reserves[token] = amount

    def on_Mint(self, e, t):
        self.base, self.since = self.supply(t) + e["shares"], t
        self.issued += e["shares"] - e["feeShares"]
        for token, amount in zip(self.components, e["amountsIn"], strict=True):
            self.reserves[token] += amount

    def on_Redeem(self, e, t):
        self.base, self.since = self.supply(t) - (e["shares"] - e["feeShares"]), t
        self.issued -= e["shares"]
        for i, (token, amount) in enumerate(zip(self.components, e["amountsOut"], strict=True)):
            if not e["deferMask"] >> i & 1:  # what was deferred leaves when it is claimed
                self.reserves[token] -= amount

    def on_Defer(self, e, t):
        key = (e["token"], e["account"])
        self.claims[key] = self.claims.get(key, 0) + e["amount"]
        self.owed[e["token"]] = self.owed.get(e["token"], 0) + e["amount"]

    def on_Claim(self, e, t):
        assert self.claims.pop((e["token"], e["account"])) == e["amount"]
        self.owed[e["token"]] -= e["amount"]
        self.reserves[e["token"]] -= e["amount"]

    def on_Burn(self, e, t):
        self.base, self.since = self.supply(t) - e["shares"], t
        self.issued -= e["shares"]

    def on_MintFeeShares(self, e, t):
        self.base, self.since = self.supply(t) + e["shares"], t
        self.issued += e["shares"]

    def on_Collect(self, e, t):
        self.issued += e["shares"]

    def on_Exchange(self, e, t):
        for leg in e["sold"]:
            self.reserves[leg["token"]] -= leg["amount"]
        for leg in e["bought"]:
            self.reserves[leg["token"]] = self.reserves.get(leg["token"], 0) + leg["amount"]

    def on_StartPlan(self, e, t):
        self.plan, self.steps, self.expires = e["planId"], 0, e["expiresAt"]
        for token, unit, price in zip(e["tokens"], e["units"], e["prices"], strict=True):
            if price:
                self.targets[token] = (e["planId"], unit)

    def on_SwapTokens(self, e, t):
        self.steps = e["step"] + 1

    def on_EndPlan(self, e, t):
        self.expires = 0

    def on_SetLimits(self, e, t):
        if self.limits:
            self.drain(t)
        self.limits, self.charged = tuple(e["limits"].values()), t

    def on_Charge(self, e, t):
        self.drain(t)
        self.loss, self.turnover = self.loss + e["loss"], self.turnover + e["turnover"]
        assert (self.loss, self.turnover) == (e["lossUsed"], e["turnoverUsed"])


def logs_of(index):
    """(name, arguments, time) of every event of the index and about it, in order."""
    world, first = index.world, {}
    contracts = [web3.eth.contract(address=c.address, abi=c.abi) for c in (index.token, world.rebalancer, world.guard)]
    found = []
    for contract in contracts:
        for event in contract.abi:
            if event["type"] != "event":
                continue
            for log in getattr(contract.events, event["name"])().get_logs(from_block=0):
                about = log["args"].get("index", index.address)
                if about == index.address:
                    found.append((log["blockNumber"], log["logIndex"], log["event"], log["args"]))
    for block, _, name, arguments in sorted(found, key=lambda item: item[:2]):
        if block not in first:
            first[block] = int(web3.eth.get_block(block)["timestamp"])
        yield name, arguments, first[block]


def test_g6_everything_can_be_rebuilt_from_events(world, alice, bob, eve, governor):
    """G6: reserves, supply, claims, plan, targets and budgets after a busy month, from logs alone."""
    index = world.create(
        [world.token(18, 4), world.token(6, 1), world.token(8, 200)],
        streaming_fee=2 * 10**16,
        mint_fee=10**15,
        redeem_fee=2 * 10**15,
    )
    rng = random.Random(11)
    for day in range(10):
        index.mint(bob, rng.randint(1, 90 * WAD))
        index.redeem(
            alice,
            rng.randint(1, 40 * WAD),
            receiver=rng.choice([alice, bob]),
            mask=7 if day == 9 else rng.choice([0, 1, 2, 6, 7]),
        )
        if day % 4 == 0:
            for token in index.tokens:
                for who in (alice, bob):
                    if index.token.claimOf(token, who):
                        index.token.claim(token, who, eve if who == alice else bob, {"from": who})
        if day % 2:
            index.token.collect({"from": eve})
        weights = index.tilted() if day % 4 == 0 else index.equal()
        index.start(weights)
        for sell in range(3):
            for buy in range(3):
                if sell != buy and index.largest(sell, buy) > 10**4:
                    amount = index.largest(sell, buy) * 999 // 1000  # the fee dilutes while the order is on its way
                    index.swap(index.order(sell, buy, amount, min_buy=index.mid(sell, buy, amount) * 9990 // 10_000))
        if day == 4:
            index.raise_fee("setStreamingFee", 10**16)
            index.govern(world.guard.setLimits, index.token, (4 * 10**15, 2 * DAY, 2 * WAD, DAY, HOUR))
        if day == 6:
            index.end()
        if day == 7:
            index.govern(index.token.setFeeRecipient, bob)
        if day < 9:
            wait(DAY // 3 + rng.randint(0, DAY))

    replay = Replay()
    for name, arguments, t in logs_of(index):
        replay.apply(name, arguments, t)

    t, token = now(), index.token
    assert replay.components == list(token.components()) and replay.version == token.version()
    assert [replay.reserves[c] - replay.owed.get(c, 0) for c in replay.components] == index.reserves()
    assert (replay.base, replay.issued, replay.since) == token.supplyWord()
    assert replay.supply(t) == token.totalSupply() and replay.rate == token.streamingRate()
    for (component, who), amount in replay.claims.items():
        assert token.claimOf(component, who) == amount
    assert [replay.owed.get(c, 0) for c in replay.components] == [token.claimsOwed(c) for c in replay.components]
    plan = world.rebalancer.planOf(token)
    assert (replay.plan, replay.steps, replay.expires) == (plan[0], plan[1], plan[3])
    for component, (plan_id, unit) in replay.targets.items():
        target = world.rebalancer.targetOf(token, component)
        assert (target[0], target[2]) == (plan_id, unit)
    assert replay.limits == world.guard.limitsOf(token)
    replay.drain(t)
    assert (replay.loss, replay.turnover) == world.guard.usedOf(token)
    assert replay.loss > 0 and replay.turnover > 0 and replay.claims


# --- G7 ---------------------------------------------------------------------------------------------------------------


STOPS = {0x00, 0x56, 0xF3, 0xFD, 0xFE, 0xFF}  # STOP, JUMP, RETURN, REVERT, INVALID, SELFDESTRUCT
JUMPDEST = 0x5B


def opcodes(code):
    """Every opcode of runtime code that can be executed, by the EVM's own rule: one sweep from the start that skips the
    data of PUSH instructions; after an instruction that ends, only a JUMPDEST of that sweep can be reached again. What
    the compiler keeps behind the code (constants, metadata) is thereby left out only where nothing can jump to it."""
    i, reachable = 0, True
    while i < len(code):
        reachable = reachable or code[i] == JUMPDEST
        if reachable:
            yield code[i]
        reachable = reachable and code[i] not in STOPS
        i += 1 + (code[i] - 0x5F if 0x60 <= code[i] <= 0x7F else 0)


FORBIDDEN = {0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xFF: "SELFDESTRUCT"}


def test_g7_the_scanner_finds_what_it_looks_for():
    """A scan that cannot fail proves nothing: it finds them in code, behind jumps too, and not in data."""
    assert set(opcodes(bytes([0x60, 0xF4, 0x00]))) & set(FORBIDDEN) == set()
    assert set(opcodes(bytes([0x60, 0x00, 0xF4]))) & set(FORBIDDEN) == {0xF4}
    assert set(opcodes(bytes([0xFE, 0xF4]))) & set(FORBIDDEN) == set()
    assert set(opcodes(bytes([0xFE, 0x5B, 0xF4]))) & set(FORBIDDEN) == {0xF4}


@pytest.mark.parametrize(
    "name", ["token", "rebalancer", "guard", "oracle", "v2_taker", "v3_taker", "lens", "registry", "recorder"]
)
def test_g7_no_proxy_no_delegatecall_no_selfdestruct(world, mixed, name):
    """G7: the code that runs is the code that was read. The index token creates only lists (data behind a STOP)."""
    contract = mixed.token if name == "token" else getattr(world, name)
    code = bytes(web3.eth.get_code(contract.address))
    used = set(opcodes(code))
    assert len(code) > 500 and not used & set(FORBIDDEN)
    creates = used & {0xF0, 0xF5}
    assert creates == ({0xF0} if name == "token" else set())


def test_g7_the_index_never_approves_anyone(world, alice, bob, eve):
    """G7: after everything an index can do, no token ever logged an approval by it."""
    index = world.create([world.token(18), world.token(6)])
    index.mint(bob, WAD)
    index.redeem(alice, WAD, mask=1)
    index.token.claim(index.tokens[0], alice, alice, {"from": eve})
    index.trade([WAD // 4, WAD - WAD // 4])
    index.add(world.token(8))
    index.token.collect({"from": eve})
    approval = "0x" + bytes(web3.keccak(text="Approval(address,address,uint256)")).hex()
    owner = "0x" + index.address[2:].lower().rjust(64, "0")
    assert web3.eth.get_logs({"fromBlock": 0, "topics": [approval, owner]}) == []
    assert web3.eth.get_logs({"fromBlock": 0, "topics": [approval]})  # the search finds those of people
    for token in index.tokens:
        for who in [world.rebalancer, world.guard, world.factory, world.taker, world.v3_taker, eve]:
            assert token.allowance(index.token, who) == 0


def test_g7_the_abi_has_no_function_that_could_take_tokens(mixed):
    """G7: every state-changing function of the index is on this list; a new one must be argued for."""
    changing = {
        i["name"] for i in mixed.token.abi if i["type"] == "function" and i["stateMutability"] not in ("view", "pure")
    }
    assert changing == {
        "transfer", "transferFrom", "approve", "permit",
        "mint", "redeem", "claim", "burn", "collect",
        "exchange", "updateComponents", "bootstrap", "mintFeeShares",
        "setStreamingFee", "setMintFee", "setRedeemFee", "setFeeRecipient", "setSupplyCap", "setRebalancer", "setGuard",
        "setFeeModule", "announceFee", "armPauses", "deprecate", "abdicate", "pauseMint", "pauseExchange", "setAuthority",
    }  # fmt: skip
    assert not any(i["type"] in ("fallback", "receive") for i in mixed.token.abi)
    assert not any(i.get("stateMutability") == "payable" for i in mixed.token.abi)


def test_g7_the_index_code_fits_a_contract(mixed):
    """EIP-170: 24,576 bytes of code."""
    assert len(web3.eth.get_code(mixed.address)) <= 24_576
