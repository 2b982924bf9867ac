// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IIndexLens} from "../interfaces/IIndexLens.sol";
import {IIndexToken} from "../interfaces/IIndexToken.sol";

/// @title MockLendingMarket
/// @notice Lends against shares at the price it reads from the views of the index: the victim of read-only re-entrancy.
contract MockLendingMarket {
    IIndexToken public immutable index;
    IIndexLens public immutable lens;
    uint256 public lastPrice;

    constructor(IIndexToken index_, IIndexLens lens_) {
        index = index_;
        lens = lens_;
    }

    /// @notice Remembers D27{nUSD/share} by the lens.
    function priceByLens() external returns (uint256 price) {
        (, price,) = lens.navOf(address(index));
        lastPrice = price;
    }

    /// @notice Remembers {tok} of the first component that a whole share redeems for.
    function priceByPreview() external returns (uint256 price) {
        (uint256[] memory amounts,) = index.previewRedeem(1e18);
        price = amounts[0];
        lastPrice = price;
    }

    /// @notice Remembers {tok} of the first component in reserve.
    function priceByReserves() external returns (uint256 price) {
        price = index.reserves()[0];
        lastPrice = price;
    }
}
