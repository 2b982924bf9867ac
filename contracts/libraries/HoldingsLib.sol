// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {Constants} from "./Constants.sol";
import {TokenLib} from "./TokenLib.sol";
import {TradeMath} from "./TradeMath.sol";

/// @title HoldingsLib
/// @notice What an index has of a token, and what it has too much or too little of.
library HoldingsLib {
    using FixedPointMathLib for uint256;

    /// @notice {tok} of the index less its claims; zero and not readable for a token that does not answer.
    function available(address index, address token) internal view returns (bool readable, uint256 amount) {
        (readable, amount) = TokenLib.tryBalanceOf(token, index, Constants.BALANCE_GAS);
        amount = amount.zeroFloorSub(IIndexToken(index).claimsOwed(token));
    }

    /// @notice {tok} above and below a target.
    /// @param unit D27{tok/share}
    /// @param supply {share}
    function gap(address index, address token, uint256 unit, uint256 supply)
        internal
        view
        returns (uint256 surplus, uint256 deficit)
    {
        (, uint256 amount) = available(index, token);
        return (TradeMath.surplus(amount, unit, supply), TradeMath.deficit(amount, unit, supply));
    }
}
