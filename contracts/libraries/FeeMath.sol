// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";

/// @title FeeMath
/// @notice How the streaming fee makes the supply grow, and what mint and redeem fees take.
/// @dev The fee is dilution: nobody's balance changes, the supply grows as `S(t) = B·exp(f·(t − t₀))`. Because the
/// growth is a function of time alone, it does not matter how often or by whom it is looked at.
library FeeMath {
    /// @notice Growth rate that dilutes a holder by `annualFee` in one year: `f = −ln(1 − annualFee)`.
    /// @param annualFee D18{1/year} at most `MAX_STREAMING_FEE`.
    /// @return rate D18{1/year}
    function streamingRate(uint256 annualFee) internal pure returns (uint256 rate) {
        // The argument is in (0, 1e18], so the logarithm is at most zero.
        rate = uint256(-FixedPointMathLib.lnWad(int256(Constants.WAD - annualFee)));
    }

    /// @notice Growth factor `exp(rate·elapsed)`, at least 1. The exponent rounds down: fewer fee shares.
    /// @param rate D18{1/year}
    /// @param elapsed {s}
    /// @return factor D18{1}
    function growth(uint256 rate, uint256 elapsed) internal pure returns (uint256 factor) {
        // D18{1} = D18{1/year} * {s} / {s/year}; the rate is below 2^56 and the time below 2^32.
        uint256 exponent = rate * elapsed / Constants.YEAR;
        if (exponent == 0) return Constants.WAD;
        factor = uint256(FixedPointMathLib.expWad(int256(exponent)));
    }

    /// @notice Effective supply: what exists and what the fee has accrued. Rounds down, never below what exists.
    /// @param base {share} Supply word `B`, below 2^112.
    /// @param issued {share} Shares that exist, `N`.
    /// @param factor D18{1} Growth since the base was set.
    function effectiveSupply(uint256 base, uint256 issued, uint256 factor) internal pure returns (uint256 supply) {
        unchecked {
            // {share} = {share} * D18{1} / D18; base < 2^112 and factor < 2^80 (5 % a year for a century)
            supply = base * factor / Constants.WAD;
        }
        if (supply < issued) supply = issued;
    }

    /// @notice One-off fee in shares, rounded up.
    /// @param shares {share}
    /// @param fee D18{1}
    function oneOffFee(uint256 shares, uint256 fee) internal pure returns (uint256) {
        if (fee == 0) return 0;
        // {share} = {share} * D18{1} / D18
        return (shares * fee + Constants.WAD - 1) / Constants.WAD;
    }
}
