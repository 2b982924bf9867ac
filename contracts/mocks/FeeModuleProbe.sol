// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IFeeModule} from "../interfaces/IFeeModule.sol";
import {Leg} from "../interfaces/ITaker.sol";

/// @title FeeModuleProbe
/// @notice Remembers the last exchange of one leg against one that it was told of.
contract FeeModuleProbe is IFeeModule {
    uint256 public count;
    address private _index;
    Leg private _sold;
    Leg private _bought;

    function noteExchange(address index, Leg[] calldata sold, Leg[] calldata bought) external {
        ++count;
        (_index, _sold, _bought) = (index, sold[0], bought[0]);
    }

    function last() external view returns (address, address, uint256, address, uint256) {
        return (_index, _sold.token, _sold.amount, _bought.token, _bought.amount);
    }
}
