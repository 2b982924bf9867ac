// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title IWrappedEther
/// @notice Ether as an ERC-20, one for one.
interface IWrappedEther is IERC20 {
    function deposit() external payable;

    function withdraw(uint256 amount) external;
}
