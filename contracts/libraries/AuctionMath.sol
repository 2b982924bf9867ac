// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";

/// @title AuctionMath
/// @notice How a Dutch auction's price moves with time. Works on factors {ppm} and on prices D27{nUSD/tok} alike.
/// @dev Every curve is exact at both ends and never leaves them; rounding is for the fund, which sells.
library AuctionMath {
    using FixedPointMathLib for uint256;

    /// @notice The straight line from `from` down to `to`, rounded up.
    /// @param from value at the start, at least `to`
    /// @param to value at the end
    /// @param elapsed {s} at most `duration`
    /// @param duration {s} not zero
    function linear(uint256 from, uint256 to, uint256 elapsed, uint256 duration) internal pure returns (uint256) {
        return to + (from - to).fullMulDivUp(duration - elapsed, duration);
    }

    /// @notice The geometric decay from `from` down to `to`, rounded up: equal times take equal fractions.
    /// @dev The rate rounds down and the exponential up, so that between the ends the value is never too low.
    /// @param from value at the start, at least `to`, at most `2^128`
    /// @param to value at the end, not zero
    /// @param elapsed {s} at most `duration`
    /// @param duration {s} not zero
    function decay(uint256 from, uint256 to, uint256 elapsed, uint256 duration) internal pure returns (uint256) {
        if (elapsed == 0) return from;
        if (elapsed >= duration) return to;
        // D18{1}: ln(from / to), at least zero
        int256 span = FixedPointMathLib.lnWad(int256(from.fullMulDiv(Constants.WAD, to)));
        // D18{1} = exp(−D18{1} * {s} / {s}), one unit up
        uint256 left = uint256(FixedPointMathLib.expWad(-(span * int256(elapsed) / int256(duration)))) + 1;
        return from.fullMulDivUp(left, Constants.WAD).clamp(to, from);
    }

    /// @notice The mirror of `decay`: from `from` up to `to`, rounded down.
    /// @param from value at the start, not zero
    /// @param to value at the end, at least `from`, at most `2^128`
    /// @param elapsed {s} at most `duration`
    /// @param duration {s} not zero
    function rise(uint256 from, uint256 to, uint256 elapsed, uint256 duration) internal pure returns (uint256) {
        return from.fullMulDiv(to, decay(to, from, elapsed, duration));
    }

    /// @notice The price in the middle of a range, where an auction of two ranges stands at half time: their geometric mean.
    /// @param low D27{nUSD/tok} below `2^128`
    /// @param high D27{nUSD/tok} below `2^128`
    function middle(uint256 low, uint256 high) internal pure returns (uint256) {
        return (low * high).sqrt();
    }
}
