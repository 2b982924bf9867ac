// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Call} from "./IZapExecutor.sol";

/// @title IIndexZap
/// @notice One token in, shares out; shares in, one token out; shares of one index for shares of another.
/// @dev The zap pulls what the caller pays, and nothing else from nobody else, to its executor. The executor makes the
/// calls of the route, then mints or redeems. Whatever it still holds afterwards goes to the caller. Neither keeps a
/// token between two calls; a token that somebody leaves at the executor goes to whoever names it in the next call.
///
/// Guarantees:
/// - an allowance, permit or Permit2 signature given to the zap moves tokens only in a call of its owner;
/// - a route cannot use it: routes run in the executor, to which nobody gives an allowance;
/// - the executor gives allowances only for one call of a route, and sets them to zero after it;
/// - the caller's limits are measured on balances of the receiver, not on what a route or an index says.
///
/// Warning: nobody should ever approve the executor. What it may spend, any route may spend.
/// Warning: zap-out has no `deferMask`. A claim belongs to the receiver of a redemption, which here is the executor, and
/// would be everybody's. If a component cannot move the call reverts with RedeemInKind: redeem in kind, deferring that leg.
interface IIndexZap {
    /// @notice How the zap may pull what is paid.
    /// Allowance: the caller approved the zap. Permit: EIP-2612 signature of the token, 65 bytes. Permit2: signature for
    /// Permit2's `permitTransferFrom` with the zap as spender.
    enum Means {
        Allowance,
        Permit,
        Permit2
    }

    /// @param token to pay with; zero for native ether, which must come with the call
    /// @param amount {tok}
    /// @param means how it is pulled
    /// @param nonce Permit2 only
    /// @param deadline {s} of the signature
    /// @param signature empty for an allowance
    struct Payment {
        address token;
        uint256 amount;
        Means means;
        uint256 nonce;
        uint256 deadline;
        bytes signature;
    }

    /// @param calls made by the executor, in order; all must succeed
    /// @param tokens that may be left over besides what is paid, what calls sell, the components and ether; what is not
    /// named stays at the executor, for whoever names it first
    /// @param deadline {s} after which the whole call reverts
    struct Route {
        Call[] calls;
        address[] tokens;
        uint256 deadline;
    }

    /// @param index to mint
    /// @param expectedVersion of its component list
    /// @param shares {share} to mint, before the mint fee; zero: as many as the components bought suffice for
    /// @param minShares {share} the receiver must get, after the mint fee
    /// @param receiver of the shares
    struct MintOrder {
        address index;
        uint256 expectedVersion;
        uint256 shares;
        uint256 minShares;
        address receiver;
    }

    /// @param expectedVersion of the component list of the index that is redeemed
    /// @param token to get; zero for native ether
    /// @param minOut {tok} the receiver must get
    /// @param receiver of the token
    struct RedeemOrder {
        uint256 expectedVersion;
        address token;
        uint256 minOut;
        address receiver;
    }

    event ZapMint(
        address indexed caller,
        address indexed index,
        address indexed receiver,
        address token,
        uint256 amount,
        uint256 shares
    );
    event ZapRedeem(
        address indexed caller,
        address indexed index,
        address indexed receiver,
        uint256 shares,
        address token,
        uint256 amount
    );
    event ZapMigrate(
        address indexed caller,
        address indexed from,
        address indexed to,
        address receiver,
        uint256 sharesIn,
        uint256 sharesOut
    );

    /// @notice Makes the calls of routes.
    function executor() external view returns (address);

    /// @notice Ether as a token: native ether is wrapped on its way in and unwrapped on its way out.
    function weth() external view returns (address);

    /// @notice Pays `payment`, runs the route, and mints with the components it bought.
    /// @dev With `order.shares` zero the payment is spent and the shares are as many as possible: the least of
    /// `⌊held·supply/reserve⌋` over the components. Otherwise exactly `order.shares` are minted and the rest of the payment
    /// returns. What is left of payment, components, tokens of the route and ether goes to the caller; ether as ether if he paid
    /// with ether and takes it, else wrapped.
    /// Errors: DeadlinePassed, BasketChanged, ReceiverInvalid, EtherMismatch, ShortDelivery, TargetRefused, RouteFailed,
    /// AmountInTooHigh, MintedTooFew, those of the index.
    /// @return shares {share} that the receiver got
    function mint(Payment calldata payment, MintOrder calldata order, Route calldata route)
        external
        payable
        returns (uint256 shares);

    /// @notice Redeems the shares in `payment`, runs the route, and pays what it has of `order.token`.
    /// @dev Errors: as `mint`, RedeemInKind, AmountOutTooLow, EtherRefused.
    /// @return amount {tok} that the receiver got
    function redeem(Payment calldata payment, RedeemOrder calldata order, Route calldata route)
        external
        returns (uint256 amount);

    /// @notice Redeems the shares in `payment`, runs the route, and mints another index.
    /// @dev Errors: as `mint` and `redeem`.
    /// @param expectedVersion of the component list of the index that is redeemed
    /// @return shares {share} that the receiver got
    function migrate(
        Payment calldata payment,
        uint256 expectedVersion,
        MintOrder calldata order,
        Route calldata route
    ) external returns (uint256 shares);
}
