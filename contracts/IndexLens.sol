// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexLens} from "./interfaces/IIndexLens.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {TokenLib} from "./libraries/TokenLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title IndexLens
/// @notice Reads; holds nothing, owns nothing, is trusted by nothing.
contract IndexLens is IIndexLens {
    uint256 private constant MAX_ANSWER = 128; // {bytes} enough for a string of two words

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

    /// @dev {tok} after claims; zero for a token that does not answer.
    function _availableOf(address index, address token, uint256 owed) private view returns (uint256) {
        (, uint256 balance) = TokenLib.tryBalanceOf(token, index, Constants.BALANCE_GAS);
        return balance > owed ? balance - owed : 0;
    }

    /// @dev What a token says of itself, whatever it says and however: text, one word of text (as MKR does), or nothing.
    function _describe(address token) private view returns (string memory symbol, uint8 decimals) {
        symbol = _text(_ask(token, IERC20Metadata.symbol.selector));
        bytes memory answer = _ask(token, IERC20Metadata.decimals.selector);
        uint256 number = answer.length < 32 ? type(uint8).max : abi.decode(answer, (uint256));
        decimals = number < type(uint8).max ? uint8(number) : type(uint8).max;
    }

    /// @dev At most MAX_ANSWER bytes of what a call returns, nothing if it fails.
    function _ask(address token, bytes4 selector) private view returns (bytes memory answer) {
        bool ok;
        uint256 length;
        answer = new bytes(MAX_ANSWER);
        assembly ("memory-safe") {
            mstore(0x00, selector)
            ok := staticcall(50000, token, 0x00, 0x04, add(answer, 0x20), MAX_ANSWER)
            length := returndatasize()
            if gt(length, MAX_ANSWER) { length := MAX_ANSWER }
            if iszero(ok) { length := 0 }
            mstore(answer, length)
        }
    }

    /// @dev Text from an ABI-encoded string or from a word padded with zeros.
    function _text(bytes memory answer) private pure returns (string memory) {
        if (answer.length < 32) return "";
        uint256 start;
        uint256 length = 32;
        if (answer.length >= 64 && uint256(bytes32(answer)) == 32) {
            start = 64;
            assembly ("memory-safe") {
                length := mload(add(answer, 0x40))
            }
            if (length > answer.length - start) return "";
        }
        bytes memory text = new bytes(length);
        uint256 count;
        while (count < length && answer[start + count] != 0) {
            text[count] = answer[start + count];
            ++count;
        }
        assembly ("memory-safe") {
            mstore(text, count)
        }
        return string(text);
    }
}
