// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ZapExecutor} from "./ZapExecutor.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IIndexZap} from "./interfaces/IIndexZap.sol";
import {IPermit2} from "./interfaces/IPermit2.sol";
import {Call, IZapExecutor} from "./interfaces/IZapExecutor.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";

/// @title IndexZap
/// @notice Takes allowances and touches nobody's but the caller's; what is paid goes straight to the executor.
/// @dev Holds no tokens, no ether, no state and no role. Every call it makes on a token names the caller as owner; every
/// other call goes to the executor, which has the tokens and no allowances. An index may be anybody's: a false one can
/// only disappoint the caller who named it.
contract IndexZap is IIndexZap, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    address public immutable executor;
    address public immutable weth;

    constructor(address weth_) {
        require(weth_ != address(0), Errors.ZeroAddress());
        weth = weth_;
        executor = address(new ZapExecutor(weth_));
    }

    /// @inheritdoc IIndexZap
    function mint(Payment calldata payment, MintOrder calldata order, Route calldata route)
        external
        payable
        nonReentrant
        returns (uint256 shares)
    {
        _check(route.deadline, order.receiver);
        _checkVersion(order.index, order.expectedVersion);

        _pull(payment);
        _run(route.calls, order.index, address(0));
        shares = _mint(order);
        _sweep(_list(payment.token, route, order.index, address(0)), payment.token == address(0));

        emit ZapMint(msg.sender, order.index, order.receiver, payment.token, payment.amount, shares);
    }

    /// @inheritdoc IIndexZap
    function redeem(Payment calldata payment, RedeemOrder calldata order, Route calldata route)
        external
        nonReentrant
        returns (uint256 amount)
    {
        address index = payment.token;
        _check(route.deadline, order.receiver);
        _checkVersion(index, order.expectedVersion);

        _pull(payment);
        IZapExecutor(executor).redeem(index, payment.amount, order.expectedVersion);
        _run(route.calls, index, address(0));
        amount = _pay(order);
        _sweep(_list(index, route, index, address(0)), false);

        emit ZapRedeem(msg.sender, index, order.receiver, payment.amount, order.token, amount);
    }

    /// @inheritdoc IIndexZap
    function migrate(
        Payment calldata payment,
        uint256 expectedVersion,
        MintOrder calldata order,
        Route calldata route
    ) external nonReentrant returns (uint256 shares) {
        address from = payment.token;
        _check(route.deadline, order.receiver);
        _checkVersion(from, expectedVersion);
        _checkVersion(order.index, order.expectedVersion);

        _pull(payment);
        IZapExecutor(executor).redeem(from, payment.amount, expectedVersion);
        _run(route.calls, from, order.index);
        shares = _mint(order);
        _sweep(_list(from, route, from, order.index), false);

        emit ZapMigrate(msg.sender, from, order.index, order.receiver, payment.amount, shares);
    }

    /* GUARDS */

    function _check(uint256 deadline, address receiver) private view {
        require(block.timestamp <= deadline, Errors.DeadlinePassed(deadline));
        require(
            receiver != address(0) && receiver != address(this) && receiver != executor, Errors.ReceiverInvalid(receiver)
        );
    }

    /// @dev Before the route is run, so that a changed basket is named and not the swap that fails because of it.
    function _checkVersion(address index, uint256 expectedVersion) private view {
        uint256 version = IIndexToken(index).version();
        require(version == expectedVersion, Errors.BasketChanged(version, expectedVersion));
    }

    /* IN */

    /// @dev Moves what the caller pays to the executor and checks that it arrived.
    function _pull(Payment calldata payment) private {
        if (payment.token == address(0)) {
            require(msg.value == payment.amount, Errors.EtherMismatch(msg.value, payment.amount));
            IZapExecutor(executor).wrap{value: msg.value}();
            return;
        }
        require(msg.value == 0, Errors.EtherMismatch(msg.value, 0));
        IERC20 token = IERC20(payment.token);
        uint256 before = token.balanceOf(executor);
        if (payment.means == Means.Permit2) {
            IPermit2(Constants.PERMIT2)
                .permitTransferFrom(
                    IPermit2.PermitTransferFrom({
                        permitted: IPermit2.TokenPermissions(payment.token, payment.amount),
                        nonce: payment.nonce,
                        deadline: payment.deadline
                    }),
                    IPermit2.SignatureTransferDetails(executor, payment.amount),
                    msg.sender,
                    payment.signature
                );
        } else {
            if (payment.means == Means.Permit) _permit(payment);
            token.safeTransferFrom(msg.sender, executor, payment.amount);
        }
        uint256 received = token.balanceOf(executor) - before;
        require(received >= payment.amount, Errors.ShortDelivery(payment.token, received, payment.amount));
    }

    /// @dev A permit is public once it is sent: somebody may have used it first. Then the allowance is there already.
    function _permit(Payment calldata payment) private {
        require(payment.signature.length == 65, Errors.SignatureInvalid(payment.signature.length));
        (bytes32 r, bytes32 s) = abi.decode(payment.signature[:64], (bytes32, bytes32));
        uint8 v = uint8(payment.signature[64]);
        try IERC20Permit(payment.token)
            .permit(msg.sender, address(this), payment.amount, payment.deadline, v, r, s) {}
        catch (bytes memory reason) {
            if (IERC20(payment.token).allowance(msg.sender, address(this)) < payment.amount) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
        }
    }

    /* EXECUTOR */

    function _run(Call[] calldata calls, address index, address other) private {
        IZapExecutor(executor).run(calls, [index, other]);
    }

    function _mint(MintOrder calldata order) private returns (uint256 shares) {
        uint256 before = IERC20(order.index).balanceOf(order.receiver);
        IZapExecutor(executor).mint(order.index, order.shares, order.expectedVersion, order.receiver);
        shares = IERC20(order.index).balanceOf(order.receiver) - before;
        require(shares >= order.minShares, Errors.MintedTooFew(shares, order.minShares));
    }

    function _pay(RedeemOrder calldata order) private returns (uint256 amount) {
        if (order.token == address(0)) {
            amount = IZapExecutor(executor).pay(address(0), order.receiver);
        } else {
            uint256 before = IERC20(order.token).balanceOf(order.receiver);
            IZapExecutor(executor).pay(order.token, order.receiver);
            amount = IERC20(order.token).balanceOf(order.receiver) - before;
        }
        require(amount >= order.minOut, Errors.AmountOutTooLow(order.token, amount, order.minOut));
    }

    function _sweep(address[] memory tokens, bool unwrap) private {
        IZapExecutor(executor).sweep(tokens, msg.sender, unwrap);
    }

    /// @dev What may be left: wrapped ether, what was paid, what the route sells, the shares and the components of both
    /// indexes, and what the caller names.
    function _list(address paid, Route calldata route, address index, address other)
        private
        view
        returns (address[] memory tokens)
    {
        address[] memory first = IIndexToken(index).components();
        address[] memory second = other == address(0) ? new address[](0) : IIndexToken(other).components();
        tokens = new address[](4 + route.tokens.length + route.calls.length + first.length + second.length);
        (tokens[0], tokens[1], tokens[2]) = (weth, index, paid == address(0) ? weth : paid);
        uint256 count = 3;
        if (other != address(0)) tokens[count++] = other;
        for (uint256 i; i < route.calls.length; ++i) {
            address token = route.calls[i].token;
            if (token != address(0) && token != paid && token != tokens[count - 1]) tokens[count++] = token;
        }
        for (uint256 i; i < route.tokens.length; ++i) {
            tokens[count++] = route.tokens[i];
        }
        for (uint256 i; i < first.length; ++i) {
            tokens[count++] = first[i];
        }
        for (uint256 i; i < second.length; ++i) {
            tokens[count++] = second[i];
        }
        assembly ("memory-safe") {
            mstore(tokens, count) // shorten to what was written
        }
    }
}
