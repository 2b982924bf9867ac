// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IExchangeGuard} from "./IExchangeGuard.sol";
import {IRebalancer} from "./IRebalancer.sol";
import {Leg} from "./ITaker.sol";

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

    /// @param tokens components in order, then additions
    /// @param prices D27{nUSD/tok}, zero if there is none
    /// @param units D27{tok/share} that `startPlan` would fix
    /// @param surpluses {tok} that would be sold
    /// @param deficits {tok} that would be bought
    /// @param navPerShare D27{nUSD/share} that the units would be derived from
    /// @param turnover D18{1} one-way: the value of the surpluses as a fraction of NAV
    struct Simulation {
        address[] tokens;
        uint256[] prices;
        uint256[] units;
        uint256[] surpluses;
        uint256[] deficits;
        uint256 navPerShare;
        uint256 turnover;
    }

    /// @notice The whole state of an index at one block. Reverts while a mutating call of the index is on the stack.
    function stateOf(address index) external view returns (IndexState memory);

    /// @notice {nUSD} and D27{nUSD/share} of what has a price, rounded down, and how many components have none.
    /// Reverts while a mutating call of the index is on the stack.
    function navOf(address index) external view returns (uint256 nav, uint256 navPerShare, uint256 unpriced);

    /// @notice D27{nUSD/tok} of each token, zero where there is none.
    function pricesOf(address oracle, address[] calldata tokens) external view returns (uint256[] memory);

    /* DRY RUN */

    /// @notice What the live plan still has to sell and to buy, {tok}; nothing if there is no live plan.
    /// Reverts while a mutating call of the index is on the stack.
    function legs(address index) external view returns (Leg[] memory surpluses, Leg[] memory deficits);

    /// @notice What a plan to these weights would set out to do if it started now.
    /// @dev The same arithmetic as `IRebalancer.startPlan`, without its permissions and bounds: to know whether it would be
    /// accepted, call it without sending it. Errors: LengthMismatch, WeightsSumInvalid, PriceMissing, ValuationZero, IndexLocked.
    /// @param weights D18{1} of components and additions
    function simulate(address index, address[] calldata additions, uint256[] calldata weights)
        external
        view
        returns (Simulation memory);

    /* THE VIEWS OF ERC-7621, with the index as their first argument. Weights are in basis points there. */

    /// @notice Components and their target weights in basis points, which sum to 10000.
    /// @dev The target is what the units of the last plan are worth at today's prices; before the first plan, what is held.
    /// Rounded by largest remainder, the lowest component first among equals. Errors: ValuationZero, IndexLocked.
    function getConstituents(address index) external view returns (address[] memory tokens, uint256[] memory weights);

    function totalConstituents(address index) external view returns (uint256 count);

    /// @notice {tok} that back the shares: balance less claims; zero for a token that is no component.
    function getReserve(address index, address token) external view returns (uint256 balance);

    /// @notice {bps} Errors: ComponentUnknown, and those of `getConstituents`.
    function getWeight(address index, address token) external view returns (uint256 weight);

    function isConstituent(address index, address token) external view returns (bool);

    /// @notice {nUSD} of everything that has a price, rounded down.
    function totalBasketValue(address index) external view returns (uint256 value);

    /// @notice {share} that a minter receives who gives at most these amounts, after the mint fee, rounded down.
    /// @dev Minting those shares takes at most `amounts`: a mint asks for shares, so this is its inverse.
    function previewContribute(address index, uint256[] calldata amounts) external view returns (uint256 shares);

    /// @notice {tok} that a redemption of `shares` pays now, rounded down.
    function previewWithdraw(address index, uint256 shares) external view returns (uint256[] memory amounts);
}
