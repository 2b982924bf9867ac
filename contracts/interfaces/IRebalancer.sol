// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Leg} from "./ITaker.sol";

/// @title IRebalancer
/// @notice Moves an index to target weights: a plan fixes target units, swaps and auctions sell surplus for deficit.
/// @dev Promise G4. Nothing trades a token without a target in the live plan, sells below target, or buys above target. A
/// swap never goes for less than the oracle's price less the slippage of the policy, whatever the caller asks; auctions
/// are priced by the auction house (IAuctionHouse), which this contract made and which alone may settle here.
///
/// A plan is named by its number and a swap by its step, so that whatever is sent twice reverts the second time.
interface IRebalancer {
    /// @param maxSlippage {ppm} below the oracle's mid that a keeper swap may go
    /// @param cooldown {s} between two keeper swaps of the same token, zero for none
    /// @param minInterval {s} between the starts of two plans
    /// @param maxDuration {s} of a plan
    /// @param maxTrade D18{1} of NAV at the start of the plan that one swap may sell
    /// @param maxWeight D18{1} of a component
    struct Policy {
        uint32 maxSlippage;
        uint32 cooldown;
        uint32 minInterval;
        uint32 maxDuration;
        uint64 maxTrade;
        uint64 maxWeight;
    }

    /// @param id rises by one with every plan
    /// @param steps keeper swaps done
    /// @param startedAt {s}
    /// @param expiresAt {s}, zero when ended
    /// @param turnover D18{1} of NAV at the start, sold so far
    /// @param scale {ppm} of the target units, 1e6 unless the final round changed it
    /// @param noted the fee module of the index is told of every exchange
    /// @param manual ranges of the governor stand in for the oracle
    /// @param streamingRate D18{1/year} of the index at the start
    /// @param navPerShare D27{nUSD/share} at the start
    /// @param rebalanceFee {ppm} of turnover, as of the start
    /// @param keeperTip {ppm} of turnover, as of the start
    struct Plan {
        uint40 id;
        uint32 steps;
        uint40 startedAt;
        uint40 expiresAt;
        uint64 turnover;
        uint24 scale;
        bool noted;
        bool manual;
        uint56 streamingRate;
        uint168 navPerShare;
        uint16 rebalanceFee;
        uint16 keeperTip;
    }

    /// @param planId plan this target belongs to
    /// @param lastTradeAt {s}, kept only where the policy has a cool-down
    /// @param unit D27{tok/share}
    struct Target {
        uint40 planId;
        uint32 lastTradeAt;
        uint184 unit;
    }

    /// @notice Hard limits of a token's price in a manual plan, D27{nUSD/tok}.
    struct PriceRange {
        uint128 low;
        uint128 high;
    }

    /// @param index to trade for
    /// @param planId live plan
    /// @param step number of swaps done so far
    /// @param sell token above target
    /// @param buy token below target
    /// @param sellAmount {tok}
    /// @param minBuy {tok} the least to receive; the floor of the policy holds if it is higher
    /// @param payee receives what is sold: the taker, or the pool it trades with
    /// @param taker is called back by the index
    /// @param data for the taker
    struct Swap {
        address index;
        uint256 planId;
        uint256 step;
        address sell;
        address buy;
        uint256 sellAmount;
        uint256 minBuy;
        address payee;
        address taker;
        bytes data;
    }

    /// @notice A fill that the auction house has priced and sized.
    /// @param outs {tok} within each surplus
    /// @param ins {tok} the least to receive
    /// @param deficits {tok} the most that may arrive of each
    /// @param turnover D18{1} of the plan after it
    /// @param payee receives what is sold
    /// @param taker is called back by the index
    struct Settlement {
        address index;
        Leg[] outs;
        Leg[] ins;
        uint256[] deficits;
        uint256 turnover;
        address payee;
        address taker;
        bytes data;
    }

    /// @param planId number of the new plan: one more than the last
    /// @param expectedVersion of the component list
    /// @param additions tokens that enter
    /// @param units D27{tok/share} targets of the components and then the additions
    /// @param ranges of each of them; a component with an empty range has no target and is not traded
    /// @param duration {s}
    struct ManualPlan {
        uint256 planId;
        uint256 expectedVersion;
        address[] additions;
        uint256[] units;
        PriceRange[] ranges;
        uint256 duration;
    }

    event SetPolicy(address indexed index, Policy policy);
    event SetAllowed(address indexed index, address indexed token, bool allowed);
    event SetWeightSource(address indexed index, address indexed source);
    event StartPlan(
        address indexed index,
        uint256 indexed planId,
        address[] tokens,
        uint256[] weights,
        uint256[] units,
        uint256[] prices,
        uint256 navPerShare,
        uint256 expiresAt
    );
    event StartManualPlan(
        address indexed index,
        uint256 indexed planId,
        address[] tokens,
        uint256[] units,
        PriceRange[] ranges,
        uint256 navPerShare,
        uint256 expiresAt
    );
    event ScalePlan(address indexed index, uint256 indexed planId, uint256 scale);
    event EndPlan(address indexed index, uint256 indexed planId, uint256 steps);
    event SwapTokens(
        address indexed index,
        uint256 indexed planId,
        address indexed caller,
        uint256 step,
        address sell,
        address buy,
        uint256 sold,
        uint256 bought,
        uint256 sellPrice,
        uint256 buyPrice,
        uint256 floor,
        uint256 turnover
    );
    function oracle() external view returns (address);

