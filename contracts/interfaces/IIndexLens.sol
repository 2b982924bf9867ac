// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IExchangeGuard} from "./IExchangeGuard.sol";
import {IRebalancer} from "./IRebalancer.sol";

/// @title IIndexLens
/// @notice Everything a screen, an indexer or a keeper needs to know of an index, in one call.
interface IIndexLens {
    /// @param token address
    /// @param symbol empty if the token does not tell
    /// @param decimals {1} 255 if the token does not tell
    /// @param available {tok} after claims
    /// @param claimsOwed {tok}
    /// @param price D27{nUSD/tok}, zero if there is none
    /// @param value {nUSD} of what is available, rounded down
    /// @param unit D27{tok/share} target of the live plan
    /// @param planned whether the token has a target in the live plan
    /// @param surplus {tok} that may be sold now
    /// @param deficit {tok} that may be bought now
    struct ComponentState {
        address token;
        string symbol;
        uint8 decimals;
        uint256 available;
        uint256 claimsOwed;
        uint256 price;
        uint256 value;
        uint256 unit;
        bool planned;
        uint256 surplus;
        uint256 deficit;
    }

    /// @param nav {nUSD} of everything that has a price, rounded down
    /// @param navPerShare D27{nUSD/share}, rounded down
    /// @param supply {share} effective
    /// @param pendingFeeShares {share}
    struct IndexState {
        address index;
        string name;
        string symbol;
        uint256 blockNumber;
        uint256 timestamp;
        uint256 version;
        uint256 supply;
        uint256 pendingFeeShares;
        uint256 supplyCap;
        uint256 streamingFee;
        uint256 mintFee;
        uint256 redeemFee;
        address feeRecipient;
        address authority;
        address rebalancer;
        address guard;
        uint256 mintPausedUntil;
        uint256 exchangePausedUntil;
        bool deprecated;
        uint256 nav;
        uint256 navPerShare;
        IRebalancer.Policy policy;
        IRebalancer.Plan plan;
        IExchangeGuard.Limits limits;
        uint256 lossUsed;
        uint256 turnoverUsed;
        ComponentState[] components;
    }

    /// @notice The whole state of an index at one block. Reverts while a mutating call of the index is on the stack.
    function stateOf(address index) external view returns (IndexState memory);

    /// @notice {nUSD} and D27{nUSD/share} of what has a price, rounded down, and how many components have none.
    /// Reverts while a mutating call of the index is on the stack.
    function navOf(address index) external view returns (uint256 nav, uint256 navPerShare, uint256 unpriced);

    /// @notice D27{nUSD/tok} of each token, zero where there is none.
    function pricesOf(address oracle, address[] calldata tokens) external view returns (uint256[] memory);
}
