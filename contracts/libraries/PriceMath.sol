// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";
import {Errors} from "./Errors.sol";

/// @title PriceMath
/// @notice What feeds compute. Prices are D27{nUSD/tok}.
library PriceMath {
    using FixedPointMathLib for uint256;

    /// @dev D27{1} ln(1.0001), rounded down: one tick of a Uniswap V3 pool.
    uint256 private constant LN_TICK = 99_995_000_333_308_335_333_166;
    uint256 private constant D27_TO_WAD = 1e9;

    /// @notice The price, if it is one that Ballast can reckon with.
    function usable(address token, uint256 price) internal pure returns (uint256) {
        if (price == 0 || price > Constants.MAX_PRICE) revert Errors.PriceBad(token, int256(price));
        return price;
    }

    /* UNISWAP V3 */

    /// @notice Arithmetic mean of the tick, rounded towards minus infinity: the geometric mean of the price, down.
    /// @param delta {tick*s} growth of the tick accumulator over the window
    /// @param window {s} above zero
    function meanTick(int56 delta, uint32 window) internal pure returns (int24 tick) {
        int256 seconds_ = int256(uint256(window));
        int256 mean = delta / seconds_;
        if (delta % seconds_ < 0) --mean;
        // The mean of ticks is a tick; where the accumulator wrapped it is not, and must not be cut to one.
        if (mean < type(int24).min || mean > type(int24).max) revert Errors.TickOverflow(mean);
        tick = int24(mean);
    }

    /// @notice `quotePrice · 1.0001^tick`: price of a base unit of which `1.0001^tick` base units of quote are paid.
    /// @dev The power is always taken of a tick above zero, where its 18 decimals are good for 18 digits, and divided by
    /// for one below. Exact to 2e-18 of the price and one unit. Beyond ±887,272 there is no pool.
    function atTick(int24 tick, uint256 quotePrice) internal pure returns (uint256 price) {
        uint256 distance = tick < 0 ? uint256(-int256(tick)) : uint256(int256(tick));
        // D18{1} = {tick} * D27{1/tick} / D9
        uint256 power = uint256(FixedPointMathLib.expWad(int256(distance * LN_TICK / D27_TO_WAD)));
        price = tick < 0
            ? quotePrice.fullMulDiv(Constants.WAD, power)
            : quotePrice.fullMulDiv(power, Constants.WAD);
    }

    /// @notice Harmonic mean of the liquidity in range, rounded down; zero if the pool did not count.
    /// @dev A harmonic mean follows the worst moments: liquidity that is lent for a block does not raise it.
    /// @param delta {s} * 2^128 / {liquidity}: growth of the accumulator over the window
    /// @param window {s}
    function meanLiquidity(uint160 delta, uint32 window) internal pure returns (uint256) {
        return delta == 0 ? 0 : (uint256(window) << 128) / delta;
    }

    /* ERC-4626 */

    /// @notice Price of a vault's share, rounded down.
    /// @param rate D27{asset/share}
    function ofShare(uint256 assetPrice, uint256 rate) internal pure returns (uint256) {
        // D27{nUSD/share} = D27{nUSD/asset} * D27{asset/share} / D27
        return assetPrice.fullMulDiv(rate, Constants.D27);
    }

    /// @notice Lowest and highest rate that is believed `elapsed` after a checkpoint; the room is rounded down.
    /// @param rate D27{asset/share} at the checkpoint, below 2^216
    /// @param elapsed {s} below 2^40
    /// @param maxJump D18{1} up or down at any time
    /// @param maxGrowth D18{1/year} up, on top, in proportion to time
    function rateBounds(uint256 rate, uint256 elapsed, uint256 maxJump, uint256 maxGrowth)
        internal
        pure
        returns (uint256 min, uint256 max)
    {
        // D18{1} = D18{1} + D18{1/year} * {s} / {s/year}
        uint256 rise = maxJump + maxGrowth * elapsed / Constants.YEAR;
        min = rate - rate.fullMulDiv(maxJump, Constants.WAD);
        max = rate + rate.fullMulDiv(rise, Constants.WAD);
    }

    /* ANCHOR */

    /// @notice Whether two prices are further apart than `maxPpm` {ppm} of the anchor.
    /// @dev Assumes both are usable: at most 2^160.
    function diverges(uint256 price, uint256 anchor, uint256 maxPpm) internal pure returns (bool) {
        return price.dist(anchor) * Constants.PPM > anchor * maxPpm;
    }
}
