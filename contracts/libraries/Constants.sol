// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Constants
/// @notice The hard limits of Ballast: no role, module or vote can pass them.
library Constants {
    uint256 internal constant WAD = 1e18; // D18{1}
    uint256 internal constant D27 = 1e27; // D27{1}
    uint256 internal constant PPM = 1e6; // {ppm}
    uint256 internal constant YEAR = 365 days; // {s}

    /* BASKET */
    uint256 internal constant MAX_COMPONENTS = 64; // {1} one bit of a mask each
    uint256 internal constant LOCKED_SHARES = 1e9; // {share} minted to nobody at bootstrap, so that supply is never zero
    address internal constant LOCKED_SHARES_HOLDER = address(0xdEaD);
    uint256 internal constant BALANCE_GAS = 100_000; // {gas} for reading the balance of a deferred leg

    /* FEES */
    uint256 internal constant MAX_STREAMING_FEE = 0.05e18; // D18{1/year} 5 %
    uint256 internal constant MAX_MINT_FEE = 0.01e18; // D18{1} 1 %
    uint256 internal constant MAX_REDEEM_FEE = 0.01e18; // D18{1} 1 %
    uint256 internal constant MAX_PERFORMANCE_FEE = 0.2e18; // D18{1} of the gain above the high-water mark, 20 %
    uint256 internal constant MIN_FEE_INTERVAL = 7 days; // {s} between two charges of the performance fee
    uint256 internal constant MAX_FEE_INTERVAL = 365 days; // {s}
    uint256 internal constant MIN_OBSERVATION_AGE = 1 hours; // {s} of the NAV that confirms a gain
    uint256 internal constant MAX_OBSERVATION_AGE = 1 days; // {s}
    uint256 internal constant MAX_FEE_RECIPIENTS = 16; // {1} of a splitter's table

    uint256 internal constant FEE_NOTICE = 3 days; // {s} from the announcement of a higher fee until it may be set
    uint256 internal constant MAX_MODULE_FEE = 0.1e18; // D18{1} of supply that modules may mint per window, 10 %
    uint256 internal constant MODULE_FEE_WINDOW = 30 days; // {s}

    /* SAFETY */
    uint256 internal constant MAX_PAUSE = 7 days; // {s}
    uint256 internal constant MAX_LOSS_CAPACITY = 0.05e18; // D18{1} of NAV per window, 5 %
    uint256 internal constant MAX_TURNOVER_CAPACITY = 4e18; // D18{1} of NAV per window, 400 %
    uint256 internal constant MIN_WINDOW = 1 hours; // {s}
    uint256 internal constant MAX_WINDOW = 30 days; // {s}
    uint256 internal constant MAX_VALUATION_AGE = 1 hours; // {s}

    /* PLANS */
    uint256 internal constant MAX_SLIPPAGE = 50_000; // {ppm} 5 %
    uint256 internal constant MAX_PLAN_DURATION = 14 days; // {s}
    uint256 internal constant MAX_COOLDOWN = 1 days; // {s}
    uint256 internal constant MAX_SCALE = 20_000; // {ppm} by which the targets of a plan may be scaled, 2 %
    uint256 internal constant MAX_RANGE = 100; // {1} top of a manual price range over its bottom

    /* AUCTIONS: the discount is bounded by MAX_SLIPPAGE */
    uint256 internal constant MAX_PREMIUM = 500_000; // {ppm} 50 %
    uint256 internal constant MIN_AUCTION_DURATION = 5 minutes; // {s}
    uint256 internal constant MAX_AUCTION_DURATION = 7 days; // {s}
    uint256 internal constant MAX_WARM_UP = 1 days; // {s}
    uint256 internal constant MAX_REBALANCE_FEE = 2000; // {ppm} of one-way turnover
    uint256 internal constant MAX_KEEPER_TIP = 1000; // {ppm} of one-way turnover

    /* PRICES */
    uint256 internal constant MAX_PRICE = type(uint160).max; // D27{nUSD/tok} leaves room for a token without decimals at a trillion dollars
    uint256 internal constant PRICE_GAS = 3_000_000; // {gas} for one price where a missing one is tolerated
    uint256 internal constant COMPONENT_PRICE_GAS = 300_000; // {gas} for one price inside the NAV of an index
    uint256 internal constant MAX_ANSWER_AGE = 30 days; // {s}
    uint256 internal constant MAX_GRACE = 1 days; // {s} after a sequencer came back
    uint256 internal constant MIN_TWAP_WINDOW = 30 minutes; // {s}
    uint256 internal constant MAX_TWAP_WINDOW = 1 days; // {s}
    uint256 internal constant MAX_DEVIATION = 200_000; // {ppm} 20 % between two sources
    uint256 internal constant MAX_RATE_JUMP = 0.05e18; // D18{1} 5 % of a vault's share price
    uint256 internal constant MAX_RATE_GROWTH = 1e18; // D18{1/year} 100 % of a vault's share price
    uint256 internal constant CHECKPOINT_INTERVAL = 1 days; // {s}

    /* ELSEWHERE */
    address internal constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3; // the same on every chain

    /* GOVERNANCE */
    uint256 internal constant MIN_TIMELOCK_DELAY = 1 days; // {s} the least time holders have to leave after a vote
    uint256 internal constant MAX_TIMELOCK_DELAY = 30 days; // {s}
    uint256 internal constant MIN_VOTING_DELAY = 1 hours; // {s} to wrap and delegate before votes are counted
    uint256 internal constant MAX_VOTING_DELAY = 14 days; // {s}
    uint256 internal constant MIN_VOTING_PERIOD = 1 days; // {s}
    uint256 internal constant MAX_VOTING_PERIOD = 30 days; // {s}
    uint256 internal constant MAX_PROPOSAL_THRESHOLD = 0.05e18; // D18{1} of the wrapped shares, 5 %
    uint256 internal constant MIN_QUORUM_PERCENT = 1; // {%} of all shares
    uint256 internal constant MAX_QUORUM_PERCENT = 30; // {%} of all shares

    /* WEIGHTS */
    uint256 internal constant MIN_WEIGHT_DELAY = 1 hours; // {s} between proposal and execution, also of interval and lapse
    uint256 internal constant MAX_WEIGHT_DELAY = 30 days; // {s} also the most until a proposal lapses
    uint256 internal constant MAX_WEIGHT_INTERVAL = 365 days; // {s} between executions
    uint256 internal constant MAX_WEIGHT_CHANGE = 2e18; // D18{1} every token leaves and others enter
    uint256 internal constant RECORD_WINDOW = 2 hours; // {s} after midnight UTC in which prices are recorded
    uint256 internal constant RECORD_SLOTS = 128; // {day} that are kept
}
