// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @title HostileFeed
/// @notice A feed that was good when it was set: burns all gas, or answers or fails with more than anybody wants to copy.
contract HostileFeed is IPriceFeed {
    uint256 private constant HUGE = 200_000; // {bytes}

    address public immutable token;
    uint256 public mode;

    constructor(address token_) {
        token = token_;
    }

    function setMode(uint256 mode_) external {
        mode = mode_;
    }

    function price() external view returns (uint256) {
        if (mode == 1) {
            assembly {
                invalid()
            }
        }
        if (mode == 2) {
            assembly {
                return(0, HUGE)
            }
        }
        if (mode == 3) {
            assembly {
                revert(0, HUGE)
            }
        }
        return 1e27;
    }
}
