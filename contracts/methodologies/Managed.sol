// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title Managed
/// @notice The weights are the inputs: what DampedStep takes steps towards where an off-chain rule decides.
/// @dev An index without a methodology is managed as well; this contract says so where a methodology is asked for.
contract Managed is IMethodology {
    string public constant rule = "Managed";

    /// @inheritdoc IMethodology
    function compute(Request calldata request, bytes calldata inputs)
        external
        pure
        returns (uint256[] memory weights)
    {
        weights = abi.decode(inputs, (uint256[]));
        uint256 n = request.tokens.length;
        require(weights.length == n, Errors.LengthMismatch(weights.length, n));
    }
}
