// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title IndexTimelock
/// @notice The governor of a community-run index: it does what the vote decided, after the time holders have to leave.
/// @dev The delay can be changed by a vote, but never below the hard minimum. Anyone executes what is ready. Nobody is
/// its admin but itself; only its proposer, the IndexGovernor, can cancel.
contract IndexTimelock is TimelockController {
    /// @param delay {s} between the end of a vote and the earliest execution
    /// @param deployer becomes admin, names the proposer, and must renounce
    constructor(uint256 delay, address deployer)
        TimelockController(delay, new address[](0), new address[](1), deployer)
    {
        _checkDelay(delay);
    }

    /// @inheritdoc TimelockController
    /// @dev Bounded on both sides, so that one vote can neither take the holders' time away nor freeze the index.
    function updateDelay(uint256 newDelay) public override {
        _checkDelay(newDelay);
        super.updateDelay(newDelay);
    }

    function _checkDelay(uint256 delay) private pure {
        require(
            delay >= Constants.MIN_TIMELOCK_DELAY && delay <= Constants.MAX_TIMELOCK_DELAY,
            Errors.ValueOutOfBounds("delay", delay, Constants.MIN_TIMELOCK_DELAY, Constants.MAX_TIMELOCK_DELAY)
        );
    }
}
