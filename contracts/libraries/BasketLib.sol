// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/src/utils/SSTORE2.sol";

/// @title BasketLib
/// @notice The component list as contract code: written on rebalances, read on every mint and redeem.
/// @dev Layout of the code: version (4 bytes), then 20 bytes for each component. Reading n components costs one cold
/// account access instead of n cold storage slots.
library BasketLib {
    uint256 private constant HEADER = 4; // {bytes}
    uint256 private constant ENTRY = 20; // {bytes}

    /// @notice Writes a list and returns the address that holds it.
    function write(uint256 version_, address[] memory components) internal returns (address pointer) {
        bytes memory blob = abi.encodePacked(uint32(version_));
        for (uint256 i; i < components.length; ++i) {
            blob = bytes.concat(blob, bytes20(components[i]));
        }
        pointer = SSTORE2.write(blob);
    }

    /// @notice Reads the list as raw bytes; the accessors below understand them.
    function read(address pointer) internal view returns (bytes memory basket) {
        basket = SSTORE2.read(pointer);
    }

    /// @notice Version of the list: rises by one with every change.
    function version(bytes memory basket) internal pure returns (uint256 version_) {
        assembly ("memory-safe") {
            version_ := shr(224, mload(add(basket, 0x20)))
        }
    }

    /// @notice Number of components.
    function count(bytes memory basket) internal pure returns (uint256) {
        return (basket.length - HEADER) / ENTRY;
    }

    /// @notice Component `i`. Assumes `i < count(basket)`.
    function at(bytes memory basket, uint256 i) internal pure returns (address component) {
        assembly ("memory-safe") {
            // 0x20 length word + 4 header bytes + 20 * i
            component := shr(96, mload(add(add(basket, 0x24), mul(i, 20))))
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
}
