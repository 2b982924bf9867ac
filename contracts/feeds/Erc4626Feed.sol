// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {PriceMath} from "../libraries/PriceMath.sol";

/// @title Erc4626Feed
/// @notice Price of a share of an ERC-4626 vault: what it converts to, times the price of the asset.
/// @dev The rate is asked for 1e27 base units of the share, which makes it D27{asset/share} without anybody's decimals.
/// GUARD: a rate can be moved within a transaction, by a gift to the vault or by a bug in it. It is believed within
/// `maxJump` of a checkpoint, plus `maxGrowth` per year of its age upwards; outside there is no price. Anyone may move the
/// checkpoint to a believed rate, once a day: a rate that rises honestly stays inside, one that is driven up needs a day
/// for each `maxJump` and a gift of as much of the whole vault. A real loss beyond `maxJump` has no price either, until
/// the governor sets a new feed, whose checkpoint is the rate of that day. Redeeming the index needs no price.
/// Assumes: shares can be redeemed at the rate the vault says.
contract Erc4626Feed is IPriceFeed {
    struct Checkpoint {
        uint216 rate; // D27{asset/share}
        uint40 at; // {s}
    }

    /// @dev D27{asset/share} below it the rate has less than six digits, as for 27 decimals of the share and none of the asset.
    uint256 private constant MIN_RATE = 1e6;

    event MoveCheckpoint(uint256 rate);

    address public immutable token;
    IPriceFeed public immutable assetFeed;
    uint256 public immutable maxJump; // D18{1}
    uint256 public immutable maxGrowth; // D18{1/year}

    Checkpoint public checkpoint;

    /// @param vault priced share
    /// @param assetFeed_ price of the asset of the vault
    /// @param maxJump_ D18{1} up or down from the checkpoint
    /// @param maxGrowth_ D18{1/year} well above what the vault yields
    constructor(address vault, address assetFeed_, uint256 maxJump_, uint256 maxGrowth_) {
        require(vault != address(0) && assetFeed_ != address(0), Errors.ZeroAddress());
        require(
            maxJump_ != 0 && maxJump_ <= Constants.MAX_RATE_JUMP,
            Errors.ValueOutOfBounds("maxJump", maxJump_, 1, Constants.MAX_RATE_JUMP)
        );
        require(
            maxGrowth_ <= Constants.MAX_RATE_GROWTH,
            Errors.ValueOutOfBounds("maxGrowth", maxGrowth_, 0, Constants.MAX_RATE_GROWTH)
        );
        address asset = IERC4626(vault).asset();
        address priced = IPriceFeed(assetFeed_).token();
        require(priced == asset, Errors.FeedMismatch(asset, priced));
        token = vault;
        assetFeed = IPriceFeed(assetFeed_);
        maxJump = maxJump_;
        maxGrowth = maxGrowth_;

        uint256 rate = IERC4626(vault).convertToAssets(Constants.D27);
        require(
            rate >= MIN_RATE && rate <= Constants.MAX_PRICE,
            Errors.ValueOutOfBounds("rate", rate, MIN_RATE, Constants.MAX_PRICE)
        );
        _move(rate);
    }

    /// @notice Moves the checkpoint to the rate of now, if that is believed. Anyone, once in `CHECKPOINT_INTERVAL`.
    function moveCheckpoint() external {
        uint256 earliest = checkpoint.at + Constants.CHECKPOINT_INTERVAL;
        require(block.timestamp >= earliest, Errors.CheckpointTooEarly(earliest));
        _move(_believedRate());
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256) {
        return PriceMath.usable(token, PriceMath.ofShare(assetFeed.price(), _believedRate()));
    }

    function _move(uint256 rate) private {
        checkpoint = Checkpoint(uint216(rate), uint40(block.timestamp));
        emit MoveCheckpoint(rate);
    }

    /// @dev D27{asset/share}
    function _believedRate() private view returns (uint256 rate) {
        rate = IERC4626(token).convertToAssets(Constants.D27);
        Checkpoint memory last = checkpoint;
        (uint256 min, uint256 max) = PriceMath.rateBounds(last.rate, block.timestamp - last.at, maxJump, maxGrowth);
        if (rate < min || rate > max) revert Errors.RateOutOfBounds(token, rate, min, max);
    }
}
