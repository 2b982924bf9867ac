// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {Errors} from "../libraries/Errors.sol";
import {WeightMath} from "../libraries/WeightMath.sol";

/// @title EqualWeight
/// @notice The same weight for every token.
contract EqualWeight is IMethodology {
    string public constant rule = "EqualWeight";

    /// @inheritdoc IMethodology
    function compute(Request calldata request, bytes calldata inputs) external pure returns (uint256[] memory) {
        require(inputs.length == 0, Errors.LengthMismatch(inputs.length, 0));
        uint256[] memory raw = new uint256[](request.tokens.length);
        for (uint256 i; i < raw.length; ++i) {
            raw[i] = 1;
        }
        return WeightMath.limit(raw, request.minWeight, request.maxWeight);
    }
}
