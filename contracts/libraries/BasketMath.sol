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

    /// @notice `⌊amount·supply/available⌋`: the most shares whose mint takes at most `amount`, exactly, because
    /// `⌈shares·available/supply⌉ ≤ amount` just when `shares·available/supply ≤ amount`.
    /// @dev More than any supply can be is the maximum: who gives a token with a tiny reserve in plenty stops nobody.
    /// @param amount {tok}
    /// @param available {tok} not zero
    /// @param supply {share}
    function sharesFor(uint256 amount, uint256 available, uint256 supply) internal pure returns (uint256) {
        if (amount / available >= 1 << 112) return type(uint256).max;
        return FixedPointMathLib.fullMulDiv(amount, supply, available);
    }
}
