// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title FeeOnTransferToken
/// @notice Keeps a part of every transfer: from what the receiver gets, or on top of it from the sender.
/// @dev The fee can be switched on after the token was listed, as USDT's can.
contract FeeOnTransferToken is OddDecimalsToken {
    uint256 public feeBps;
    bool public onTop;

    constructor(string memory symbol_, uint8 decimals_, uint256 feeBps_) OddDecimalsToken(symbol_, decimals_) {
        feeBps = feeBps_;
    }

    /// @param onTop_ whether the sender pays the fee besides the amount
    function setFee(uint256 feeBps_, bool onTop_) external {
        feeBps = feeBps_;
        onTop = onTop_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : amount * feeBps / 10_000;
        super._update(from, to, onTop ? amount : amount - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}
