// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {PriceMath} from "../libraries/PriceMath.sol";

/// @notice What this feed reads of a Uniswap V3 pool.
interface IV3Oracle {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function observe(uint32[] calldata secondsAgos)
        external
        view
        returns (int56[] memory tickCumulatives, uint160[] memory secondsPerLiquidityCumulativeX128s);
}

/// @title UniswapV3TwapFeed
/// @notice Price of one token from the mean tick of a Uniswap V3 pool over a window, times the price of the other token.
/// @dev What a swap does to the pool counts only from the next second on, and only for as long as it is held: to move
/// the mean by x, a pool must be held x·window/time away, against everyone who would trade it back. What that costs grows
/// with the liquidity in range, hence the floor, by the harmonic mean over the same window. A pool remembers as many
/// observations as somebody paid for, one a block at most: it needs `window / block time` of them, or trades in every
/// block make it forget and this feed refuse.
/// A pool counts whole ticks, rounded down from the side of token0: the price is within one tick, a hundredth of a percent.
/// Assumes: the pool is a genuine one, and worth manipulating for less than holding it would cost. Best as the anchor of
/// another source.
contract UniswapV3TwapFeed is IPriceFeed {
    address public immutable token;
    IV3Oracle public immutable pool;
    IPriceFeed public immutable quoteFeed;
    uint32 public immutable window; // {s}
    uint128 public immutable minLiquidity; // {liquidity} harmonic mean over the window
    bool private immutable _isToken0;

    /// @param token_ priced token
    /// @param pool_ Uniswap V3 pool of the token
    /// @param quoteFeed_ price of the other token of the pool
    /// @param window_ {s}
    /// @param minLiquidity_ {liquidity} in range below which there is no price
    constructor(address token_, address pool_, address quoteFeed_, uint32 window_, uint128 minLiquidity_) {
        require(token_ != address(0) && pool_ != address(0) && quoteFeed_ != address(0), Errors.ZeroAddress());
        require(
            window_ >= Constants.MIN_TWAP_WINDOW && window_ <= Constants.MAX_TWAP_WINDOW,
            Errors.ValueOutOfBounds("window", window_, Constants.MIN_TWAP_WINDOW, Constants.MAX_TWAP_WINDOW)
        );
        require(
            minLiquidity_ != 0, Errors.ValueOutOfBounds("minLiquidity", minLiquidity_, 1, type(uint128).max)
        );
        (address token0, address token1) = (IV3Oracle(pool_).token0(), IV3Oracle(pool_).token1());
        _isToken0 = token_ == token0;
        require(_isToken0 || token_ == token1, Errors.FeedMismatch(token_, token0));
        address quote = _isToken0 ? token1 : token0;
        address quoted = IPriceFeed(quoteFeed_).token();
        require(quoted == quote, Errors.FeedMismatch(quote, quoted));

        token = token_;
        pool = IV3Oracle(pool_);
        quoteFeed = IPriceFeed(quoteFeed_);
        window = window_;
        minLiquidity = minLiquidity_;
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256) {
        (int56 tickDelta, uint160 liquidityDelta) = _observe();
        uint256 liquidity = PriceMath.meanLiquidity(liquidityDelta, window);
        if (liquidity < minLiquidity) revert Errors.PriceThin(token, liquidity, minLiquidity);
        // A tick counts token1 per token0; seen from token1 it is the negative.
        int24 tick = PriceMath.meanTick(_isToken0 ? tickDelta : -tickDelta, window);
        return PriceMath.usable(token, PriceMath.atTick(tick, quoteFeed.price()));
    }

    /// @dev Growth of both accumulators over the window. They wrap, their differences do not.
    function _observe() private view returns (int56 tickDelta, uint160 liquidityDelta) {
        uint32[] memory ago = new uint32[](2);
        ago[0] = window;
        try pool.observe(ago) returns (int56[] memory ticks, uint160[] memory liquidities) {
            unchecked {
                tickDelta = ticks[1] - ticks[0];
                liquidityDelta = liquidities[1] - liquidities[0];
            }
        } catch {
            revert Errors.HistoryTooShort(address(pool), window);
        }
    }
}
