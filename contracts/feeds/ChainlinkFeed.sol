// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {CallLib} from "../libraries/CallLib.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";

/// @notice What a Chainlink price proxy answers. A proxy also has `aggregator()` and `phaseId()`; the aggregator behind
/// it may have `minAnswer()` and `maxAnswer()`.
interface IAggregator {
    function decimals() external view returns (uint8);
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

interface IAggregatorProxy {
    function aggregator() external view returns (address);
    function phaseId() external view returns (uint16);
}

interface IClampedAggregator {
    function minAnswer() external view returns (int192);
    function maxAnswer() external view returns (int192);
}

/// @title ChainlinkFeed
/// @notice Price of one token from one Chainlink TOKEN/USD proxy.
/// @dev PINNED: decimals of token and aggregator. A token that shows others has no price until the governor looks: he
/// sets a new feed. CLAMP: an aggregator never answers outside of its own limits, so an answer at a limit says only that
/// the price is somewhere beyond; limits are given by the governor, inside those of the aggregator where it has any.
/// PHASE: what is behind a proxy changes only with its phase, which every round id carries. While the phase is the one of
/// the constructor, decimals and limits are known without asking; after it, both are asked for on every read (about
/// 20,000 gas more) and a narrower clamp counts, so that a change of aggregator neither deceives nor stops the feed.
/// Assumes: the aggregator quotes whole tokens in US dollars, and is a Chainlink proxy or changes its decimals never.
contract ChainlinkFeed is IPriceFeed {
    /// @dev A price of one base unit in nano-USD, D27: 10^(9 + 27) over the decimals of answer and token.
    uint256 private constant PRICE_DECIMALS = 36;
    uint256 private constant ASK_GAS = 100_000; // {gas}

    address public immutable token;
    IAggregator public immutable aggregator;
    uint256 public immutable maxAge; // {s}
    int256 public immutable minAnswer; // 10^decimals {USD/TOK}
    int256 public immutable maxAnswer; // 10^decimals {USD/TOK}
    uint256 private immutable _tokenDecimals;
    uint256 private immutable _aggregatorDecimals;
    uint256 private immutable _phase;
    uint256 private immutable _multiplier;
    uint256 private immutable _divisor;

    /// @param token_ priced token
    /// @param aggregator_ Chainlink proxy
    /// @param maxAge_ {s} heartbeat of the aggregator plus a margin
    /// @param minAnswer_ an answer at or below it is refused; at least the aggregator's own limit, if it has one
    /// @param maxAnswer_ an answer at or above it is refused; at most the aggregator's own limit, if it has one
    constructor(address token_, address aggregator_, uint256 maxAge_, int256 minAnswer_, int256 maxAnswer_) {
        require(token_ != address(0) && aggregator_ != address(0), Errors.ZeroAddress());
        require(
            maxAge_ != 0 && maxAge_ <= Constants.MAX_ANSWER_AGE,
            Errors.ValueOutOfBounds("maxAge", maxAge_, 1, Constants.MAX_ANSWER_AGE)
        );
        token = token_;
        aggregator = IAggregator(aggregator_);
        maxAge = maxAge_;

        (int256 min, int256 max) = _limitsOf(aggregator_);
        require(
            maxAnswer_ > 0 && maxAnswer_ <= max,
            Errors.ValueOutOfBounds("maxAnswer", uint256(maxAnswer_), 1, uint256(max))
        );
        require(
            minAnswer_ >= min && minAnswer_ < maxAnswer_,
            Errors.ValueOutOfBounds("minAnswer", uint256(minAnswer_), uint256(min), uint256(maxAnswer_ - 1))
        );
        (minAnswer, maxAnswer) = (minAnswer_, maxAnswer_);

        (, _phase) = CallLib.tryWord(aggregator_, IAggregatorProxy.phaseId.selector, ASK_GAS);
        _tokenDecimals = IERC20Metadata(token_).decimals();
        _aggregatorDecimals = IAggregator(aggregator_).decimals();
        uint256 digits = _tokenDecimals + _aggregatorDecimals;
        require(digits <= 2 * PRICE_DECIMALS, Errors.ValueOutOfBounds("decimals", digits, 0, 2 * PRICE_DECIMALS));
        _multiplier = digits < PRICE_DECIMALS ? 10 ** (PRICE_DECIMALS - digits) : 1;
        _divisor = digits > PRICE_DECIMALS ? 10 ** (digits - PRICE_DECIMALS) : 1;
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256 price_) {
        (uint80 roundId, int256 answer,, uint256 updatedAt,) = aggregator.latestRoundData();
        if (answer <= 0 || answer > type(int128).max) revert Errors.PriceBad(token, answer);
        if (updatedAt > block.timestamp || block.timestamp - updatedAt > maxAge) {
            revert Errors.PriceStale(token, updatedAt, maxAge);
        }
        _checkDecimals(token, IERC20Metadata(token).decimals(), _tokenDecimals);
        (int256 min, int256 max) = roundId >> 64 == _phase ? (minAnswer, maxAnswer) : _changed();
        if (answer <= min || answer >= max) revert Errors.PriceClamped(token, answer, min, max);

        // D27{nUSD/tok} = {answer} * 10^(36 - digits)
        price_ = uint256(answer) * _multiplier / _divisor;
        if (price_ == 0) revert Errors.PriceBad(token, answer);
    }

    /// @dev The aggregator is not the one of the constructor: checks its decimals, and narrows the limits by its own.
    function _changed() private view returns (int256 min, int256 max) {
        _checkDecimals(address(aggregator), aggregator.decimals(), _aggregatorDecimals);
        (min, max) = _limitsOf(address(aggregator));
        if (min < minAnswer) min = minAnswer;
        if (max > maxAnswer) max = maxAnswer;
    }

    /// @dev Limits of the aggregator behind a proxy, or of what is given if it is none; the widest where it has none.
    function _limitsOf(address source) private view returns (int256 min, int256 max) {
        (bool isProxy, uint256 behind) = CallLib.tryWord(source, IAggregatorProxy.aggregator.selector, ASK_GAS);
        if (isProxy) source = address(uint160(behind));
        (, uint256 low) = CallLib.tryWord(source, IClampedAggregator.minAnswer.selector, ASK_GAS);
        (bool hasMax, uint256 high) = CallLib.tryWord(source, IClampedAggregator.maxAnswer.selector, ASK_GAS);
        min = int256(low) > 0 ? int256(low) : int256(0);
        max = hasMax && int256(high) < type(int128).max ? int256(high) : type(int128).max;
    }

    function _checkDecimals(address source, uint256 decimals, uint256 pinned) private pure {
        if (decimals != pinned) revert Errors.DecimalsChanged(source, decimals, pinned);
    }
}
