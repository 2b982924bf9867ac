// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexLens} from "./interfaces/IIndexLens.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Leg} from "./interfaces/ITaker.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {HoldingsLib} from "./libraries/HoldingsLib.sol";
import {TokenLib} from "./libraries/TokenLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

/// @title IndexLens
/// @notice Reads; holds nothing, owns nothing, is trusted by nothing.
contract IndexLens is IIndexLens {
    using FixedPointMathLib for uint256;

    uint256 private constant BPS = 10_000;
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
    function navOf(address index) public view returns (uint256 nav, uint256 navPerShare, uint256 unpriced) {
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

    /* DRY RUN */

    /// @inheritdoc IIndexLens
    function legs(address index) external view returns (Leg[] memory surpluses, Leg[] memory deficits) {
        address[] memory list = IIndexToken(index).components();
        IRebalancer rebalancer = IRebalancer(IIndexToken(index).rebalancer());
        surpluses = new Leg[](list.length);
        deficits = new Leg[](list.length);
        uint256 sells;
        uint256 buys;
        for (uint256 i; i < list.length; ++i) {
            (uint256 surplus, uint256 deficit) = rebalancer.gapOf(index, list[i]);
            if (surplus != 0) surpluses[sells++] = Leg(list[i], surplus);
            if (deficit != 0) deficits[buys++] = Leg(list[i], deficit);
        }
        assembly ("memory-safe") {
            mstore(surpluses, sells) // shorten to what was found
            mstore(deficits, buys)
        }
    }

    /// @inheritdoc IIndexLens
    function simulate(address index, address[] calldata additions, uint256[] calldata weights)
        external
        view
        returns (Simulation memory plan)
    {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        address[] memory list = IIndexToken(index).components();
        uint256 n = list.length + additions.length;
        require(weights.length == n, Errors.LengthMismatch(weights.length, n));
        plan.tokens = new address[](n);
        for (uint256 i; i < n; ++i) {
            plan.tokens[i] = i < list.length ? list[i] : additions[i - list.length];
        }
        (uint256[] memory available, uint256 nav) = _value(index, plan, list.length);
        uint256 supply = IERC20Metadata(index).totalSupply();
        plan.navPerShare = TradeMath.navPerShare(nav, supply);
        require(plan.navPerShare != 0, Errors.ValuationZero(index));

        uint256 sum;
        uint256 sold;
        (plan.units, plan.surpluses, plan.deficits) = (new uint256[](n), new uint256[](n), new uint256[](n));
        for (uint256 i; i < n; ++i) {
            sum += weights[i];
            if (plan.prices[i] == 0) {
                require(weights[i] == 0, Errors.PriceMissing(plan.tokens[i]));
                continue; // no target, so nothing to trade
            }
            plan.units[i] = TradeMath.unitFromWeight(weights[i], plan.navPerShare, plan.prices[i]);
            plan.surpluses[i] = TradeMath.surplus(available[i], plan.units[i], supply);
            plan.deficits[i] = TradeMath.deficit(available[i], plan.units[i], supply);
            sold += TradeMath.valueDown(plan.surpluses[i], plan.prices[i]);
        }
        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));
        plan.turnover = sold.fullMulDiv(Constants.WAD, nav);
    }

    /// @dev Prices, what is available, {tok}, and what the first `count` tokens are worth, {nUSD}.
    function _value(address index, Simulation memory plan, uint256 count)
        private
        view
        returns (uint256[] memory available, uint256 nav)
    {
        IPriceOracle oracle = IPriceOracle(IRebalancer(IIndexToken(index).rebalancer()).oracle());
        uint256 n = plan.tokens.length;
        (plan.prices, available) = (new uint256[](n), new uint256[](n));
        for (uint256 i; i < n; ++i) {
            plan.prices[i] = oracle.tryPrice(plan.tokens[i]);
            (, available[i]) = HoldingsLib.available(index, plan.tokens[i]);
            if (i < count) nav += TradeMath.valueDown(available[i], plan.prices[i]);
        }
    }

    /* THE VIEWS OF ERC-7621 */

    /// @inheritdoc IIndexLens
    function getConstituents(address index) public view returns (address[] memory tokens, uint256[] memory weights) {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        tokens = IIndexToken(index).components();
        IRebalancer rebalancer = IRebalancer(IIndexToken(index).rebalancer());
        IPriceOracle oracle = IPriceOracle(rebalancer.oracle());
        uint256 planId = rebalancer.planOf(index).id;

        uint256 total;
        uint256[] memory values = new uint256[](tokens.length); // of the target, or of what is held before the first plan
        for (uint256 i; i < tokens.length; ++i) {
            (, uint256 amount) = HoldingsLib.available(index, tokens[i]);
            if (planId != 0) {
                IRebalancer.Target memory target = rebalancer.targetOf(index, tokens[i]);
                amount = target.planId == planId ? target.unit : 0;
            }
            values[i] = amount.fullMulDiv(oracle.tryPrice(tokens[i]), Constants.WAD);
            total += values[i];
        }
        require(total != 0, Errors.ValuationZero(index));
        weights = _largestRemainder(values, total);
    }

    /// @inheritdoc IIndexLens
    function totalConstituents(address index) external view returns (uint256) {
        return IIndexToken(index).components().length;
    }

    /// @inheritdoc IIndexLens
    function getReserve(address index, address token) external view returns (uint256 balance) {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        if (!isConstituent(index, token)) return 0;
        (, balance) = HoldingsLib.available(index, token);
    }

    /// @inheritdoc IIndexLens
    function getWeight(address index, address token) external view returns (uint256) {
        (address[] memory tokens, uint256[] memory weights) = getConstituents(index);
        for (uint256 i; i < tokens.length; ++i) {
            if (tokens[i] == token) return weights[i];
        }
        revert Errors.ComponentUnknown(token);
    }

    /// @inheritdoc IIndexLens
    function isConstituent(address index, address token) public view returns (bool) {
        address[] memory tokens = IIndexToken(index).components();
        for (uint256 i; i < tokens.length; ++i) {
            if (tokens[i] == token) return true;
        }
        return false;
    }

    /// @inheritdoc IIndexLens
    function totalBasketValue(address index) external view returns (uint256 value) {
        (value,,) = navOf(index);
    }

    /// @inheritdoc IIndexLens
    function previewContribute(address index, uint256[] calldata amounts) external view returns (uint256 shares) {
        uint256[] memory available = IIndexToken(index).reserves();
        require(amounts.length == available.length, Errors.LengthMismatch(amounts.length, available.length));
        uint256 supply = IERC20Metadata(index).totalSupply();
        shares = type(uint256).max;
        for (uint256 i; i < available.length; ++i) {
            // {share} = {tok} * {share} / {tok}: the most shares whose amount, rounded up, is not above what is given
            if (available[i] != 0) shares = shares.min(amounts[i].fullMulDiv(supply, available[i]));
        }
        require(shares != type(uint256).max, Errors.NothingBacking());
        shares -= FeeMath.oneOffFee(shares, IIndexToken(index).mintFee());
    }

    /// @inheritdoc IIndexLens
    function previewWithdraw(address index, uint256 shares) external view returns (uint256[] memory amounts) {
        (amounts,) = IIndexToken(index).previewRedeem(shares);
    }

    /// @dev {bps} parts of `values` that sum to 10000; what flooring left goes to the largest remainders.
    function _largestRemainder(uint256[] memory values, uint256 total) private pure returns (uint256[] memory parts) {
        uint256 n = values.length;
        parts = new uint256[](n);
        uint256[] memory remainders = new uint256[](n);
        uint256 left = BPS;
        for (uint256 i; i < n; ++i) {
            // 1e18 parts first, so that the remainder is known without a product of 512 bits
            uint256 fine = values[i].fullMulDiv(Constants.WAD, total) * BPS;
            parts[i] = fine / Constants.WAD;
            remainders[i] = fine % Constants.WAD;
            left -= parts[i];
        }
        for (; left != 0; --left) {
            uint256 largest;
            for (uint256 i = 1; i < n; ++i) {
                if (remainders[i] > remainders[largest]) largest = i;
            }
            ++parts[largest];
            remainders[largest] = 0;
        }
    }

    /* INTERNALS OF THE STATE */

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
        (, component.available) = HoldingsLib.available(state.index, token);
        component.price = IPriceOracle(IRebalancer(state.rebalancer).oracle()).tryPrice(token);
        component.value = TradeMath.valueDown(component.available, component.price);
        IRebalancer.Target memory target = IRebalancer(state.rebalancer).targetOf(state.index, token);
        component.planned = target.planId == state.plan.id && block.timestamp < state.plan.expiresAt;
        if (!component.planned) return component;
        component.unit = target.unit;
        (component.surplus, component.deficit) = IRebalancer(state.rebalancer).gapOf(state.index, token);
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
