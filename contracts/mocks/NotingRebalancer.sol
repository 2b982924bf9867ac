// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IFeeModule} from "../interfaces/IFeeModule.sol";
import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {Leg} from "../interfaces/ITaker.sol";

/// @title NotingRebalancer
/// @notice Exchanges whatever a test wants and tells the fee module of the index, as a rebalancer does.
contract NotingRebalancer {
    function exchange(IIndexToken index, Leg[] calldata outs, Leg[] calldata ins, address taker) external {
        (uint256[] memory sold, uint256[] memory bought) = index.exchange(outs, ins, taker, taker, "");
        IFeeModule(index.feeModule()).noteExchange(address(index), _legs(outs, sold), _legs(ins, bought));
    }

    /// @notice An exchange that the fee module never hears of.
    function exchangeUnnoted(IIndexToken index, Leg[] calldata outs, Leg[] calldata ins, address taker) external {
        index.exchange(outs, ins, taker, taker, "");
    }

    function updateComponents(IIndexToken index, uint256 removeMask, address[] calldata additions) external {
        index.updateComponents(removeMask, additions);
    }

    function _legs(Leg[] calldata legs, uint256[] memory amounts) private pure returns (Leg[] memory measured) {
        measured = new Leg[](legs.length);
        for (uint256 i; i < legs.length; ++i) measured[i] = Leg(legs[i].token, amounts[i]);
    }
}
