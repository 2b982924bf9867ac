// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";

/// @title Churner
/// @notice Mints and redeems the same few shares over and over, hoping that rounding is on its side.
contract Churner {
    /// @notice `times` round trips of `shares`, paid from the tokens of this contract.
    function churn(IIndexToken index, uint256 shares, uint256 times) external {
        address[] memory list = index.components();
        uint256[] memory limits = new uint256[](list.length);
        uint256[] memory nothing = new uint256[](list.length);
        for (uint256 i; i < list.length; ++i) {
            limits[i] = type(uint256).max;
            IERC20(list[i]).approve(address(index), type(uint256).max);
        }
        uint256 version = index.version();
        for (uint256 k; k < times; ++k) {
            index.mint(shares, version, limits, address(this));
            index.redeem(shares, version, nothing, address(this), address(this), 0);
        }
    }
}
