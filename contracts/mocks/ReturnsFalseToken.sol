// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title ReturnsFalseToken
/// @notice While failing, transfers move nothing and answer `false` instead of reverting, as ZRX does.
contract ReturnsFalseToken is OddDecimalsToken {
    bool public failing;

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    function setFailing(bool failing_) external {
        failing = failing_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !failing && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !failing && super.transferFrom(from, to, amount);
    }
}
