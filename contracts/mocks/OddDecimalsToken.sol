// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title OddDecimalsToken
/// @notice A well-behaved token with any number of decimals, which may change them; anyone may create some.
/// @dev The base of the bad citizens of this folder. Tests only.
contract OddDecimalsToken is ERC20 {
    uint8 private _decimals;

    constructor(string memory symbol_, uint8 decimals_) ERC20(symbol_, symbol_) {
        _decimals = decimals_;
    }

    /// @notice Creates `amount` {tok} for `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice An upgrade that changes what a whole token is.
    function setDecimals(uint8 decimals_) external {
        _decimals = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}
