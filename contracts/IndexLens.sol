// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexLens} from "./interfaces/IIndexLens.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Errors} from "./libraries/Errors.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title IndexLens
/// @notice Reads; holds nothing, owns nothing, is trusted by nothing.
contract IndexLens is IIndexLens {
    /// @inheritdoc IIndexLens
    function stateOf(address index) external view returns (IndexState memory state) {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        state.index = index;
        state.blockNumber = block.number;
        state.timestamp = block.timestamp;
        _readToken(state);
        _readModules(state);
        _readComponents(state);
        state.navPerShare = TradeMath.navPerShare(state.nav, state.supply);
    }

    /// @inheritdoc IIndexLens
    function navOf(address index) external view returns (uint256 nav, uint256 navPerShare, uint256 unpriced) {
        address[] memory list = IIndexToken(index).components();
        uint256[] memory available = IIndexToken(index).reserves();
        IPriceOracle oracle = IPriceOracle(IExchangeGuard(IIndexToken(index).guard()).oracle());
        for (uint256 i; i < list.length; ++i) {
            uint256 price = oracle.tryPrice(list[i]);
            if (price == 0) ++unpriced;
            nav += TradeMath.valueDown(available[i], price);
        }
        navPerShare = TradeMath.navPerShare(nav, IERC20Metadata(index).totalSupply());
    }

    /// @inheritdoc IIndexLens
    function pricesOf(address oracle, address[] calldata tokens) external view returns (uint256[] memory prices) {
        prices = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            prices[i] = IPriceOracle(oracle).tryPrice(tokens[i]);
        }
    }

    function _readToken(IndexState memory state) private view {
        IIndexToken token = IIndexToken(state.index);
        state.name = IERC20Metadata(state.index).name();
        state.symbol = IERC20Metadata(state.index).symbol();
        state.version = token.version();
        state.supply = IERC20Metadata(state.index).totalSupply();
        state.pendingFeeShares = token.pendingFeeShares();
        state.supplyCap = token.supplyCap();
        state.streamingFee = token.streamingFee();
        state.mintFee = token.mintFee();
        state.redeemFee = token.redeemFee();
        state.feeRecipient = token.feeRecipient();
        state.authority = IAccessManaged(state.index).authority();
        state.rebalancer = token.rebalancer();
        state.guard = token.guard();
        state.mintPausedUntil = token.mintPausedUntil();
        state.exchangePausedUntil = token.exchangePausedUntil();
        state.deprecated = token.deprecated();
    }

    function _readModules(IndexState memory state) private view {
        state.policy = IRebalancer(state.rebalancer).policyOf(state.index);
        state.plan = IRebalancer(state.rebalancer).planOf(state.index);
        state.limits = IExchangeGuard(state.guard).limitsOf(state.index);
        (state.lossUsed, state.turnoverUsed) = IExchangeGuard(state.guard).usedOf(state.index);
    }

    function _readComponents(IndexState memory state) private view {
        address[] memory list = IIndexToken(state.index).components();
        state.components = new ComponentState[](list.length);
        for (uint256 i; i < list.length; ++i) {
            state.components[i] = _readComponent(state, list[i]);
            state.nav += state.components[i].value;
        }
    }

    function _readComponent(IndexState memory state, address token)
        private
        view
        returns (ComponentState memory component)
    {
        component.token = token;
        (component.symbol, component.decimals) = _describe(token);
        component.claimsOwed = IIndexToken(state.index).claimsOwed(token);
        component.available = _availableOf(state.index, token, component.claimsOwed);
        component.price = IPriceOracle(IRebalancer(state.rebalancer).oracle()).tryPrice(token);
        component.value = TradeMath.valueDown(component.available, component.price);
        IRebalancer.Target memory target = IRebalancer(state.rebalancer).targetOf(state.index, token);
        component.planned = target.planId == state.plan.id && block.timestamp < state.plan.expiresAt;
        if (!component.planned) return component;
        component.unit = target.unit;
        (component.surplus, component.deficit) = IRebalancer(state.rebalancer).gapOf(state.index, token);
    }

    function _availableOf(address index, address token, uint256 owed) private view returns (uint256) {
        try IERC20Metadata(token).balanceOf(index) returns (uint256 balance) {
            return balance > owed ? balance - owed : 0;
        } catch {
            return 0;
        }
    }

    function _describe(address token) private view returns (string memory symbol, uint8 decimals) {
        try IERC20Metadata(token).symbol() returns (string memory symbol_) {
            symbol = symbol_;
        } catch {
            symbol = "";
        }
        try IERC20Metadata(token).decimals() returns (uint8 decimals_) {
            decimals = decimals_;
        } catch {
            decimals = type(uint8).max;
        }
    }
}
