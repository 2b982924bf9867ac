// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/src/utils/SSTORE2.sol";

/// @notice What a mint or a redeem needs to know besides supply and holdings.
/// @param version of the component list
/// @param streamingRate D18{1/year} growth rate of the supply
/// @param mintFee D18{1}
/// @param redeemFee D18{1}
/// @param supplyCap {SHARE} whole shares
/// @param feeRecipient receives fee shares on collection
struct Terms {
    uint32 version;
    uint56 streamingRate;
    uint56 mintFee;
    uint56 redeemFee;
    uint48 supplyCap;
    address feeRecipient;
}

/// @title BasketLib
/// @notice The component list and the terms as contract code: written on rebalances and by governance, read by everyone.
/// @dev Layout of the code: version (4 bytes), streaming rate, mint fee, redeem fee (7 bytes each), supply cap (6), fee
/// recipient (20), then 20 bytes for each component. Reading all of it costs one cold account access, where storage would
/// cost a cold slot for the terms and one for each component.
library BasketLib {
    uint256 private constant HEADER = 51; // {bytes}
    uint256 private constant ENTRY = 20; // {bytes}

    /// @notice Writes terms and list and returns the address that holds them.
    function write(Terms memory terms, address[] memory components) internal returns (address pointer) {
        // 12 bytes more than needed: every store below writes a whole word, the next one covers what hangs over.
        bytes memory basket = new bytes(HEADER + ENTRY * components.length + 12);
        uint256 first = uint256(terms.version) << 224 | uint256(terms.streamingRate) << 168
            | uint256(terms.mintFee) << 112 | uint256(terms.redeemFee) << 56 | uint256(terms.supplyCap) << 8;
        address recipient = terms.feeRecipient;
        assembly ("memory-safe") {
            mstore(add(basket, 32), first)
            mstore(add(basket, 63), shl(96, recipient))
        }
        for (uint256 i; i < components.length; ++i) {
            address component = components[i];
            assembly ("memory-safe") {
                mstore(add(add(basket, 83), mul(i, 20)), shl(96, component))
            }
        }
        assembly ("memory-safe") {
            mstore(basket, sub(mload(basket), 12))
        }
        pointer = SSTORE2.write(basket);
    }

    /// @notice Reads everything as raw bytes; the accessors below understand them.
    function read(address pointer) internal view returns (bytes memory basket) {
        basket = SSTORE2.read(pointer);
    }

    /// @notice Reads the terms alone, in the form the accessors below understand.
    function readTerms(address pointer) internal view returns (bytes memory basket) {
        basket = SSTORE2.read(pointer, 0, HEADER);
    }

    /// @notice The terms as a struct.
    function toTerms(bytes memory basket) internal pure returns (Terms memory) {
        return Terms({
            version: uint32(version(basket)),
            streamingRate: uint56(streamingRate(basket)),
            mintFee: uint56(mintFee(basket)),
            redeemFee: uint56(redeemFee(basket)),
            supplyCap: uint48(supplyCap(basket)),
            feeRecipient: feeRecipient(basket)
        });
    }

    /* TERMS: offsets from the right end of the first word */

    function version(bytes memory basket) internal pure returns (uint256) {
        return _firstWord(basket) >> 224;
    }

    function streamingRate(bytes memory basket) internal pure returns (uint256) {
        return uint56(_firstWord(basket) >> 168);
    }

    function mintFee(bytes memory basket) internal pure returns (uint256) {
        return uint56(_firstWord(basket) >> 112);
    }

    function redeemFee(bytes memory basket) internal pure returns (uint256) {
        return uint56(_firstWord(basket) >> 56);
    }

    function supplyCap(bytes memory basket) internal pure returns (uint256) {
        return uint48(_firstWord(basket) >> 8);
    }

    function feeRecipient(bytes memory basket) internal pure returns (address recipient) {
        assembly ("memory-safe") {
            recipient := shr(96, mload(add(basket, 63))) // length word + 31 bytes of other terms
        }
    }

    /* LIST */

    /// @notice Number of components.
    function count(bytes memory basket) internal pure returns (uint256) {
        return (basket.length - HEADER) / ENTRY;
    }

    /// @notice Component `i`. Assumes `i < count(basket)`.
    function at(bytes memory basket, uint256 i) internal pure returns (address component) {
        assembly ("memory-safe") {
            component := shr(96, mload(add(add(basket, 83), mul(i, 20)))) // length word + header + entries
        }
    }

    /// @notice Position of `token`, or `count(basket)` if it is not in the list.
    function find(bytes memory basket, address token) internal pure returns (uint256 i) {
        uint256 n = count(basket);
        while (i < n && at(basket, i) != token) ++i;
    }

    /// @notice The list as an ordinary array.
    function toArray(bytes memory basket) internal pure returns (address[] memory components) {
        uint256 n = count(basket);
        components = new address[](n);
        for (uint256 i; i < n; ++i) components[i] = at(basket, i);
    }

    function _firstWord(bytes memory basket) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(basket, 0x20))
        }
    }
}
