// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title GasBurnerToken
/// @notice Loops until the gas it was given is gone, in transfers or in `balanceOf`.
contract GasBurnerToken is OddDecimalsToken {
    bool public burnsInTransfer;
    bool public burnsInBalance;

    constructor(string memory symbol_, uint8 decimals_) OddDecimalsToken(symbol_, decimals_) {}

    function setBurns(bool inTransfer, bool inBalance) external {
        burnsInTransfer = inTransfer;
        burnsInBalance = inBalance;
    }

    function balanceOf(address account) public view override returns (uint256) {
        if (burnsInBalance) _burnGas();
        return super.balanceOf(account);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (burnsInTransfer) _burnGas();
        super._update(from, to, amount);
    }

    function _burnGas() private pure {
        assembly {
            for {} 1 {} { pop(keccak256(0, 4096)) }
        }
    }
}
