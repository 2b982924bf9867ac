// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice One call of a route.
/// @param target to call
/// @param value {wei} to send along
/// @param token that the call may pull from the executor; zero for none
/// @param spender that pulls it, mostly the target
/// @param amount {tok} it may pull, the maximum for all there is; the allowance is zero again after the call
/// @param data calldata
struct Call {
    address target;
    uint256 value;
    address token;
    address spender;
    uint256 amount;
    bytes data;
}

/// @title IZapExecutor
/// @notice The hands of the zap: holds what was paid while a route runs, and no longer. Only the zap calls it.
/// @dev Any call may be made from here, so what matters is that no call can give anybody a power over what comes later. A
/// target that answers `balanceOf` is a token, and only functions that move or change what the executor holds now may be
/// called on it: transfer, a pair's swap, deposits and withdrawals of wrapped ether and vaults, mint and redeem of indexes.
/// Approvals go through `Call.token`. Refused as targets: the zap, the executor, the index that is minted or redeemed,
/// Permit2 and the ERC-1820 registry, where a call would outlive the route.
interface IZapExecutor {
    function zap() external view returns (address);

    /// @notice Wraps the ether sent along.
    function wrap() external payable;

    /// @notice Makes the calls of a route. Reverts with TargetRefused, or with RouteFailed and the reason of a failing call.
    /// @param indexes refused as targets
    function run(Call[] calldata calls, address[2] calldata indexes) external;

    /// @notice Mints `shares` {share}, zero for as many as the balances allow, to `receiver`. Leaves no allowance.
    function mint(address index, uint256 shares, uint256 expectedVersion, address receiver) external;

    /// @notice Redeems shares held here. Reverts with RedeemInKind if a component cannot be paid.
    function redeem(address index, uint256 shares, uint256 expectedVersion) external;

    /// @notice Sends all of `token` to `to`; zero for ether, unwrapped.
    function pay(address token, address to) external returns (uint256 amount);

    /// @notice Sends all that is left of `tokens` and ether to `to`.
    /// @param unwrap whether wrapped ether is sent as ether; an account that does not take it gets it wrapped
    function sweep(address[] calldata tokens, address to, bool unwrap) external;
}
