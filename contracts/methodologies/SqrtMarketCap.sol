// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {Errors} from "../libraries/Errors.sol";
import {WeightMath} from "../libraries/WeightMath.sol";

/// @title SqrtMarketCap
/// @notice Weights in proportion to the square root of market capitalisation.
contract SqrtMarketCap is IMethodology {
    string public constant rule = "SqrtMarketCap";

    /// @inheritdoc IMethodology
    function compute(Request calldata request, bytes calldata inputs) external pure returns (uint256[] memory) {
        uint256[] memory raw = abi.decode(inputs, (uint256[]));
        uint256 n = request.tokens.length;
        require(raw.length == n, Errors.LengthMismatch(raw.length, n));
        for (uint256 i; i < raw.length; ++i) {
            raw[i] = WeightMath.sqrtRaw(raw[i]);
        }
        return WeightMath.limit(raw, request.minWeight, request.maxWeight);
    }
}