    /// @notice The auction house of this rebalancer.
    function auctions() external view returns (address);

    function policyOf(address index) external view returns (Policy memory);

    function isAllowed(address index, address token) external view returns (bool);

    /// @notice Where executed weights come from, zero if the strategist's own are taken.
    function weightSourceOf(address index) external view returns (address);

    function planOf(address index) external view returns (Plan memory);

    /// @notice The live plan and the D27{tok/share} targets of tokens in it, scaled and diluted as of now.
    /// @dev Errors: PlanMismatch, PlanExpired, TokenNotInPlan.
    function livePlanOf(address index, uint256 planId, address[] calldata tokens)
        external
        view
        returns (Plan memory plan, uint256[] memory units);

    function targetOf(address index, address token) external view returns (Target memory);

    /// @notice D27{nUSD/tok} limits of a token in the live manual plan; zeros otherwise.
    function rangeOf(address index, address token) external view returns (uint256 low, uint256 high);

    /// @notice {tok} above target that may be sold now and {tok} below target that may be bought now; both zero for a
    /// token without a target in the live plan. Reverts while a mutating call of the index is on the stack.
    function gapOf(address index, address token) external view returns (uint256 surplus, uint256 deficit);

    /// @notice The least {tok} of `buy` that a swap of `sellAmount` must bring now, by the oracle.
    function floorOf(address index, address sell, address buy, uint256 sellAmount) external view returns (uint256);

    /// @notice Registers an index, once: the factory that made it, or its governor when it moves here. Without auctions.
    function register(address index, Policy calldata policy, address[] calldata allowed) external;

    /// @notice Changes the policy; governor of the index.
    function setPolicy(address index, Policy calldata policy) external;

    /// @notice Lets tokens enter the basket, or not; governor of the index.
    function setAllowed(address index, address[] calldata tokens, bool allowed) external;

    /// @notice Binds plans to the weights that `source` (IWeightSource) has executed, zero to unbind; governor of the index.
    function setWeightSource(address index, address source) external;

    /// @notice Starts a plan in the governor's own units and price ranges, which needs no oracle; governor of the index.
    /// @dev Its auctions decay geometrically from `high_sell / low_buy` to `low_sell / high_buy`; its keeper swaps have the
    /// floor `low_sell / high_buy`. The guard values a token at the oracle where that has a price, and otherwise at the
    /// geometric mean of its range, which is where an auction stands at half time: the loss budget binds all the same.
    /// Errors: as startPlan, RangeInvalid.
    function startManualPlan(address index, ManualPlan calldata manual) external;

    /// @notice Fixes target units from weights at oracle prices; strategist of the index.
    /// @dev Tokens are the components in order, then `additions`. A component without a price can have no weight: it stays
    /// in the basket, counts for nothing and cannot be traded. Empty components without weight leave the list. A plan that
    /// nobody ended is settled first.
    /// Errors: PlanMismatch, PlanTooEarly, BasketChanged, LengthMismatch, WeightsSumInvalid, WeightTooHigh,
    /// WeightNotExecuted, TokenNotAllowed, AdditionWithoutWeight, PriceMissing, PriceStale, PriceBad, ValueOutOfBounds.
    /// @param planId number of the new plan: one more than the last
    /// @param expectedVersion of the component list
    /// @param additions tokens that enter
    /// @param weights D18{1} of components and additions, summing to exactly 1e18
    /// @param duration {s}
    function startPlan(
        address index,
        uint256 planId,
        uint256 expectedVersion,
        address[] calldata additions,
        uint256[] calldata weights,
        uint256 duration
    ) external;

    /// @notice Sells surplus for deficit through a taker; strategist of the index.
    /// @dev A component without a target that is sold out leaves the list at once.
    /// Errors: PlanMismatch, PlanExpired, StepMismatch, TokenNotInPlan, SurplusExceeded, DeficitExceeded,
    /// TradeTooLarge, CooldownActive, ShortDelivery, the prices' and the guard's.
    /// @return bought {tok}
    function swap(Swap calldata order) external returns (uint256 bought);

    /// @notice Scales the targets of the live plan, once, so that what is left on one side finds the other: strategist.
    /// @dev Errors: PlanMismatch, PlanExpired, PlanScaled, ValueOutOfBounds.
    /// @param scale {ppm} of all target units, within MAX_SCALE of 1e6
    function scalePlan(address index, uint256 planId, uint256 scale) external;

    /// @notice Ends the live plan, drops empty components that have no target, and pays fee and tip; the strategist any
    /// time, anyone after expiry.
    /// @dev Fee and tip are shares, charged to the loss budget. What that or the token's own bound does not leave room for
    /// is forgone, the fee before the tip.
    function endPlan(address index, uint256 planId) external;

    /// @notice Settles a fill; the auction house alone, which has checked plan, price and sizes in the same call.
    /// @dev Errors: NotAuctionHouse, DeficitExceeded, ShortDelivery, the guard's.
    function settle(Settlement memory settlement)
        external
        returns (uint256[] memory sold, uint256[] memory bought);
}
