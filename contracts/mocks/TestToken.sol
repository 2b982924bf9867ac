// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title TestToken
/// @notice A plain ERC-20 that stands for a real coin on a local market: its symbol, its decimals, and a faucet.
/// @dev A good citizen: no fee, no callback, no pause. The bad ones have their own mocks.
contract TestToken is ERC20, Ownable {
    uint8 private immutable _decimals;

    constructor(string memory name_, string memory symbol_, uint8 decimals_, address owner_)
        ERC20(name_, symbol_)
        Ownable(owner_)
    {
        _decimals = decimals_;
    }

    /// @notice The faucet: creates tokens out of nothing. Owner only.
    /// @param to Who receives them.
    /// @param amount {tok}
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    /// @notice Decimals of one whole token, as the real coin has them.
    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}
