// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice One side of an exchange: an amount {tok} of a token.
struct Leg {
    address token;
    uint256 amount;
}

/// @title ITaker
/// @notice Whoever takes what an index sells and delivers what it buys.
interface ITaker {
    /// @notice Called by the index after `outs` were sent to the payee; must see to it that `ins` arrive at the caller.
    /// @dev The index measures what arrived and reverts if it is less than `ins`; a taker needs no trust.
    /// @param outs what was sent, {tok}
    /// @param ins the least that must arrive at `msg.sender`, {tok}
    /// @param data route of the taker's own making
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external;
}
