// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @title MockFeed
/// @notice The price a test wants, or none.
contract MockFeed is IPriceFeed {
    address public immutable token;
    uint256 private _price; // D27{nUSD/tok}
    bool public dead;

    error FeedDead();

    constructor(address token_, uint256 price_) {
        token = token_;
        _price = price_;
    }

    function setPrice(uint256 price_) external {
        _price = price_;
    }

    function setDead(bool dead_) external {
        dead = dead_;
    }

    function price() external view returns (uint256) {
        require(!dead, FeedDead());
        return _price;
    }
}
