// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title BlocklistToken
/// @notice Refuses transfers from and to blocked accounts, as USDC does.
contract BlocklistToken is OddDecimalsToken {
    mapping(address account => bool) public isBlocked;

    error AccountBlocked(address account);

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!isBlocked[from], AccountBlocked(from));
        require(!isBlocked[to], AccountBlocked(to));
        super._update(from, to, amount);
    }
}
