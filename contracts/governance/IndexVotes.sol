// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {ERC20Wrapper} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Wrapper.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @title IndexVotes
/// @notice Index shares that vote: wrapped one for one, and given back one for one at any time.
/// @dev Votes are kept here so that a mint and a redeem of the index pay nothing for them. Time is counted in seconds.
/// EXIT: `withdrawTo` asks no role, no pause and no vote; it needs the transfer of the share, which nothing can stop.
/// Assumes: the share is an IndexToken, whose transfers move exactly what they say.
/// Warning: votes count from the moment they are delegated, to oneself too. Shares sent here without `depositFor` are lost.
contract IndexVotes is ERC20Wrapper, ERC20Permit, ERC20Votes {
    constructor(IERC20Metadata index)
        ERC20(string.concat("Voting ", index.name()), string.concat("v", index.symbol()))
        ERC20Permit(string.concat("Voting ", index.name()))
        ERC20Wrapper(index)
    {}

    /// @notice {s}
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice How `clock` counts, as ERC-6372 wants it said.
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function decimals() public pure override(ERC20, ERC20Wrapper) returns (uint8) {
        return 18;
    }

    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
