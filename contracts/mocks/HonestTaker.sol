// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";

/// @title HonestTaker
/// @notice Pays from its own balance: exactly what the index asks, or the amounts given as `abi.encode(uint256[])`.
contract HonestTaker is ITaker {
    using SafeERC20 for IERC20;

    function onExchange(Leg[] calldata, Leg[] calldata ins, bytes calldata data) external virtual {
        uint256[] memory amounts = data.length == 0 ? new uint256[](0) : abi.decode(data, (uint256[]));
        for (uint256 i; i < ins.length; ++i) {
            IERC20(ins[i].token).safeTransfer(msg.sender, i < amounts.length ? amounts[i] : ins[i].amount);
        }
    }
}
