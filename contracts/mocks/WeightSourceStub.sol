// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IWeightSource} from "../interfaces/IWeightSource.sol";

/// @title WeightSourceStub
/// @notice Weights that anyone may set.
contract WeightSourceStub is IWeightSource {
    mapping(address index => mapping(address token => uint256)) private _weights;

    function set(address index, address[] calldata tokens, uint256[] calldata weights) external {
        for (uint256 i; i < tokens.length; ++i) {
            _weights[index][tokens[i]] = weights[i];
        }
    }

    function weightsOf(address index, address[] calldata tokens) external view returns (uint256[] memory weights) {
        weights = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            weights[i] = _weights[index][tokens[i]];
        }
    }
}
