// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title BenchToken
/// @notice A plain OpenZeppelin ERC-20 with 18 decimals that anyone may mint.
/// @dev Compiled by the benchmark with its own settings, so that the gas burned inside components does not move with ours.
contract BenchToken is ERC20("Bench", "BENCH") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
