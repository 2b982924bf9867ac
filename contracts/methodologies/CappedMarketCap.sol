// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {Errors} from "../libraries/Errors.sol";
import {WeightMath} from "../libraries/WeightMath.sol";

/// @title CappedMarketCap
/// @notice Weights in proportion to market capitalisation.
contract CappedMarketCap is IMethodology {
    string public constant rule = "CappedMarketCap";

    /// @inheritdoc IMethodology
    function compute(Request calldata request, bytes calldata inputs) external pure returns (uint256[] memory) {
        uint256[] memory raw = abi.decode(inputs, (uint256[]));
        uint256 n = request.tokens.length;
        require(raw.length == n, Errors.LengthMismatch(raw.length, n));
        return WeightMath.limit(raw, request.minWeight, request.maxWeight);
    }
}
