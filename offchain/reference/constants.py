"""The hard limits of Ballast, as in `contracts/libraries/Constants.sol`; the differential test compares every one."""

from __future__ import annotations

WAD = 10**18  # D18{1}
D27 = 10**27  # D27{1}
PPM = 10**6  # {ppm}
YEAR = 365 * 86_400  # {s}

# --- basket
MAX_COMPONENTS = 64  # {1} one bit of a mask each
LOCKED_SHARES = 10**9  # {share} minted to nobody at bootstrap
LOCKED_SHARES_HOLDER = "0x000000000000000000000000000000000000dEaD"
BALANCE_GAS = 100_000  # {gas} for reading the balance of a deferred leg

# --- fees
MAX_STREAMING_FEE = 5 * WAD // 100  # D18{1/year}
MAX_MINT_FEE = WAD // 100  # D18{1}
MAX_REDEEM_FEE = WAD // 100  # D18{1}
FEE_NOTICE = 3 * 86_400  # {s} from the announcement of a higher fee until it may be set
MAX_MODULE_FEE = WAD // 10  # D18{1} of supply that modules may mint per window
MODULE_FEE_WINDOW = 30 * 86_400  # {s}
MAX_PERFORMANCE_FEE = WAD // 5  # D18{1} of the gain above the high-water mark
MIN_FEE_INTERVAL = 7 * 86_400  # {s} between two charges of the performance fee
MAX_FEE_INTERVAL = 365 * 86_400  # {s}
MIN_OBSERVATION_AGE = 3_600  # {s} of the NAV that confirms a gain
MAX_OBSERVATION_AGE = 86_400  # {s}
MAX_FEE_RECIPIENTS = 16  # {1} of a splitter's table

# --- safety
MAX_PAUSE = 7 * 86_400  # {s}
MAX_LOSS_CAPACITY = 5 * WAD // 100  # D18{1} of NAV per window
MAX_TURNOVER_CAPACITY = 4 * WAD  # D18{1} of NAV per window
MIN_WINDOW = 3_600  # {s}
MAX_WINDOW = 30 * 86_400  # {s}
MAX_VALUATION_AGE = 3_600  # {s}

# --- plans
MAX_SLIPPAGE = 50_000  # {ppm}
MAX_PLAN_DURATION = 14 * 86_400  # {s}
MAX_COOLDOWN = 86_400  # {s}
MAX_SCALE = 20_000  # {ppm} by which the targets of a plan may be scaled
MAX_RANGE = 100  # {1} top of a manual price range over its bottom

# --- auctions
MAX_PREMIUM = 500_000  # {ppm}
MIN_AUCTION_DURATION = 300  # {s}
MAX_AUCTION_DURATION = 7 * 86_400  # {s}
MAX_WARM_UP = 86_400  # {s}
MAX_REBALANCE_FEE = 2_000  # {ppm} of one-way turnover
MAX_KEEPER_TIP = 1_000  # {ppm} of one-way turnover

# --- prices
MAX_PRICE = 2**160 - 1  # D27{nUSD/tok}
PRICE_GAS = 3_000_000  # {gas} for one price where a missing one is tolerated
COMPONENT_PRICE_GAS = 300_000  # {gas} for one price inside the NAV of an index
MAX_ANSWER_AGE = 30 * 86_400  # {s}
MAX_GRACE = 86_400  # {s} after a sequencer came back
MIN_TWAP_WINDOW = 1_800  # {s}
MAX_TWAP_WINDOW = 86_400  # {s}
MAX_DEVIATION = 200_000  # {ppm} between two sources
MAX_RATE_JUMP = 5 * WAD // 100  # D18{1} of a vault's share price
MAX_RATE_GROWTH = WAD  # D18{1/year} of a vault's share price
CHECKPOINT_INTERVAL = 86_400  # {s}

# --- weights
MIN_WEIGHT_DELAY = 3_600  # {s}
MAX_WEIGHT_DELAY = 30 * 86_400  # {s}
MAX_WEIGHT_INTERVAL = 365 * 86_400  # {s}
MAX_WEIGHT_CHANGE = 2 * WAD  # D18{1}
RECORD_WINDOW = 2 * 3_600  # {s} after midnight UTC
RECORD_SLOTS = 128  # {day}
