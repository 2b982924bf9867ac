// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {IPriceRecorder} from "../interfaces/IPriceRecorder.sol";
import {Errors} from "../libraries/Errors.sol";
import {WeightMath} from "../libraries/WeightMath.sol";

/// @title RecordedVolatility
/// @notice Weights in inverse proportion to the volatility that the price recorder knows: decided entirely on chain.
/// @dev The proposer chooses only whether the window ends today or yesterday, because today's prices may not be recorded yet.
contract RecordedVolatility is IMethodology {
    string public constant rule = "RecordedVolatility";

    IPriceRecorder public immutable recorder;
    uint256 public immutable span; // {day}

    constructor(IPriceRecorder recorder_, uint256 span_) {
        require(address(recorder_) != address(0), Errors.ZeroAddress());
        require(span_ > 1 && span_ < 128, Errors.ValueOutOfBounds("span", span_, 2, 127));
        recorder = recorder_;
        span = span_;
    }

    /// @inheritdoc IMethodology
    function compute(Request calldata request, bytes calldata inputs) external view returns (uint256[] memory) {
        uint256 lastDay = abi.decode(inputs, (uint256));
        uint256 today = block.timestamp / 1 days;
        require(lastDay + 1 >= today && lastDay <= today, Errors.ValueOutOfBounds("lastDay", lastDay, today - 1, today));

        uint256[] memory raw = volatilitiesOf(request.tokens, lastDay);
        for (uint256 i; i < raw.length; ++i) {
            raw[i] = WeightMath.inverseRaw(raw[i]);
        }
        return WeightMath.limit(raw, request.minWeight, request.maxWeight);
    }

    /// @notice D18{1/√year} of each token: as inputs of InverseVolatility they give the same weights, on any day.
    function volatilitiesOf(address[] calldata tokens, uint256 lastDay)
        public
        view
        returns (uint256[] memory volatilities)
    {
        volatilities = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            volatilities[i] = recorder.volatilityOf(tokens[i], lastDay, span);
        }
    }
}
