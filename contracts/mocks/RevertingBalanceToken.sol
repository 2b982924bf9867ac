// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title RevertingBalanceToken
/// @notice Does not tell balances while silent, though it still moves them.
contract RevertingBalanceToken is OddDecimalsToken {
    bool public silent;

    error NoAnswer();

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    function setSilent(bool silent_) external {
        silent = silent_;
    }

    function balanceOf(address account) public view override returns (uint256) {
        require(!silent, NoAnswer());
        return super.balanceOf(account);
    }
}
