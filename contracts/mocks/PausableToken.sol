// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title PausableToken
/// @notice Refuses every transfer while paused.
contract PausableToken is OddDecimalsToken {
    bool public paused;

    error TransfersPaused();

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!paused, TransfersPaused());
        super._update(from, to, amount);
    }
}
