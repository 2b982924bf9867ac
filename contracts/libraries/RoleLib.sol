// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAuthority} from "@openzeppelin/contracts/access/manager/IAuthority.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {Errors} from "./Errors.sol";

/// @title RoleLib
/// @notice Roles on contracts that serve many indexes: the authority of the index in question decides.
library RoleLib {
    /// @notice Reverts unless the authority of `index` lets the caller call this function of this contract now.
    /// @dev A delayed operation is executed by the AccessManager itself, for which the answer is immediate.
    function requireRole(address index) internal view {
        if (!hasRole(index, msg.sig)) revert Errors.NotAuthorized(msg.sender, index);
    }

    /// @notice Whether the authority of `index` lets the caller call `selector` of this contract now.
    function hasRole(address index, bytes4 selector) internal view returns (bool) {
        return IAuthority(IAccessManaged(index).authority()).canCall(msg.sender, address(this), selector);
    }

    /// @notice The same for a setting of the governor, which the index may have given up for good: `abdicate` with the
    /// selector of this function freezes it, whoever governs later.
    function requirePower(address index) internal view {
        require(!IIndexToken(index).abdicated(msg.sig), Errors.Abdicated(msg.sig));
        requireRole(index);
    }
}
