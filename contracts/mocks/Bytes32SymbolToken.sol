// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OddDecimalsToken} from "./OddDecimalsToken.sol";

/// @title Bytes32SymbolToken
/// @notice Answers `symbol()` with one word instead of a string, as MKR does.
contract Bytes32SymbolToken is OddDecimalsToken {
    bytes32 private immutable _word;

    constructor(bytes32 symbol_, uint8 decimals_) OddDecimalsToken("", decimals_) {
        _word = symbol_;
    }

    function symbol() public view override returns (string memory) {
        bytes32 word = _word;
        assembly {
            mstore(0, word)
            return(0, 32)
        }
    }
}
