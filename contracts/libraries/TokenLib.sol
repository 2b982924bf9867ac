// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Errors} from "./Errors.sol";

/// @title TokenLib
/// @notice Reads balances of tokens that may be hostile.
library TokenLib {
    /// @notice Balance of this contract in `token`; reverts if the token does not answer.
    function balance(address token) internal view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, 0x70a08231) // balanceOf(address)
            mstore(0x20, address())
            ok := staticcall(gas(), token, 0x1c, 0x24, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            amount := mload(0x00)
        }
        if (!ok) revert Errors.BalanceUnreadable(token);
    }

    /// @notice Balance of `account` in `token`, spending at most `gasLimit`; zero if not `ok`.
    /// @dev Copies one word whatever the token returns, so a huge answer costs nothing here. A token without code
    /// returns no word and is not `ok`.
    function tryBalanceOf(address token, address account, uint256 gasLimit)
        internal
        view
        returns (bool ok, uint256 amount)
    {
        assembly ("memory-safe") {
            mstore(0x00, 0x70a08231) // balanceOf(address)
            mstore(0x20, account)
            ok := staticcall(gasLimit, token, 0x1c, 0x24, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            amount := mul(mload(0x00), ok)
        }
    }
}
