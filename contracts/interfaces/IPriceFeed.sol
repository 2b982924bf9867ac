// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IPriceFeed
/// @notice The price of one token from one source.
interface IPriceFeed {
    /// @notice Token this feed prices.
    function token() external view returns (address);

    /// @notice D27{nUSD/tok}: nano-USD for one base unit of the token. Reverts with the reason if there is no usable price.
    function price() external view returns (uint256);
}
