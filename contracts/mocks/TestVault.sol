// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// @title TestVault
/// @notice OpenZeppelin's ERC-4626 vault, which gifts enrich and which may lose what it holds.
contract TestVault is ERC4626 {
    uint8 private immutable _offset;

    constructor(address asset_, uint8 offset_) ERC20("Vault", "vTOK") ERC4626(IERC20(asset_)) {
        _offset = offset_;
    }

    /// @notice Loses `amount` {asset} for good.
    function lose(uint256 amount) external {
        bool done = IERC20(asset()).transfer(address(0xdead), amount);
        require(done, "asset refused");
    }

    function _decimalsOffset() internal view override returns (uint8) {
        return _offset;
    }
}
