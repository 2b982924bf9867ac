// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {IAggregator} from "./ChainlinkFeed.sol";

/// @title SequencerFeed
/// @notice The price of another feed while the sequencer of a rollup is up, and has been for a while.
/// @dev While a sequencer is down nobody can trade against what the feeds say, and when it comes back those who queued
/// first see old prices: hence the grace. Chainlink's uptime feed answers 0 while up, 1 while down; `startedAt` is when
/// that began. Any feed can be wrapped, on a chain without sequencer none need be.
contract SequencerFeed is IPriceFeed {
    address public immutable token;
    IPriceFeed public immutable feed;
    IAggregator public immutable uptimeFeed;
    uint256 public immutable grace; // {s}

    /// @param feed_ whose price is handed on
    /// @param uptimeFeed_ Chainlink's L2 sequencer uptime feed of this chain
    /// @param grace_ {s} after the sequencer came back
    constructor(address feed_, address uptimeFeed_, uint256 grace_) {
        require(feed_ != address(0) && uptimeFeed_ != address(0), Errors.ZeroAddress());
        require(
            grace_ != 0 && grace_ <= Constants.MAX_GRACE,
            Errors.ValueOutOfBounds("grace", grace_, 1, Constants.MAX_GRACE)
        );
        token = IPriceFeed(feed_).token();
        feed = IPriceFeed(feed_);
        uptimeFeed = IAggregator(uptimeFeed_);
        grace = grace_;
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256) {
        (, int256 answer, uint256 startedAt,,) = uptimeFeed.latestRoundData();
        // A feed that was never updated has startedAt = 0 and says nothing.
        if (answer != 0 || startedAt == 0) revert Errors.SequencerDown(startedAt);
        if (startedAt > block.timestamp || block.timestamp - startedAt <= grace) {
            revert Errors.SequencerJustUp(startedAt, grace);
        }
        return feed.price();
    }
}
