// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {ShareToken} from "../ShareToken.sol";
import {ChainlinkFeed} from "../feeds/ChainlinkFeed.sol";
import {AuctionMath} from "../libraries/AuctionMath.sol";
import {BasketLib, Terms} from "../libraries/BasketLib.sol";
import {BasketMath} from "../libraries/BasketMath.sol";
import {BudgetMath} from "../libraries/BudgetMath.sol";
import {Constants} from "../libraries/Constants.sol";
import {FeeMath} from "../libraries/FeeMath.sol";
import {PriceMath} from "../libraries/PriceMath.sol";
import {TradeMath} from "../libraries/TradeMath.sol";

/// @title MathHarness
/// @notice Opens the internal formulas to the differential tests, thousands of vectors in one `eth_call`.
/// @dev Every formula is an external function of plain words, named as in its library; `batch` calls one of them for each
/// row of arguments and says which rows reverted. Only for tests: it holds nothing and guards nothing.
contract MathHarness is ShareToken {
    constructor() ShareToken("Harness", "HARNESS") {}

    /// @notice Calls `selector` on this contract once for each `width` words of `args`.
    /// @param results how many words the function returns
    /// @return ok whether each row succeeded
    /// @return out `results` words a row, zeros where it reverted
    function batch(bytes4 selector, uint256 width, uint256 results, uint256[] calldata args)
        external
        returns (bool[] memory ok, uint256[] memory out)
    {
        uint256 rows = args.length / width;
        ok = new bool[](rows);
        out = new uint256[](rows * results);
        uint256[] memory input = new uint256[](width + 1); // selector, then the arguments
        for (uint256 row; row < rows; ++row) {
            assembly ("memory-safe") {
                let data := add(input, 0x20)
                mstore(data, selector)
                calldatacopy(add(data, 4), add(args.offset, mul(row, mul(width, 32))), mul(width, 32))
                let target := add(add(out, 0x20), mul(row, mul(results, 32)))
                let done := call(gas(), address(), 0, data, add(4, mul(width, 32)), 0, 0)
                if done { returndatacopy(target, 0, mul(results, 32)) }
                mstore(add(add(ok, 0x20), mul(row, 32)), done)
            }
        }
    }

    /* SOLADY */

    function expWad(int256 x) external pure returns (int256) {
        return FixedPointMathLib.expWad(x);
    }

    function lnWad(int256 x) external pure returns (int256) {
        return FixedPointMathLib.lnWad(x);
    }

    function fullMulDiv(uint256 x, uint256 y, uint256 d) external pure returns (uint256) {
        return FixedPointMathLib.fullMulDiv(x, y, d);
    }

    function fullMulDivUp(uint256 x, uint256 y, uint256 d) external pure returns (uint256) {
        return FixedPointMathLib.fullMulDivUp(x, y, d);
    }

    /* FEES */

    function streamingRate(uint256 annualFee) external pure returns (uint256) {
        return FeeMath.streamingRate(annualFee);
    }

    function growth(uint256 rate, uint256 elapsed) external pure returns (uint256) {
        return FeeMath.growth(rate, elapsed);
    }

    function effectiveSupply(uint256 base, uint256 issued, uint256 factor) external pure returns (uint256) {
        return FeeMath.effectiveSupply(base, issued, factor);
    }

    function oneOffFee(uint256 shares, uint256 fee) external pure returns (uint256) {
        return FeeMath.oneOffFee(shares, fee);
    }

    function performanceFee(
        uint256 supply,
        uint256 nav,
        uint256 mark,
        uint256 backing,
        uint256 rate,
        uint256 maxShares
    ) external pure returns (uint256, uint256) {
        return FeeMath.performanceFee(supply, nav, mark, backing, rate, maxShares);
    }

    function markAfterRaise(uint256 nav, uint256 mark, uint256 oldRate, uint256 newRate)
        external
        pure
        returns (uint256)
    {
        return FeeMath.markAfterRaise(nav, mark, oldRate, newRate);
    }

    function unitAfter(uint256 unit, uint256 rate, uint256 elapsed) external pure returns (uint256) {
        return FeeMath.unitAfter(unit, rate, elapsed);
    }

    function recordedFraction(uint256 unit, uint256 actual) external pure returns (uint256) {
        return FeeMath.recordedFraction(unit, actual);
    }

    function partOf(uint256 shares, uint256 weight) external pure returns (uint256) {
        return FeeMath.partOf(shares, weight);
    }

    /* BASKET */

    function sharesFor(uint256 amount, uint256 available, uint256 supply) external pure returns (uint256) {
        return BasketMath.sharesFor(amount, available, supply);
    }

    /* TRADES */

    function valueDown(uint256 amount, uint256 price) external pure returns (uint256) {
        return TradeMath.valueDown(amount, price);
    }

    function valueUp(uint256 amount, uint256 price) external pure returns (uint256) {
        return TradeMath.valueUp(amount, price);
    }

    function navPerShare(uint256 nav, uint256 supply) external pure returns (uint256) {
        return TradeMath.navPerShare(nav, supply);
    }

    function unitFromWeight(uint256 weight, uint256 nav, uint256 price) external pure returns (uint256) {
        return TradeMath.unitFromWeight(weight, nav, price);
    }

    function unitDiluted(uint256 unit, uint256 factor) external pure returns (uint256) {
        return TradeMath.unitDiluted(unit, factor);
    }

    function surplus(uint256 available, uint256 unit, uint256 supply) external pure returns (uint256) {
        return TradeMath.surplus(available, unit, supply);
    }

    function deficit(uint256 available, uint256 unit, uint256 supply) external pure returns (uint256) {
        return TradeMath.deficit(available, unit, supply);
    }

    function minBuy(uint256 amount, uint256 sellPrice, uint256 buyPrice, uint256 factorPpm)
        external
        pure
        returns (uint256)
    {
        return TradeMath.minBuy(amount, sellPrice, buyPrice, factorPpm);
    }

    function maxSell(uint256 deficit_, uint256 sellPrice, uint256 buyPrice, uint256 factorPpm)
        external
        pure
        returns (uint256)
    {
        return TradeMath.maxSell(deficit_, sellPrice, buyPrice, factorPpm);
    }

    function unitScaled(uint256 unit, uint256 scale) external pure returns (uint256) {
        return TradeMath.unitScaled(unit, scale);
    }

    function valuePaid(uint256 valueIn, uint256 factorPpm) external pure returns (uint256) {
        return TradeMath.valuePaid(valueIn, factorPpm);
    }

    function tokensOfValue(uint256 value, uint256 price) external pure returns (uint256) {
        return TradeMath.tokensOfValue(value, price);
    }

    function turnoverAfter(uint256 turnover, uint256 value, uint256 nav) external pure returns (uint256) {
        return TradeMath.turnoverAfter(turnover, value, nav);
    }

    function feeShares(uint256 supply, uint256 fraction) external pure returns (uint256) {
        return TradeMath.feeShares(supply, fraction);
    }

    /* AUCTIONS */

    function linear(uint256 from, uint256 to, uint256 elapsed, uint256 duration) external pure returns (uint256) {
        return AuctionMath.linear(from, to, elapsed, duration);
    }

    function decay(uint256 from, uint256 to, uint256 elapsed, uint256 duration) external pure returns (uint256) {
        return AuctionMath.decay(from, to, elapsed, duration);
    }

    function rise(uint256 from, uint256 to, uint256 elapsed, uint256 duration) external pure returns (uint256) {
        return AuctionMath.rise(from, to, elapsed, duration);
    }

    function middle(uint256 low, uint256 high) external pure returns (uint256) {
        return AuctionMath.middle(low, high);
    }

    /* BUDGETS */

    function usedAfter(uint256 used, uint256 capacity, uint256 window, uint256 elapsed)
        external
        pure
        returns (uint256)
    {
        return BudgetMath.usedAfter(used, capacity, window, elapsed);
    }

    function fractionUp(uint256 value, uint256 nav) external pure returns (uint256) {
        return BudgetMath.fractionUp(value, nav);
    }

    /* SUPPLY WORD */

    /// @notice Supply and growth of a word whose base was set `elapsed` {s} ago.
    function supplyAfter(uint256 base, uint256 issued, uint256 rate, uint256 elapsed)
        external
        returns (uint256)
    {
        _writeSupply(base, issued, block.timestamp - elapsed);
        return _effectiveSupply(rate);
    }

    /// @notice Base and issued after shares entered.
    function enter(uint256 base, uint256 issued, uint256 received, uint256 supply)
        external
        returns (uint256 base_, uint256 issued_)
    {
        _writeSupply(base, issued, 0);
        _enter(address(this), received, supply);
        (base_, issued_,) = _readSupply();
    }

    /// @notice Base and issued after shares left; their owner has just enough.
    function leave(uint256 base, uint256 issued, uint256 burned, uint256 supply)
        external
        returns (uint256 base_, uint256 issued_)
    {
        _writeSupply(base, issued, 0);
        balanceOf[address(this)] = burned;
        _leave(address(this), burned, 0, supply);
        (base_, issued_,) = _readSupply();
    }

    function _streamingRate() internal pure override returns (uint256) {
        return 0;
    }

    /* BASKET */

    function amountUp(uint256 shares, uint256 available, uint256 supply) external pure returns (uint256) {
        return BasketMath.amountUp(shares, available, supply);
    }

    function amountDown(uint256 shares, uint256 available, uint256 supply) external pure returns (uint256) {
        return BasketMath.amountDown(shares, available, supply);
    }

    /// @notice Writes terms and a list, reads them back by every accessor and looks up `wanted`.
    function basketRoundTrip(Terms calldata terms, address[] calldata components, address wanted)
        external
        returns (Terms memory whole, Terms memory alone, uint256 count, uint256 position, address[] memory list)
    {
        address pointer = BasketLib.write(terms, components);
        bytes memory basket = BasketLib.read(pointer);
        return (
            BasketLib.toTerms(basket),
            BasketLib.toTerms(BasketLib.readTerms(pointer)),
            BasketLib.count(basket),
            BasketLib.find(basket, wanted),
            BasketLib.toArray(basket)
        );
    }

    /* PRICES */

    function meanTick(int56 delta, uint32 window) external pure returns (int24) {
        return PriceMath.meanTick(delta, window);
    }

    function atTick(int24 tick, uint256 quotePrice) external pure returns (uint256) {
        return PriceMath.atTick(tick, quotePrice);
    }

    function meanLiquidity(uint160 delta, uint32 window) external pure returns (uint256) {
        return PriceMath.meanLiquidity(delta, window);
    }

    function ofShare(uint256 assetPrice, uint256 rate) external pure returns (uint256) {
        return PriceMath.ofShare(assetPrice, rate);
    }

    function rateBounds(uint256 rate, uint256 elapsed, uint256 maxJump, uint256 maxGrowth)
        external
        pure
        returns (uint256 min, uint256 max)
    {
        return PriceMath.rateBounds(rate, elapsed, maxJump, maxGrowth);
    }

    function diverges(uint256 price, uint256 anchor, uint256 maxPpm) external pure returns (bool) {
        return PriceMath.diverges(price, anchor, maxPpm);
    }

    function usable(uint256 price) external pure returns (uint256) {
        return PriceMath.usable(address(0), price);
    }

    /// @notice Prices of a feed made here, for each answer updated `ages` {s} ago; a negative age is the future.
    /// @param decimals_ of token and aggregator
    /// @param limits lowest and highest answer
    function chainlinkPrices(
        uint8[2] calldata decimals_,
        uint256 maxAge,
        int256[2] calldata limits,
        int256[] calldata answers,
        int256[] calldata ages
    ) external returns (bool[] memory ok, uint256[] memory prices) {
        AnswerStub aggregator = new AnswerStub(decimals_[1]);
        address token = address(new AnswerStub(decimals_[0]));
        ChainlinkFeed feed = new ChainlinkFeed(token, address(aggregator), maxAge, limits[0], limits[1]);
        ok = new bool[](answers.length);
        prices = new uint256[](answers.length);
        for (uint256 i; i < answers.length; ++i) {
            aggregator.set(answers[i], uint256(int256(block.timestamp) - ages[i]));
            try feed.price() returns (uint256 price) {
                (ok[i], prices[i]) = (true, price);
            } catch {}
        }
    }

    /* CONSTANTS */

    /// @notice Every constant, in the order of their file, without addresses.
    function constants() external pure returns (uint256[] memory values) {
        values = new uint256[](32);
        values[0] = Constants.WAD;
        values[1] = Constants.D27;
        values[2] = Constants.PPM;
        values[3] = Constants.YEAR;
        values[4] = Constants.MAX_COMPONENTS;
        values[5] = Constants.LOCKED_SHARES;
        values[6] = Constants.BALANCE_GAS;
        values[7] = Constants.MAX_STREAMING_FEE;
        values[8] = Constants.MAX_MINT_FEE;
        values[9] = Constants.MAX_REDEEM_FEE;
        values[10] = Constants.MAX_PAUSE;
        values[11] = Constants.MAX_LOSS_CAPACITY;
        values[12] = Constants.MAX_TURNOVER_CAPACITY;
        values[13] = Constants.MIN_WINDOW;
        values[14] = Constants.MAX_WINDOW;
        values[15] = Constants.MAX_VALUATION_AGE;
        values[16] = Constants.MAX_SLIPPAGE;
        values[17] = Constants.MAX_PLAN_DURATION;
        values[18] = Constants.MAX_COOLDOWN;
        values[19] = Constants.MAX_PRICE;
        values[20] = uint256(uint160(Constants.LOCKED_SHARES_HOLDER));
        values[21] = type(uint112).max;
        values[22] = Constants.PRICE_GAS;
        values[23] = Constants.COMPONENT_PRICE_GAS;
        values[24] = Constants.MAX_ANSWER_AGE;
        values[25] = Constants.MAX_GRACE;
        values[26] = Constants.MIN_TWAP_WINDOW;
        values[27] = Constants.MAX_TWAP_WINDOW;
        values[28] = Constants.MAX_DEVIATION;
        values[29] = Constants.MAX_RATE_JUMP;
        values[30] = Constants.MAX_RATE_GROWTH;
        values[31] = Constants.CHECKPOINT_INTERVAL;
    }

    /// @notice The bounds of the performance fee and of a splitter's table.
    function feeConstants() external pure returns (uint256[6] memory) {
        return [
            Constants.MAX_PERFORMANCE_FEE,
            Constants.MIN_FEE_INTERVAL,
            Constants.MAX_FEE_INTERVAL,
            Constants.MIN_OBSERVATION_AGE,
            Constants.MAX_OBSERVATION_AGE,
            Constants.MAX_FEE_RECIPIENTS
        ];
    }

    /// @notice The bounds of plans' final rounds, ranges and auctions.
    function auctionConstants() external pure returns (uint256[8] memory) {
        return [
            Constants.MAX_SCALE,
            Constants.MAX_RANGE,
            Constants.MAX_PREMIUM,
            Constants.MIN_AUCTION_DURATION,
            Constants.MAX_AUCTION_DURATION,
            Constants.MAX_WARM_UP,
            Constants.MAX_REBALANCE_FEE,
            Constants.MAX_KEEPER_TIP
        ];
    }
}

/// @notice Answers for a token (`decimals`) or an aggregator (`decimals`, `latestRoundData`).
contract AnswerStub {
    uint8 public immutable decimals;
    int256 private _answer;
    uint256 private _updatedAt;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function set(int256 answer, uint256 updatedAt) external {
        (_answer, _updatedAt) = (answer, updatedAt);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, _answer, _updatedAt, _updatedAt, 1);
    }
}
