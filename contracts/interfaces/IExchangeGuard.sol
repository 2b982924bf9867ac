// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Leg} from "./ITaker.sol";

/// @title IExchangeGuard
/// @notice The second key of every exchange: values what left and what came in, keeps two budgets, and may only refuse.
/// @dev Promise G2. A bucket of capacity `C` that drains within a window `W` admits at most `C·(1 + T/W)` over any
/// period `T`. Losses are fractions of the NAV of the whole index, so a share loses at most that fraction, whoever
/// minted or redeemed in between. Gains are never credited.
///
/// In a live manual plan a token that the oracle has no price for is valued at the geometric mean of its range.
///
/// Assumes: prices of the oracle. Warning: a wrong oracle price makes the guard blind by as much as the price is wrong.
/// Warning: the fraction is of the NAV per share when it was valued, at most `valuationMaxAge` ago. If prices have fallen by
/// `x` since, the same budget is `1/(1 − x)` of what is left; with `valuationMaxAge` zero the bound is of the live NAV.
interface IExchangeGuard {
    /// @param lossCapacity D18{1} of NAV, what exchanges may cost within a window.
    /// @param lossWindow {s}
    /// @param turnoverCapacity D18{1} of NAV, what may be sold within a window.
    /// @param turnoverWindow {s}
    /// @param valuationMaxAge {s} an older valuation is renewed before it is used; zero values anew in every block.
    struct Limits {
        uint64 lossCapacity;
        uint32 lossWindow;
        uint64 turnoverCapacity;
        uint32 turnoverWindow;
        uint32 valuationMaxAge;
    }

    /// @param lossUsed D18{1} as of `updatedAt`.
    /// @param turnoverUsed D18{1} as of `updatedAt`.
    /// @param updatedAt {s}
    struct Budget {
        uint64 lossUsed;
        uint64 turnoverUsed;
        uint40 updatedAt;
    }

    event SetLimits(address indexed index, Limits limits);
    event Value(address indexed index, uint256 navPerShare, uint256 supply);
    event Charge(address indexed index, uint256 loss, uint256 turnover, uint256 lossUsed, uint256 turnoverUsed);

    /// @notice Where prices come from.
    function oracle() external view returns (address);

    /// @notice Limits of an index.
    function limitsOf(address index) external view returns (Limits memory);

    /// @notice What is used of the budgets now, D18{1} of NAV, after draining.
    function usedOf(address index) external view returns (uint256 lossUsed, uint256 turnoverUsed);

    /// @notice Stored budget word, before draining.
    function budgetOf(address index) external view returns (Budget memory);

    /// @notice D27{nUSD/share} and {s} of the last valuation.
    function valuationOf(address index) external view returns (uint256 navPerShare, uint256 valuedAt);

    /// @notice Registers an index, once: the factory that made it, or its governor when it moves here.
    function register(address index, Limits calldata limits) external;

    /// @notice Changes the limits; only the governor of the index. What is used stays used.
    function setLimits(address index, Limits calldata limits) external;

    /// @notice Values the index at oracle prices; anyone may. A component without a price counts as zero, which makes
    /// every later loss weigh more.
    function revalue(address index) external returns (uint256 navPerShare);

    /// @notice Charges an exchange of the calling index; reverts if a budget is exceeded.
    /// @param sold what left the index, {tok}
    /// @param bought what arrived, {tok}
    /// @param supply {share}
    function check(Leg[] calldata sold, Leg[] calldata bought, uint256 supply) external;

    /// @notice Charges fee shares that the rebalancer mints on the calling index to its loss budget, rounded up.
    /// @dev Errors: NotRegistered, LossBudgetExceeded.
    /// @param shares {share} to be minted
    /// @param supply {share} before
    function chargeFee(uint256 shares, uint256 supply) external;
}
