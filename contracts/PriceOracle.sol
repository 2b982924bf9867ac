// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IPriceFeed} from "./interfaces/IPriceFeed.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {CallLib} from "./libraries/CallLib.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {PriceMath} from "./libraries/PriceMath.sol";

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
    function price(address token) external view returns (uint256) {
        address feed = feedOf[token];
        require(feed != address(0), Errors.PriceMissing(token));
        return PriceMath.usable(token, IPriceFeed(feed).price());
    }

    /// @inheritdoc IPriceOracle
    function tryPrice(address token) external view returns (uint256 price_) {
        address feed = feedOf[token];
        if (feed == address(0)) return 0;
        bool ok;
        (ok, price_) = CallLib.tryWord(feed, IPriceFeed.price.selector, Constants.PRICE_GAS);
        if (ok) return price_ > Constants.MAX_PRICE ? 0 : price_;
        // A call takes at most 63/64 of the gas that is there: with less than this left it may have had too little.
        uint256 required = Constants.PRICE_GAS / 63;
        if (gasleft() < required) revert Errors.GasTooLow(gasleft(), required);
    }
}
