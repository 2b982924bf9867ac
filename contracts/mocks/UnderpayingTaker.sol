// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";

/// @title UnderpayingTaker
/// @notice Pays one base unit less than the index asks, keeps what it was sold, or pays in another token.
contract UnderpayingTaker is ITaker {
    using SafeERC20 for IERC20;

    /// @notice `data` is empty, or `abi.encode(address)` of the token to pay with instead.
    function onExchange(Leg[] calldata, Leg[] calldata ins, bytes calldata data) external {
        for (uint256 i; i < ins.length; ++i) {
            if (data.length == 0) IERC20(ins[i].token).safeTransfer(msg.sender, ins[i].amount - 1);
            else IERC20(abi.decode(data, (address))).safeTransfer(msg.sender, ins[i].amount);
        }
    }
}
