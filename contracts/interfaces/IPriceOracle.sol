// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IPriceOracle
/// @notice Token to price, or the reason why not.
interface IPriceOracle {
    event SetFeed(address indexed token, address indexed feed);

    /// @notice Feed of a token, zero if none.
    function feedOf(address token) external view returns (address);

    /// @notice D27{nUSD/tok}: nano-USD for one base unit. Reverts with PriceMissing, PriceStale or PriceBad.
    function price(address token) external view returns (uint256);

    /// @notice The same, zero where `price` would revert.
    function tryPrice(address token) external view returns (uint256);

    /// @notice Sets or, with zero, removes the feed of a token. Governor only.
    function setFeed(address token, address feed) external;
}
