// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

/// @title BasketMath
/// @notice What a number of shares is worth in one component. Exact for every input; the short path only saves gas.
library BasketMath {
    /// @notice `⌈shares·available/supply⌉`: what a mint takes.
    /// @param shares {share}
    /// @param available {tok}
    /// @param supply {share} not zero
    function amountUp(uint256 shares, uint256 available, uint256 supply) internal pure returns (uint256) {
        // {tok} = {share} * {tok} / {share}
        if ((shares | available | supply) < 1 << 127) {
            unchecked {
                // 2^127 * 2^127 + 2^127 < 2^256
                return (shares * available + supply - 1) / supply;
            }
        }
        return FixedPointMathLib.fullMulDivUp(shares, available, supply);
    }

    /// @notice `⌊shares·available/supply⌋`: what a redemption pays.
    function amountDown(uint256 shares, uint256 available, uint256 supply) internal pure returns (uint256) {
        if ((shares | available) < 1 << 128) {
            unchecked {
                return shares * available / supply;
            }
        }
        return FixedPointMathLib.fullMulDiv(shares, available, supply);
    }
}
