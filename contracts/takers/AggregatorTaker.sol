// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {TokenLib} from "../libraries/TokenLib.sol";

/// @title AggregatorTaker
/// @notice Swaps through one aggregator, fixed for good, along whatever route its API answered.
/// @dev Approves the amount of one exchange for the time of one call. Holds tokens only while it is called and forwards all
/// it has of both, so anyone may call it. Only what a route leaves in third tokens stays, for whoever names them. Another
/// aggregator, or its next version, is another taker.
contract AggregatorTaker is ITaker, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Is called with the route.
    address public immutable target;
    /// @notice Pulls what is sold: the target itself, or its allowance holder.
    address public immutable spender;

    constructor(address target_, address spender_) {
        (bool isToken,) = TokenLib.tryBalanceOf(target_, address(this), Constants.BALANCE_GAS);
        require(
            target_.code.length != 0 && !isToken && target_ != Constants.PERMIT2, Errors.TargetInvalid(target_)
        );
        require(spender_ != address(0), Errors.ZeroAddress());
        target = target_;
        spender = spender_;
    }

    /// @notice Route as `data`: the calldata of the aggregator, which must pay this contract or the index. The payee of the
    /// exchange must be this contract. What was not sold returns to the index.
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external nonReentrant {
        require(outs.length == 1 && ins.length == 1, Errors.LegsInvalid(outs.length, ins.length));
        IERC20 sold = IERC20(outs[0].token);

        sold.forceApprove(spender, outs[0].amount);
        (bool ok, bytes memory reason) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        sold.forceApprove(spender, 0);

        _forward(sold);
        _forward(IERC20(ins[0].token));
    }

    function _forward(IERC20 token) private {
        uint256 amount = TokenLib.balance(address(token));
        if (amount != 0) token.safeTransfer(msg.sender, amount);
    }
}
