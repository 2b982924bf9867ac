// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IWrappedEther} from "./interfaces/IWrappedEther.sol";
import {Call, IZapExecutor} from "./interfaces/IZapExecutor.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {MintLib} from "./libraries/MintLib.sol";
import {TokenLib} from "./libraries/TokenLib.sol";
import {IUniswapV2Pair} from "./takers/UniswapV2Taker.sol";

/// @title ZapExecutor
/// @notice Holds what was paid to the zap while a route runs. Made by the zap, called by it alone, keeps no state.
contract ZapExecutor is IZapExecutor {
    using SafeERC20 for IERC20;

    /// @dev The registry where an account names who is told of its ERC-777 transfers; the same on every chain.
    address private constant ERC1820 = 0x1820a4B7618BdE71Dce8cdc73aAB6C95905faD24;

    address public immutable zap;
    IWrappedEther private immutable _weth;

    modifier onlyZap() {
        require(msg.sender == zap, Errors.NotZap(msg.sender));
        _;
    }

    constructor(address weth) {
        zap = msg.sender;
        _weth = IWrappedEther(weth);
    }

    /// @dev From wrapped ether and from routers that give change.
    receive() external payable {}

    /// @inheritdoc IZapExecutor
    function wrap() external payable onlyZap {
        _weth.deposit{value: msg.value}();
    }

    /// @inheritdoc IZapExecutor
    function run(Call[] calldata calls, address[2] calldata indexes) external onlyZap {
        for (uint256 i; i < calls.length; ++i) {
            Call calldata call = calls[i];
            _checkTarget(call.target, call.data, indexes);
            if (call.token != address(0)) {
                uint256 amount = call.amount == type(uint256).max ? TokenLib.balance(call.token) : call.amount;
                IERC20(call.token).forceApprove(call.spender, amount);
            }
            (bool ok, bytes memory reason) = call.target.call{value: call.value}(call.data);
            if (!ok) revert Errors.RouteFailed(i, call.target, reason);
            if (call.token != address(0)) IERC20(call.token).forceApprove(call.spender, 0);
        }
    }

    /// @inheritdoc IZapExecutor
    function mint(address index, uint256 shares, uint256 expectedVersion, address receiver) external onlyZap {
        MintLib.mint(index, shares == 0 ? MintLib.mintable(index) : shares, expectedVersion, receiver);
    }

    /// @inheritdoc IZapExecutor
    function redeem(address index, uint256 shares, uint256 expectedVersion) external onlyZap {
        uint256[] memory minOut = new uint256[](IIndexToken(index).components().length); // the zap bounds the result
        try IIndexToken(index).redeem(shares, expectedVersion, minOut, address(this), address(this), 0) {}
        catch (bytes memory reason) {
            revert Errors.RedeemInKind(index, reason);
        }
    }

    /// @inheritdoc IZapExecutor
    function pay(address token, address to) external onlyZap returns (uint256 amount) {
        if (token != address(0)) {
            amount = TokenLib.balance(token);
            IERC20(token).safeTransfer(to, amount);
        } else {
            _unwrap();
            amount = address(this).balance;
            (bool ok,) = to.call{value: amount}("");
            require(ok, Errors.EtherRefused(to));
        }
    }

    /// @inheritdoc IZapExecutor
    function sweep(address[] calldata tokens, address to, bool unwrap) external onlyZap {
        if (unwrap) _unwrap();
        for (uint256 i; i < tokens.length; ++i) {
            uint256 amount = TokenLib.balance(tokens[i]);
            if (amount != 0) IERC20(tokens[i]).safeTransfer(to, amount);
        }
        uint256 left = address(this).balance;
        if (left == 0) return;
        bool taken;
        if (unwrap) (taken,) = to.call{value: left}("");
        if (!taken) {
            _weth.deposit{value: left}();
            IERC20(_weth).safeTransfer(to, left);
        }
    }

    function _unwrap() private {
        uint256 amount = TokenLib.balance(address(_weth));
        if (amount != 0) _weth.withdraw(amount);
    }

    /// @dev What a route may call; see IZapExecutor. A token that needs more than BALANCE_GAS to answer would pass, but so
    /// much gas for a balance no token needs.
    function _checkTarget(address target, bytes calldata data, address[2] calldata indexes) private view {
        bytes4 selector = bytes4(data);
        bool refused = target == zap || target == address(this) || target == indexes[0] || target == indexes[1]
            || target == Constants.PERMIT2 || target == ERC1820 || target.code.length == 0;
        if (!refused) {
            (bool isToken,) = TokenLib.tryBalanceOf(target, address(this), Constants.BALANCE_GAS);
            refused = isToken && !_isHarmless(selector, data);
        }
        if (refused) revert Errors.TargetRefused(target, selector);
    }

    /// @dev Functions of tokens that leave nobody a power over the executor.
    function _isHarmless(bytes4 selector, bytes calldata data) private pure returns (bool) {
        if (selector == IIndexToken.redeem.selector) {
            return data.length >= 196 && uint256(bytes32(data[164:196])) == 0; // deferMask: claims would stay here
        }
        return selector == IERC20.transfer.selector || selector == IWrappedEther.deposit.selector
            || selector == IWrappedEther.withdraw.selector || selector == IUniswapV2Pair.swap.selector
            || selector == IIndexToken.mint.selector || selector == IERC4626.deposit.selector
            || selector == IERC4626.mint.selector || selector == IERC4626.withdraw.selector
            || selector == IERC4626.redeem.selector;
    }
}
