// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IWeightSource
/// @notice Says which weights of an index were decided, so that a plan can only go there.
interface IWeightSource {
    /// @notice D18 weights of the tokens in the executed epoch, zero for a token that is not in it. The weights of all its
    /// tokens sum to exactly 1e18.
    /// @dev Reverts with NotRegistered when no weights of the index were ever executed.
    function weightsOf(address index, address[] calldata tokens) external view returns (uint256[] memory weights);
}
