// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {PriceMath} from "../libraries/PriceMath.sol";

/// @title AnchoredFeed
/// @notice The price of a primary feed while a second, independent one agrees.
/// @dev There is no fallback: where the two disagree or one is silent, nobody here knows which of them is right, and
/// trading stops. Redeeming in kind needs no price.
contract AnchoredFeed is IPriceFeed {
    address public immutable token;
    IPriceFeed public immutable primary;
    IPriceFeed public immutable anchor;
    uint256 public immutable maxDeviation; // {ppm} of the anchor

    /// @param primary_ whose price is handed on
    /// @param anchor_ another feed of the same token
    /// @param maxDeviation_ {ppm} more than the two differ when both are well
    constructor(address primary_, address anchor_, uint256 maxDeviation_) {
        require(primary_ != address(0) && anchor_ != address(0), Errors.ZeroAddress());
        require(
            maxDeviation_ != 0 && maxDeviation_ <= Constants.MAX_DEVIATION,
            Errors.ValueOutOfBounds("maxDeviation", maxDeviation_, 1, Constants.MAX_DEVIATION)
        );
        token = IPriceFeed(primary_).token();
        address anchored = IPriceFeed(anchor_).token();
        require(anchored == token, Errors.FeedMismatch(token, anchored));
        primary = IPriceFeed(primary_);
        anchor = IPriceFeed(anchor_);
        maxDeviation = maxDeviation_;
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256 price_) {
        price_ = PriceMath.usable(token, primary.price());
        uint256 second = PriceMath.usable(token, anchor.price());
        if (PriceMath.diverges(price_, second, maxDeviation)) {
            revert Errors.OracleDivergence(token, price_, second, maxDeviation);
        }
    }
}
