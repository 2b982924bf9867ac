// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Errors} from "../libraries/Errors.sol";
import {MintLib} from "../libraries/MintLib.sol";
import {TokenLib} from "../libraries/TokenLib.sol";

/// @title InnerIndexTaker
/// @notice Turns shares of an inner index, held by an outer one, into its components and back, without any market.
/// @dev Two shapes of an exchange of the outer index:
/// - outs: inner shares, ins: every component of the inner index. The shares are redeemed straight to the outer index.
/// - outs: components, ins: inner shares. As many shares as they suffice for are minted straight to the outer index, and
///   what is left of the components returns to it.
/// The inner index's own fees are the price, and count against the loss budget of the outer one. Holds tokens only while it
/// is called, and no allowance outlives a call, so anyone may call it. A component that cannot move makes it revert.
contract InnerIndexTaker is ITaker, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Route as `data`: `abi.encode(address inner, uint256 version)`, the version being that of the inner component
    /// list. The payee of the exchange must be this contract.
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external nonReentrant {
        (address inner, uint256 version) = abi.decode(data, (address, uint256));
        if (outs.length == 1 && outs[0].token == inner) {
            _redeem(inner, version, outs[0].amount, ins);
        } else {
            require(ins.length == 1, Errors.LegsInvalid(outs.length, ins.length));
            require(ins[0].token == inner, Errors.RouteInvalid(ins[0].token));
            _mint(inner, version, outs);
        }
    }

    /// @dev A component that is no leg would lie in the outer index as a gift to a token that it does not list.
    function _redeem(address inner, uint256 version, uint256 shares, Leg[] calldata ins) private {
        address[] memory tokens = IIndexToken(inner).components();
        for (uint256 i; i < tokens.length; ++i) {
            require(_isLeg(tokens[i], ins), Errors.RouteInvalid(tokens[i]));
        }
        uint256[] memory minOut = new uint256[](tokens.length); // the outer index demands its own
        IIndexToken(inner).redeem(shares, version, minOut, address(this), msg.sender, 0);
    }

    function _mint(address inner, uint256 version, Leg[] calldata outs) private {
        MintLib.mint(inner, MintLib.mintable(inner), version, msg.sender);
        for (uint256 i; i < outs.length; ++i) {
            uint256 left = TokenLib.balance(outs[i].token);
            if (left != 0) IERC20(outs[i].token).safeTransfer(msg.sender, left);
        }
    }

    function _isLeg(address token, Leg[] calldata legs) private pure returns (bool) {
        for (uint256 i; i < legs.length; ++i) {
            if (legs[i].token == token) return true;
        }
        return false;
    }
}
