// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {IPriceFeed} from "../interfaces/IPriceFeed.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {PriceMath} from "../libraries/PriceMath.sol";
import {TradeMath} from "../libraries/TradeMath.sol";

/// @title IndexNavFeed
/// @notice Price of a share of an index, as a component of another: what it holds at oracle prices, over its supply.
/// @dev STRICT: every component that the index holds must have a price, or the index has none. LOCKED: while a call of
/// the index is on the stack its holdings and its supply do not belong together, and there is no price. CYCLES: each
/// component gets `COMPONENT_PRICE_GAS`, so indexes that hold each other run out of it and have no price, at a bounded
/// cost; the constructor reads the price once and so refuses to close a circle. The same bound makes an index of large
/// indexes of indexes have none.
/// GIFTS to the index raise its price for good: the shares are worth it, whoever holds them can redeem them for it. The
/// giver gets back the part of the gift that his own shares are of the supply, and no more. Minting and redeeming are pro
/// rata and round in favour of the shares that stay, which move the price by less than a unit of each component.
contract IndexNavFeed is IPriceFeed {
    address public immutable token;
    IPriceOracle public immutable oracle;

    /// @param index priced share
    /// @param oracle_ prices of its components
    constructor(address index, address oracle_) {
        require(index != address(0) && oracle_ != address(0), Errors.ZeroAddress());
        token = index;
        oracle = IPriceOracle(oracle_);
        _navPerShare(index, IPriceOracle(oracle_));
    }

    /// @inheritdoc IPriceFeed
    function price() external view returns (uint256) {
        return _navPerShare(token, oracle);
    }

    function _navPerShare(address index, IPriceOracle oracle_) private view returns (uint256) {
        if (IIndexToken(index).locked()) revert Errors.IndexLocked(index);
        address[] memory list = IIndexToken(index).components();
        uint256[] memory available = IIndexToken(index).reserves();
        uint256 nav; // {nUSD}
        for (uint256 i; i < list.length; ++i) {
            if (available[i] != 0) nav += TradeMath.valueDown(available[i], _priceOf(list[i], oracle_));
        }
        return PriceMath.usable(index, TradeMath.navPerShare(nav, IERC20(index).totalSupply()));
    }

    /// @dev The price of a component or its reason; PriceMissing where it ran out of gas, which gives none.
    function _priceOf(address component, IPriceOracle oracle_) private view returns (uint256) {
        try oracle_.price{gas: Constants.COMPONENT_PRICE_GAS}(component) returns (uint256 price_) {
            return price_;
        } catch (bytes memory reason) {
            if (reason.length == 0) revert Errors.PriceMissing(component);
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}
