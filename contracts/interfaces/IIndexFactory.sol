// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IExchangeGuard} from "./IExchangeGuard.sol";
import {IIndexToken} from "./IIndexToken.sol";
import {IRebalancer} from "./IRebalancer.sol";

/// @title IIndexFactory
/// @notice Deploys an index, wires it, pays its seed in and registers it, in one transaction or not at all.
interface IIndexFactory {
    /// @param index terms and wiring
    /// @param seedAmounts {tok} of each component, taken from the caller, who has approved the factory
    /// @param seedShares {share} minted for the seed; LOCKED_SHARES of them to nobody
    /// @param receiver of the other seed shares
    /// @param policy of the rebalancer
    /// @param limits of the guard
    /// @param allowed tokens that may enter the basket
    /// @param salt of the caller's choice; with the caller it fixes the address
    struct CreateParams {
        IIndexToken.IndexParams index;
        uint256[] seedAmounts;
        uint256 seedShares;
        address receiver;
        IRebalancer.Policy policy;
        IExchangeGuard.Limits limits;
        address[] allowed;
        bytes32 salt;
    }

    event Create(address indexed index, address indexed creator, string symbol);

    /// @notice Whether an index was made here.
    function isIndex(address index) external view returns (bool);

    /// @notice keccak256 of the creation code of every index made here.
    function creationCodeHash() external view returns (bytes32);

    /// @notice Makes an index. Errors: those of the constructor, ShortDelivery, ValueOutOfBounds, AddressTaken.
    function create(CreateParams calldata params) external returns (address index);

    /// @notice Address that `create` with these arguments would give the caller `creator`.
    function predict(address creator, bytes32 salt, IIndexToken.IndexParams calldata params)
        external
        view
        returns (address);
}
