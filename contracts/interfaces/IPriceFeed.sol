// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IPriceFeed
/// @notice The price of one token from one source.
/// @dev Feeds have no owner and no settings that change: a governor who wants other ones sets another feed in the oracle.
interface IPriceFeed {
    /// @notice Token this feed prices.
    function token() external view returns (address);

    /// @notice D27{nUSD/tok}: nano-USD for one base unit of the token. Reverts with the reason if there is no price that the
    /// feed believes; never returns zero.
    /// @dev Every feed: `PriceBad`. Chainlink: `PriceStale`, `PriceClamped`, `DecimalsChanged`. Uniswap V3:
    /// `HistoryTooShort`, `PriceThin`. ERC-4626: `RateOutOfBounds`. Index NAV: `IndexLocked`, `PriceMissing`. Anchored:
    /// `OracleDivergence`. Sequencer: `SequencerDown`, `SequencerJustUp`. Those that stand on another feed also hand on
    /// its reason.
    function price() external view returns (uint256);
}
