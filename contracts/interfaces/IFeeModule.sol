// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Leg} from "./ITaker.sol";

/// @title IFeeModule
/// @notice A module that may mint fee shares of an index and wants to know what the index exchanged.
interface IFeeModule {
    /// @notice Told by the rebalancer of `index` after each exchange, as long as the plan runs that was started with the module.
    /// @param index whose tokens moved
    /// @param sold {tok} that left
    /// @param bought {tok} that arrived
    function noteExchange(address index, Leg[] calldata sold, Leg[] calldata bought) external;
}
