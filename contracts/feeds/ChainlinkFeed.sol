// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Errors} from "../libraries/Errors.sol";

/// @notice What a Chainlink price proxy answers.
interface IAggregator {
    function decimals() external view returns (uint8);
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// @title ChainlinkFeed
/// @notice Price of one token from one Chainlink TOKEN/USD proxy.
/// @dev Decimals of token and aggregator are read once and pinned here, so that a token that changes its decimals
/// cannot change its price. Assumes the aggregator quotes whole tokens in US dollars.
contract ChainlinkFeed is IPriceFeed {
    /// @dev A price of one base unit in nano-USD, D27: 10^(9 + 27) over the decimals of answer and token.
    uint256 private constant PRICE_DECIMALS = 36;

    address public immutable token;
    IAggregator public immutable aggregator;
    uint256 public immutable maxAge; // {s}
    uint256 private immutable _multiplier;
    uint256 private immutable _divisor;

    /// @param token_ priced token
    /// @param aggregator_ Chainlink proxy
    /// @param maxAge_ {s} heartbeat of the aggregator plus a margin
    constructor(address token_, address aggregator_, uint256 maxAge_) {
        require(token_ != address(0) && aggregator_ != address(0), Errors.ZeroAddress());
        require(maxAge_ != 0 && maxAge_ <= 30 days, Errors.ValueOutOfBounds("maxAge", maxAge_, 1, 30 days));
        token = token_;
        aggregator = IAggregator(aggregator_);
        maxAge = maxAge_;
        uint256 digits = uint256(IERC20Metadata(token_).decimals()) + IAggregator(aggregator_).decimals();
        require(digits <= 2 * PRICE_DECIMALS, Errors.ValueOutOfBounds("decimals", digits, 0, 2 * PRICE_DECIMALS));
        _multiplier = digits < PRICE_DECIMALS ? 10 ** (PRICE_DECIMALS - digits) : 1;
        _divisor = digits > PRICE_DECIMALS ? 10 ** (digits - PRICE_DECIMALS) : 1;
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256) {
        (, int256 answer,, uint256 updatedAt,) = aggregator.latestRoundData();
        if (answer <= 0 || answer > type(int128).max) revert Errors.PriceBad(token, answer);
        if (updatedAt > block.timestamp || block.timestamp - updatedAt > maxAge) {
            revert Errors.PriceStale(token, updatedAt, maxAge);
        }
        // D27{nUSD/tok} = {answer} * 10^(36 - digits)
        return uint256(answer) * _multiplier / _divisor;
    }
}
