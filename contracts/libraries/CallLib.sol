// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title CallLib
/// @notice Asks contracts that may not know the question, may answer with anything, or may burn what they are given.
library CallLib {
    /// @notice One word from a view without arguments, spending at most `gasLimit`; zero if not `ok`.
    /// @dev Copies one word whatever is returned, so a huge answer costs the caller nothing. An address without code
    /// returns no word and is not `ok`.
    function tryWord(address target, bytes4 selector, uint256 gasLimit) internal view returns (bool ok, uint256 word) {
        assembly ("memory-safe") {
            mstore(0x00, selector)
            ok := staticcall(gasLimit, target, 0x00, 0x04, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            word := mul(mload(0x00), ok)
        }
    }
}
