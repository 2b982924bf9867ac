// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Caller} from "./Caller.sol";
import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title HookToken
/// @notice As an ERC-777: tells the sender before and the receiver after a transfer. The told one is the attacker, whose
/// program runs in the name of this token.
contract HookToken is OddDecimalsToken, Caller {
    bool public beforeMove;
    bool public afterMove;

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    /// @param beforeMove_ as `tokensToSend`
    /// @param afterMove_ as `tokensReceived`
    function arm(bool beforeMove_, bool afterMove_) external {
        beforeMove = beforeMove_;
        afterMove = afterMove_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        bool isTransfer = from != address(0) && to != address(0);
        if (isTransfer && beforeMove) _runProgram();
        super._update(from, to, amount);
        if (isTransfer && afterMove) _runProgram();
    }
}
