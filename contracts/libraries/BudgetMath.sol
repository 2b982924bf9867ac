// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";

/// @title BudgetMath
/// @notice A bucket that fills with use and drains with time. Over any period `T` it admits at most
/// `capacity·(1 + T/window)`.
library BudgetMath {
    using FixedPointMathLib for uint256;

    /// @notice What is still used after `elapsed`. The drain rounds down, so the bucket never frees too much.
    /// @param used D18{1}
    /// @param capacity D18{1}
    /// @param window {s} not zero
    /// @param elapsed {s}
    function usedAfter(uint256 used, uint256 capacity, uint256 window, uint256 elapsed)
        internal
        pure
        returns (uint256)
    {
        // D18{1} = D18{1} * {s} / {s}
        return used.zeroFloorSub(capacity * elapsed / window);
    }

    /// @notice `value` as a fraction of `nav`, rounded up.
    /// @param value {nUSD}
    /// @param nav {nUSD} not zero
    /// @return D18{1}
    function fractionUp(uint256 value, uint256 nav) internal pure returns (uint256) {
        return value.fullMulDivUp(Constants.WAD, nav);
    }
}
