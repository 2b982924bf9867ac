// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";
import {Errors} from "./Errors.sol";

/// @title WeightMath
/// @notice From raw weights of any scale to D18 weights that sum to exactly 1e18 and respect cap and floor to the wei.
/// @dev The projection onto cap and floor is the relative-entropy one; it is found by the pegging method of Bitran and Hax (1981):
/// whichever side misses by more, excess over the cap or shortage below the floor, is settled for good. The share of
/// the rest is the ratio rest / rawSum of integers and is never divided out, so every comparison is exact.
library WeightMath {
    using FixedPointMathLib for uint256;

    uint256 internal constant MAX_RAW = type(uint128).max; // {1} leaves room for 64 of them times 1e18, squared

    /// @dev State of the filling: names that are not settled share `rest` D18 in proportion to raw / rawSum.
    struct Fill {
        uint256 rest;
        uint256 rawSum;
        uint256 min;
        uint256 max;
    }

    /// @notice Weights proportional to `raw`, min ≤ w ≤ max, Σ = 1e18. Rounds down, the remainder to the largest with room.
    /// @param raw {1} of any scale, each in 1 … 2^128 − 1
    /// @param min D18{1}
    /// @param max D18{1}
    function limit(uint256[] memory raw, uint256 min, uint256 max) internal pure returns (uint256[] memory weights) {
        Fill memory fill = Fill({rest: Constants.WAD, rawSum: _checkedSum(raw, min, max), min: min, max: max});
        weights = new uint256[](raw.length);
        bool[] memory settled = new bool[](raw.length);
        while (_settle(raw, weights, settled, fill)) {}

        uint256 left = fill.rest;
        for (uint256 i; i < raw.length; ++i) {
            if (settled[i]) continue;
            weights[i] = raw[i] * fill.rest / fill.rawSum;
            left -= weights[i];
        }
        while (left != 0) {
            uint256 i = _largestWithRoom(raw, weights, settled, max);
            uint256 step = left.min(max - weights[i]);
            weights[i] += step;
            left -= step;
        }
    }

    /// @notice Raw weights of a step from `previous` towards `target`: previous·(1 − step) + target·step.
    /// @param step D18{1}, at most 1e18
    /// @return raw D36{1}
    function damped(uint256[] memory previous, uint256[] memory target, uint256 step)
        internal
        pure
        returns (uint256[] memory raw)
    {
        raw = new uint256[](target.length);
        for (uint256 i; i < raw.length; ++i) {
            raw[i] = previous[i] * (Constants.WAD - step) + target[i] * step;
        }
    }

    /// @notice ⌊√(cap·1e18)⌋: the factor keeps nine more decimals of the root.
    function sqrtRaw(uint256 cap) internal pure returns (uint256) {
        if (cap > MAX_RAW) return type(uint256).max; // no raw weight: the limit refuses it
        return (cap * Constants.WAD).sqrt();
    }

    /// @notice ⌊1e36/volatility⌋, D18 in and out; zero, which is no raw weight, where there is none.
    function inverseRaw(uint256 volatility) internal pure returns (uint256) {
        return volatility == 0 ? 0 : Constants.WAD * Constants.WAD / volatility;
    }

    /// @notice Annual volatility of daily prices, zeros being gaps, rounded down. A return across a gap counts once, over all its days.
    /// @dev ⌊√⌊Σ r²·365/T⌋⌋, r = ln(p_k/p_{k−1}) as Solady's lnWad has it, T the days from the first to the last price.
    /// @param prices D27{nUSD/tok}, below 2^160
    /// @return volatility_ D18{1/√year}, zero if there is no return
    /// @return found returns
    function volatility(uint256[] memory prices) internal pure returns (uint256 volatility_, uint256 found) {
        uint256 sum; // D36
        uint256 elapsed; // {day}
        uint256 first;
        uint256 previous;
        for (uint256 i; i < prices.length; ++i) {
            uint256 price = prices[i];
            if (price == 0) continue;
            if (previous == 0) {
                first = i;
            } else {
                int256 move = FixedPointMathLib.lnWad(int256(price.fullMulDiv(Constants.WAD, previous)));
                sum += uint256(move * move);
                elapsed = i - first;
                ++found;
            }
            previous = price;
        }
        // D18{1/√year} = √(D36{1} * {day/year} / {day})
        if (found != 0) volatility_ = (sum * 365 / elapsed).sqrt();
    }

    /// @notice Mean of daily prices, zeros being gaps, rounded down; zero if there is none.
    /// @return average_ D27{nUSD/tok}
    /// @return found prices
    function average(uint256[] memory prices) internal pure returns (uint256 average_, uint256 found) {
        uint256 sum;
        for (uint256 i; i < prices.length; ++i) {
            if (prices[i] == 0) continue;
            sum += prices[i];
            ++found;
        }
        if (found != 0) average_ = sum / found;
    }

    function _checkedSum(uint256[] memory raw, uint256 min, uint256 max) private pure returns (uint256 sum) {
        uint256 n = raw.length;
        require(n <= Constants.MAX_COMPONENTS, Errors.TooManyComponents(n, Constants.MAX_COMPONENTS));
        require(
            min <= max && max <= Constants.WAD && n * max >= Constants.WAD && n * min <= Constants.WAD,
            Errors.WeightsInfeasible(n, min, max)
        );
        for (uint256 i; i < n; ++i) {
            if (raw[i] == 0 || raw[i] > MAX_RAW) revert Errors.RawWeightInvalid(i, raw[i]);
            sum += raw[i];
        }
    }

    /// @dev Settles all names above the cap, or all below the floor, or both when they miss by the same; false when none is.
    function _settle(uint256[] memory raw, uint256[] memory weights, bool[] memory settled, Fill memory fill)
        private
        pure
        returns (bool)
    {
        (uint256 excess, uint256 shortage) = _misses(raw, settled, fill);
        if (excess == 0 && shortage == 0) return false;
        (uint256 rest, uint256 rawSum) = (fill.rest, fill.rawSum);
        (uint256 over, uint256 under) = (fill.max * rawSum, fill.min * rawSum);
        for (uint256 i; i < raw.length; ++i) {
            if (settled[i]) continue;
            uint256 share = raw[i] * rest;
            if (excess >= shortage && share > over) weights[i] = fill.max;
            else if (shortage >= excess && share < under) weights[i] = fill.min;
            else continue;
            settled[i] = true;
            fill.rest -= weights[i];
            fill.rawSum -= raw[i];
        }
        return true;
    }

    /// @dev D18·rawSum by which the shares of names that are not settled pass the cap, and fall short of the floor.
    function _misses(uint256[] memory raw, bool[] memory settled, Fill memory fill)
        private
        pure
        returns (uint256 excess, uint256 shortage)
    {
        (uint256 over, uint256 under) = (fill.max * fill.rawSum, fill.min * fill.rawSum);
        for (uint256 i; i < raw.length; ++i) {
            if (settled[i]) continue;
            uint256 share = raw[i] * fill.rest;
            if (share > over) excess += share - over;
            else if (share < under) shortage += under - share;
        }
    }

    /// @dev There is one whenever something is left: each exact share is at most the cap, and their sum is the rest.
    function _largestWithRoom(uint256[] memory raw, uint256[] memory weights, bool[] memory settled, uint256 max)
        private
        pure
        returns (uint256 place)
    {
        uint256 largest;
        for (uint256 i; i < raw.length; ++i) {
            if (settled[i] || weights[i] == max || raw[i] <= largest) continue;
            (place, largest) = (i, raw[i]);
        }
    }
}
