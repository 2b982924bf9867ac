// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {WeightMath} from "../libraries/WeightMath.sol";

/// @title DampedStep
/// @notice Goes part of the way from the last executed weights to what another rule wants: w = w_prev + step·(target − w_prev).
/// @dev A token that leaves does so at once; the others share what it weighed in proportion. With all tokens staying the
/// weights are the formula's, rounded down, the remainder to the largest.
contract DampedStep is IMethodology {
    string public constant rule = "DampedStep";

    IMethodology public immutable inner;
    uint256 public immutable step; // D18{1}

    constructor(IMethodology inner_, uint256 step_) {
        require(address(inner_) != address(0), Errors.ZeroAddress());
        require(
            step_ != 0 && step_ <= Constants.WAD, Errors.ValueOutOfBounds("step", step_, 1, Constants.WAD)
        );
        inner = inner_;
        step = step_;
    }

    /// @inheritdoc IMethodology
    function compute(Request calldata request, bytes calldata inputs) external view returns (uint256[] memory) {
        uint256[] memory target = inner.compute(request, inputs);
        uint256 n = request.tokens.length;
        require(target.length == n && request.previous.length == n, Errors.LengthMismatch(target.length, n));
        uint256[] memory raw = WeightMath.damped(request.previous, target, step);
        return WeightMath.limit(raw, request.minWeight, request.maxWeight);
    }
}
