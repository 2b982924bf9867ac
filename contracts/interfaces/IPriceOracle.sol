// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IPriceOracle
/// @notice Token to price, or the reason why not.
interface IPriceOracle {
    event SetFeed(address indexed token, address indexed feed);

    /// @notice Feed of a token, zero if none.
    function feedOf(address token) external view returns (address);

    /// @notice D27{nUSD/tok}: nano-USD for one base unit. Reverts with PriceMissing, PriceBad or the reason of the feed.
    function price(address token) external view returns (uint256);

    /// @notice The same, zero where `price` would revert.
    /// @dev A feed gets at most `PRICE_GAS` and its answer is read as one word, so that one feed gone bad does not take
    /// the valuation of the others with it. A caller cannot make a good price fail by giving little gas: reverts with
    /// `GasTooLow` where the feed may have been starved.
    function tryPrice(address token) external view returns (uint256);

    /// @notice Sets or, with zero, removes the feed of a token. Governor only.
    function setFeed(address token, address feed) external;
}
