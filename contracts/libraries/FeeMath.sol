// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "./Constants.sol";

/// @title FeeMath
/// @notice How the streaming fee makes the supply grow, what mint and redeem fees take, and what a performance fee is.
/// @dev The fee is dilution: nobody's balance changes, the supply grows as `S(t) = B·exp(f·(t − t₀))`. Because the
/// growth is a function of time alone, it does not matter how often or by whom it is looked at.
library FeeMath {
    using FixedPointMathLib for uint256;

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

    /* PERFORMANCE: everything rounds against the fee */

    /// @notice Fee shares for the gain of a share above its mark, and the mark after they exist.
    /// @dev With all of the gain charged the new mark is the diluted `nav`; if `maxShares` binds, it is that less the part of
    /// the gain that was not charged, which is so neither lost nor charged twice. The mark never falls: the fee is less
    /// than the gain it is charged on.
    /// @param supply {share} before the fee
    /// @param nav D27{nUSD/share} that counts as performance
    /// @param mark D27{nUSD/share} what was charged already
    /// @param backing D27{nUSD/share} all that a share holds, which is what a fee share is worth; at least `nav`
    /// @param rate D18{1} of the gain, below 1
    /// @param maxShares {share} that may be minted now
    /// @return shares {share}
    /// @return newMark D27{nUSD/share}, `mark` if nothing can be charged
    function performanceFee(
        uint256 supply,
        uint256 nav,
        uint256 mark,
        uint256 backing,
        uint256 rate,
        uint256 maxShares
    ) internal pure returns (uint256 shares, uint256 newMark) {
        if (nav <= mark) return (0, mark);
        // D27{nUSD/share} = D27{nUSD/share} * D18{1} / D18
        uint256 fee = (nav - mark).fullMulDiv(rate, Constants.WAD);
        // Worth the fee of all shares once they exist: shares/(supply + shares) = fee/backing.
        shares = supply.fullMulDiv(fee, backing - fee);
        uint256 reached = nav;
        if (shares > maxShares) {
            shares = maxShares;
            uint256 charged = backing.fullMulDivUp(shares, supply + shares);
            reached = nav.min(mark + charged.fullMulDivUp(Constants.WAD, rate));
        }
        if (shares == 0) return (0, mark);
        // The NAV falls by its part of what the new shares own; the gain that is left does not.
        newMark = reached - nav.fullMulDiv(shares, supply + shares);
    }

    /// @notice The mark under a higher rate: the gain so far still costs what it did under the old one.
    /// @param nav D27{nUSD/share}
    /// @param mark D27{nUSD/share}
    /// @param oldRate D18{1}
    /// @param newRate D18{1} above the old one
    function markAfterRaise(uint256 nav, uint256 mark, uint256 oldRate, uint256 newRate)
        internal
        pure
        returns (uint256)
    {
        if (nav <= mark) return mark;
        return nav - (nav - mark).fullMulDiv(oldRate, newRate);
    }

    /// @notice Units after the streaming fee has diluted every share for `elapsed` {s} at no more than `rate`.
    /// @dev The exponent and the exponential lose up to one unit each; both are given back to the holders.
    /// @param unit D27{tok/share}
    /// @param rate D18{1/year}
    function unitAfter(uint256 unit, uint256 rate, uint256 elapsed) internal pure returns (uint256) {
        if (unit == 0 || rate == 0 || elapsed == 0) return unit;
        uint256 factor = growth(rate, elapsed);
        return unit.fullMulDiv(Constants.WAD, factor + factor / Constants.WAD + 2);
    }

    /// @notice How much of what a share holds of a token is recorded, D18{1}.
    /// @param unit D27{tok/share} recorded
    /// @param actual D27{tok/share} held, rounded down
    function recordedFraction(uint256 unit, uint256 actual) internal pure returns (uint256) {
        if (unit >= actual) return actual == 0 ? 0 : Constants.WAD;
        return unit.fullMulDiv(Constants.WAD, actual + 1);
    }

    /// @notice Part of `shares` for a D18 weight.
    function partOf(uint256 shares, uint256 weight) internal pure returns (uint256) {
        return shares.fullMulDiv(weight, Constants.WAD);
    }
}
