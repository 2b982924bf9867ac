// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IPriceFeed} from "./interfaces/IPriceFeed.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";

/// @title PriceOracle
/// @notice Routes each token to its feed. A price is D27{nUSD/tok} in (0, 2^160), or there is none.
/// @dev Assumes: feeds are set by the governor and revert instead of returning what they do not believe.
contract PriceOracle is IPriceOracle, AccessManaged {
    mapping(address token => address feed) public feedOf;

    constructor(address authority_) AccessManaged(authority_) {
        require(authority_ != address(0), Errors.ZeroAddress());
    }

    /// @inheritdoc IPriceOracle
    function setFeed(address token, address feed) external restricted {
        require(token != address(0), Errors.ZeroAddress());
        if (feed != address(0)) {
            address feedToken = IPriceFeed(feed).token();
            require(feedToken == token, Errors.FeedMismatch(token, feedToken));
        }
        feedOf[token] = feed;
        emit SetFeed(token, feed);
    }

    /// @inheritdoc IPriceOracle
    function price(address token) public view returns (uint256 price_) {
        address feed = feedOf[token];
        require(feed != address(0), Errors.PriceMissing(token));
        price_ = IPriceFeed(feed).price();
        if (price_ == 0 || price_ > Constants.MAX_PRICE) revert Errors.PriceBad(token, int256(price_));
    }

    /// @inheritdoc IPriceOracle
    function tryPrice(address token) external view returns (uint256) {
        try this.price(token) returns (uint256 price_) {
            return price_;
        } catch {
            return 0;
        }
    }
}
