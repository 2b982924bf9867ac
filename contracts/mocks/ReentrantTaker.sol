// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Caller} from "./Caller.sol";

/// @title ReentrantTaker
/// @notice Runs its program in the middle of an exchange, then pays what is asked.
contract ReentrantTaker is ITaker, Caller {
    using SafeERC20 for IERC20;

    function onExchange(Leg[] calldata, Leg[] calldata ins, bytes calldata) external {
        _runProgram();
        for (uint256 i; i < ins.length; ++i) {
            IERC20(ins[i].token).safeTransfer(msg.sender, ins[i].amount);
        }
    }
}
