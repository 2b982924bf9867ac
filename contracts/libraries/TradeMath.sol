// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";

/// @title TradeMath
/// @notice Values, targets and price floors of a plan. Prices are D27{nUSD/tok}, units D27{tok/share}.
library TradeMath {
    using FixedPointMathLib for uint256;

    /// @notice Value of an amount, rounded down: what came in.
    function valueDown(uint256 amount, uint256 price) internal pure returns (uint256) {
        // {nUSD} = {tok} * D27{nUSD/tok} / D27
        return amount.fullMulDiv(price, Constants.D27);
    }

    /// @notice Value of an amount, rounded up: what went out.
    function valueUp(uint256 amount, uint256 price) internal pure returns (uint256) {
        return amount.fullMulDivUp(price, Constants.D27);
    }

    /// @notice NAV per share, rounded down.
    /// @param nav {nUSD}
    /// @param supply {share}
    /// @return D27{nUSD/share}
    function navPerShare(uint256 nav, uint256 supply) internal pure returns (uint256) {
        return nav.fullMulDiv(Constants.D27, supply);
    }

    /// @notice Target units of a weight, rounded down.
    /// @param weight D18{1}
    /// @param navPerShare_ D27{nUSD/share}
    /// @param price D27{nUSD/tok}
    /// @return D27{tok/share}
    function unitFromWeight(uint256 weight, uint256 navPerShare_, uint256 price) internal pure returns (uint256) {
        // D27{tok/share} = D18{1} * D27{nUSD/share} * D27 / (D18 * D27{nUSD/tok})
        return (weight * navPerShare_).fullMulDiv(Constants.D27 / Constants.WAD, price);
    }

    /// @notice Units after the streaming fee has diluted every share, rounded down.
    /// @param unit D27{tok/share}
    /// @param growth D18{1} Growth of the supply since the plan started.
    function unitDiluted(uint256 unit, uint256 growth) internal pure returns (uint256) {
        return unit.fullMulDiv(Constants.WAD, growth);
    }

    /// @notice Units after the final round has scaled them, rounded down.
    /// @param unit D27{tok/share}
    /// @param scale {ppm} 1e6 leaves them as they are.
    function unitScaled(uint256 unit, uint256 scale) internal pure returns (uint256) {
        return unit.fullMulDiv(scale, Constants.PPM);
    }

    /// @notice What may be sold: available above target, rounded down.
    function surplus(uint256 available, uint256 unit, uint256 supply) internal pure returns (uint256) {
        // {tok} = D27{tok/share} * {share} / D27
        return available.zeroFloorSub(unit.fullMulDivUp(supply, Constants.D27));
    }

    /// @notice What may be bought: target above available, rounded down.
    function deficit(uint256 available, uint256 unit, uint256 supply) internal pure returns (uint256) {
        return unit.fullMulDiv(supply, Constants.D27).zeroFloorSub(available);
    }

    /// @notice The least that must be bought for `sellAmount`, rounded up.
    /// @param sellAmount {tok} of the sold token.
    /// @param sellPrice D27{nUSD/tok}
    /// @param buyPrice D27{nUSD/tok}
    /// @param factorPpm {ppm} 1e6 asks for the oracle's mid, less grants a discount, more asks for a premium.
    function minBuy(uint256 sellAmount, uint256 sellPrice, uint256 buyPrice, uint256 factorPpm)
        internal
        pure
        returns (uint256)
    {
        // {buyTok} = {sellTok} * D27{nUSD/sellTok} * {ppm} / (D27{nUSD/buyTok} * {ppm})
        return sellAmount.fullMulDivUp(sellPrice * factorPpm, buyPrice * Constants.PPM);
    }

    /// @notice The most that can be sold without `minBuy` passing `deficit_`, rounded down.
    function maxSell(uint256 deficit_, uint256 sellPrice, uint256 buyPrice, uint256 factorPpm)
        internal
        pure
        returns (uint256)
    {
        return deficit_.fullMulDiv(buyPrice * Constants.PPM, sellPrice * factorPpm);
    }

    /// @notice The value that may be sold for what is bought, rounded down: the price of a fill of several legs.
    /// @param valueIn {nUSD} bought, rounded down
    /// @param factorPpm {ppm} as in `minBuy`
    function valuePaid(uint256 valueIn, uint256 factorPpm) internal pure returns (uint256) {
        return valueIn.fullMulDiv(Constants.PPM, factorPpm);
    }

    /// @notice The most {tok} that a value buys, rounded down.
    function tokensOfValue(uint256 value, uint256 price) internal pure returns (uint256) {
        return value.fullMulDiv(Constants.D27, price);
    }

    /// @notice One-way turnover of a plan after a trade, rounded down, at most what its word holds.
    /// @param turnover D18{1} before
    /// @param value {nUSD} sold
    /// @param nav {nUSD}
    function turnoverAfter(uint256 turnover, uint256 value, uint256 nav) internal pure returns (uint64) {
        return uint64((turnover + value.fullMulDiv(Constants.WAD, nav)).min(type(uint64).max));
    }

    /// @notice Shares that pay a fee on turnover, rounded down.
    /// @param supply {share}
    /// @param fraction D18{1} of the supply
    function feeShares(uint256 supply, uint256 fraction) internal pure returns (uint256) {
        return supply.fullMulDiv(fraction, Constants.WAD);
    }
}
