// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IRebalancer
/// @notice Moves an index to target weights: a plan fixes target units, swaps sell surplus for deficit.
/// @dev Promise G4. A swap never trades a token without a target in the live plan, never sells below target, never buys
/// above target, and never for less than the oracle's price less the slippage of the policy, whatever the caller asks.
///
/// A plan is named by its number and a swap by its step, so that whatever is sent twice reverts the second time.
interface IRebalancer {
    /// @param maxSlippage {ppm} below the oracle's mid that a keeper swap may go
    /// @param cooldown {s} between two trades of the same token, zero for none
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
    /// @param steps swaps done
    /// @param startedAt {s}
    /// @param expiresAt {s}, zero when ended
    /// @param streamingRate D18{1/year} of the index at the start
    /// @param navPerShare D27{nUSD/share} at the start
    struct Plan {
        uint40 id;
        uint32 steps;
        uint40 startedAt;
        uint40 expiresAt;
        uint56 streamingRate;
        uint256 navPerShare;
    }

    /// @param planId plan this target belongs to
    /// @param lastTradeAt {s}, kept only where the policy has a cool-down
    /// @param unit D27{tok/share}
    struct Target {
        uint40 planId;
        uint32 lastTradeAt;
        uint184 unit;
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

    event SetPolicy(address indexed index, Policy policy);
    event SetAllowed(address indexed index, address indexed token, bool allowed);
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
        uint256 floor
    );

    function oracle() external view returns (address);

    function policyOf(address index) external view returns (Policy memory);

    function isAllowed(address index, address token) external view returns (bool);

    function planOf(address index) external view returns (Plan memory);

    function targetOf(address index, address token) external view returns (Target memory);

    /// @notice {tok} above target that may be sold now and {tok} below target that may be bought now; both zero for a
    /// token without a target in the live plan. Reverts while a mutating call of the index is on the stack.
    function gapOf(address index, address token) external view returns (uint256 surplus, uint256 deficit);

    /// @notice The least {tok} of `buy` that a swap of `sellAmount` must bring now.
    function floorOf(address index, address sell, address buy, uint256 sellAmount) external view returns (uint256);

    /// @notice Registers an index, once: the factory that made it, or its governor when it moves here.
    function register(address index, Policy calldata policy, address[] calldata allowed) external;

    /// @notice Changes the policy; governor of the index.
    function setPolicy(address index, Policy calldata policy) external;

    /// @notice Lets tokens enter the basket, or not; governor of the index.
    function setAllowed(address index, address[] calldata tokens, bool allowed) external;

    /// @notice Fixes target units from weights at oracle prices; strategist of the index.
    /// @dev Tokens are the components in order, then `additions`. A component without a price can have no weight: it stays
    /// in the basket, counts for nothing and cannot be traded. Empty components without weight leave the list.
    /// Errors: PlanMismatch, PlanTooEarly, BasketChanged, LengthMismatch, WeightsSumInvalid, WeightTooHigh,
    /// TokenNotAllowed, AdditionWithoutWeight, PriceMissing, PriceStale, PriceBad, ValueOutOfBounds.
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
    /// @dev Errors: PlanMismatch, PlanExpired, StepMismatch, TokenNotInPlan, SurplusExceeded, DeficitExceeded,
    /// TradeTooLarge, CooldownActive, ShortDelivery, the prices' and the guard's.
    /// @return bought {tok}
    function swap(Swap calldata order) external returns (uint256 bought);

    /// @notice Ends the live plan and drops empty components that have no target; the strategist any time, anyone after expiry.
    function endPlan(address index, uint256 planId) external;
}
