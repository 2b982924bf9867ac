// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title ReturnBombToken
/// @notice Answers with a megabyte, whose first word is the right answer: who copies it all runs out of gas.
contract ReturnBombToken is OddDecimalsToken {
    bool public bombTransfer;
    bool public bombBalance;

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    function setBombs(bool bombTransfer_, bool bombBalance_) external {
        bombTransfer = bombTransfer_;
        bombBalance = bombBalance_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        super.transfer(to, amount);
        if (bombTransfer) _explode(1);
        return true;
    }

    function balanceOf(address account) public view override returns (uint256 balance) {
        balance = super.balanceOf(account);
        if (bombBalance) _explode(balance);
    }

    function _explode(uint256 word) private pure {
        assembly {
            mstore(0, word)
            return(0, 1000000)
        }
    }
}
