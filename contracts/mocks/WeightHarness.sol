// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMethodology} from "../interfaces/IMethodology.sol";
import {Constants} from "../libraries/Constants.sol";
import {WeightMath} from "../libraries/WeightMath.sol";

/// @title WeightHarness
/// @notice Asks a methodology thousands of questions in one `eth_call`. Only for tests.
contract WeightHarness {
    /// @param withInputs whether the inputs are an array of `n` words; otherwise they are empty
    /// @param words rows of n, min, max, n previous weights, n inputs
    /// @return out rows of one (1 or 0: it reverted) and n weights
    function computeMany(IMethodology methodology, bool withInputs, uint256[] calldata words)
        external
        view
        returns (uint256[] memory out)
    {
        out = new uint256[](words.length);
        uint256 at;
        uint256 to;
        while (at < words.length) {
            uint256 free = _freeMemory();
            uint256 n = words[at];
            (bool ok, uint256[] memory weights) = _compute(methodology, withInputs, words[at:at + 3 + 2 * n]);
            out[to] = ok ? 1 : 0;
            for (uint256 i; i < weights.length; ++i) {
                out[to + 1 + i] = weights[i];
            }
            at += 3 + 2 * n;
            to += 1 + n;
            _setFreeMemory(free); // a row leaves nothing behind
        }
    }

    function _compute(IMethodology methodology, bool withInputs, uint256[] calldata row)
        private
        view
        returns (bool, uint256[] memory)
    {
        uint256 n = row[0];
        address[] memory tokens = new address[](n);
        for (uint256 i; i < n; ++i) {
            tokens[i] = address(uint160(i + 1));
        }
        uint256[] memory previous = row[3:3 + n];
        uint256[] memory values = row[3 + n:];
        bytes memory inputs = withInputs ? abi.encode(values) : bytes("");
        try methodology.compute(IMethodology.Request(tokens, previous, row[1], row[2]), inputs) returns (
            uint256[] memory weights
        ) {
            return (true, weights);
        } catch {
            return (false, new uint256[](0));
        }
    }

    /// @param words rows of `count` prices, zeros being gaps
    /// @return out rows of volatility, returns found, average, prices found; a volatility that reverts is 2^256 − 1
    function recordsMany(uint256 count, uint256[] calldata words) external view returns (uint256[] memory out) {
        uint256 rows = words.length / count;
        out = new uint256[](rows * 4);
        for (uint256 row; row < rows; ++row) {
            uint256 free = _freeMemory();
            uint256[] memory prices = words[row * count:(row + 1) * count];
            try this.volatility(prices) returns (uint256 volatility_, uint256 found) {
                (out[row * 4], out[row * 4 + 1]) = (volatility_, found);
            } catch {
                out[row * 4] = type(uint256).max;
            }
            (out[row * 4 + 2], out[row * 4 + 3]) = WeightMath.average(prices);
            _setFreeMemory(free);
        }
    }

    function volatility(uint256[] calldata prices) external pure returns (uint256, uint256) {
        return WeightMath.volatility(prices);
    }

    function constants() external pure returns (uint256[] memory values) {
        values = new uint256[](7);
        values[0] = Constants.MIN_WEIGHT_DELAY;
        values[1] = Constants.MAX_WEIGHT_DELAY;
        values[2] = Constants.MAX_WEIGHT_INTERVAL;
        values[3] = Constants.MAX_WEIGHT_CHANGE;
        values[4] = Constants.RECORD_WINDOW;
        values[5] = Constants.RECORD_SLOTS;
        values[6] = WeightMath.MAX_RAW;
    }

    function _freeMemory() private pure returns (uint256 free) {
        assembly ("memory-safe") {
            free := mload(0x40)
        }
    }

    function _setFreeMemory(uint256 free) private pure {
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }
}
