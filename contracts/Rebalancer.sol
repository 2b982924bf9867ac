// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Leg} from "./interfaces/ITaker.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {RoleLib} from "./libraries/RoleLib.sol";
import {TokenLib} from "./libraries/TokenLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title Rebalancer
/// @notice One for all indexes of one oracle. Holds no tokens and no allowances; it only tells an index what to exchange.
/// @dev A target is a word per token: units, the plan they belong to and the last trade. A word of an older plan is no
/// target, so ending a plan costs nothing per token. Reentrancy: every path that matters ends in a call of the index,
/// which is locked while one of its own calls is on the stack.
contract Rebalancer is IRebalancer {
    using FixedPointMathLib for uint256;

    address public immutable oracle;

    mapping(address index => Policy) private _policies;
    mapping(address index => mapping(address token => bool)) public isAllowed;
    mapping(address index => Plan) private _plans;
    mapping(address index => mapping(address token => Target)) private _targets;

    /// @dev What `startPlan` works on, one entry a token.
    struct Draft {
        address[] tokens;
        uint256[] prices; // D27{nUSD/tok}, zero if there is none
        bool[] empty; // nothing available, and the token says so itself
        uint256[] units; // D27{tok/share}
        uint256 supply; // {share}
        uint256 navPerShare; // D27{nUSD/share}
    }

    constructor(address oracle_) {
        require(oracle_ != address(0), Errors.ZeroAddress());
        oracle = oracle_;
    }

    /* FACTORY AND GOVERNOR */

    /// @inheritdoc IRebalancer
    function register(address index, Policy calldata policy, address[] calldata allowed) external {
        require(_policies[index].maxDuration == 0, Errors.AlreadyRegistered(index));
        if (IIndexToken(index).factory() != msg.sender) RoleLib.requireRole(index);
        _setPolicy(index, policy);
        _setAllowed(index, allowed, true);
    }

    /// @inheritdoc IRebalancer
    function setPolicy(address index, Policy calldata policy) external {
        _registeredPolicy(index);
        RoleLib.requireRole(index);
        _setPolicy(index, policy);
    }

    /// @inheritdoc IRebalancer
    function setAllowed(address index, address[] calldata tokens, bool allowed) external {
        _registeredPolicy(index);
        RoleLib.requireRole(index);
        _setAllowed(index, tokens, allowed);
    }

    /* STRATEGIST */

    /// @inheritdoc IRebalancer
    function startPlan(
        address index,
        uint256 planId,
        uint256 expectedVersion,
        address[] calldata additions,
        uint256[] calldata weights,
        uint256 duration
    ) external {
        Policy memory policy = _registeredPolicy(index);
        RoleLib.requireRole(index);
        _checkStart(index, policy, planId, expectedVersion, duration);

        Draft memory draft = _draft(index, additions, weights.length);
        _deriveUnits(index, draft, weights, policy.maxWeight);

        _storePlan(index, draft, planId, duration);
        _updateComponents(index, draft, weights, additions);

        emit StartPlan(
            index, planId, draft.tokens, weights, draft.units, draft.prices, draft.navPerShare, block.timestamp + duration
        );
    }

    /// @inheritdoc IRebalancer
    function swap(Swap calldata order) external returns (uint256 bought) {
        Policy memory policy = _registeredPolicy(order.index);
        RoleLib.requireRole(order.index);
        Plan memory plan = _livePlan(order.index, order.planId);
        if (order.step != plan.steps) revert Errors.StepMismatch(order.step, plan.steps);

        uint256 sellPrice = IPriceOracle(oracle).price(order.sell);
        uint256 buyPrice = IPriceOracle(oracle).price(order.buy);
        uint256 deficit = _checkSize(order, plan, policy, sellPrice);
        uint256 floor =
            TradeMath.minBuy(order.sellAmount, sellPrice, buyPrice, Constants.PPM - policy.maxSlippage);

        _plans[order.index].steps = plan.steps + 1;
        if (policy.cooldown != 0) {
            _startCooldown(order.index, order.sell, policy.cooldown);
            _startCooldown(order.index, order.buy, policy.cooldown);
        }
        uint256 sold;
        (sold, bought) = _exchange(order, order.minBuy.max(floor));
        if (bought > deficit) revert Errors.DeficitExceeded(order.buy, bought, deficit);

        emit SwapTokens(
            order.index,
            order.planId,
            msg.sender,
            order.step,
            order.sell,
            order.buy,
            sold,
            bought,
            sellPrice,
            buyPrice,
            floor
        );
    }

    /// @inheritdoc IRebalancer
    function endPlan(address index, uint256 planId) external {
        Plan memory plan = _plans[index];
        require(plan.id == planId && plan.expiresAt != 0, Errors.PlanMismatch(planId, plan.id));
        if (block.timestamp < plan.expiresAt) RoleLib.requireRole(index);

        _plans[index].expiresAt = 0;
        _dropEmpty(index, plan.id);

        emit EndPlan(index, planId, plan.steps);
    }

    /* VIEWS */

    /// @inheritdoc IRebalancer
    function policyOf(address index) external view returns (Policy memory) {
        return _policies[index];
    }

    /// @inheritdoc IRebalancer
    function planOf(address index) external view returns (Plan memory) {
        return _plans[index];
    }

    /// @inheritdoc IRebalancer
    function targetOf(address index, address token) external view returns (Target memory) {
        return _targets[index][token];
    }

    /// @inheritdoc IRebalancer
    function gapOf(address index, address token) external view returns (uint256 surplus, uint256 deficit) {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        Plan memory plan = _plans[index];
        if (block.timestamp >= plan.expiresAt || _targets[index][token].planId != plan.id) return (0, 0);
        return _gap(index, token, _unit(index, token, plan, _growth(plan)), IERC20(index).totalSupply());
    }

    /// @inheritdoc IRebalancer
    function floorOf(address index, address sell, address buy, uint256 sellAmount) external view returns (uint256) {
        return TradeMath.minBuy(
            sellAmount,
            IPriceOracle(oracle).price(sell),
            IPriceOracle(oracle).price(buy),
            Constants.PPM - _registeredPolicy(index).maxSlippage
        );
    }

    /* INTERNALS: PLAN */

    function _checkStart(
        address index,
        Policy memory policy,
        uint256 planId,
        uint256 expectedVersion,
        uint256 duration
    ) private view {
        Plan memory last = _plans[index];
        require(planId == uint256(last.id) + 1, Errors.PlanMismatch(planId, uint256(last.id) + 1));
        uint256 earliest = uint256(last.startedAt) + policy.minInterval;
        require(last.id == 0 || block.timestamp >= earliest, Errors.PlanTooEarly(earliest));
        uint256 version = IIndexToken(index).version();
        require(version == expectedVersion, Errors.BasketChanged(version, expectedVersion));
        _checkBound("duration", duration, 1, policy.maxDuration);
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
    }

    /// @dev Reads tokens, prices and holdings of the components and the additions.
    function _draft(address index, address[] calldata additions, uint256 length)
        private
        view
        returns (Draft memory draft)
    {
        address[] memory list = IIndexToken(index).components();
        uint256 n = list.length + additions.length;
        require(length == n, Errors.LengthMismatch(length, n));
        draft.tokens = new address[](n);
        draft.prices = new uint256[](n);
        draft.empty = new bool[](n);
        draft.units = new uint256[](n);
        draft.supply = IERC20(index).totalSupply();

        uint256 nav;
        for (uint256 i; i < n; ++i) {
            address token = i < list.length ? list[i] : additions[i - list.length];
            draft.tokens[i] = token;
            draft.prices[i] = IPriceOracle(oracle).tryPrice(token);
            if (i >= list.length) continue; // what was donated before a token enters is counted by the next plan
            (bool readable, uint256 available) = _available(index, token);
            draft.empty[i] = readable && available == 0;
            nav += TradeMath.valueDown(available, draft.prices[i]);
        }
        draft.navPerShare = TradeMath.navPerShare(nav, draft.supply);
        require(draft.navPerShare != 0, Errors.ValuationZero(index));
    }

    /// @dev Checks the weights and turns them into units.
    function _deriveUnits(address index, Draft memory draft, uint256[] calldata weights, uint256 maxWeight)
        private
        view
    {
        uint256 sum;
        for (uint256 i; i < weights.length; ++i) {
            uint256 weight = weights[i];
            if (weight == 0) continue;
            address token = draft.tokens[i];
            require(isAllowed[index][token], Errors.TokenNotAllowed(token));
            require(weight <= maxWeight, Errors.WeightTooHigh(token, weight, maxWeight));
            if (draft.prices[i] == 0) IPriceOracle(oracle).price(token); // reverts with the reason
            sum += weight;
            uint256 unit = TradeMath.unitFromWeight(weight, draft.navPerShare, draft.prices[i]);
            require(unit <= type(uint184).max, Errors.UnitOverflow(token, unit));
            draft.units[i] = unit;
        }
        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));
    }

    function _storePlan(address index, Draft memory draft, uint256 planId, uint256 duration) private {
        for (uint256 i; i < draft.tokens.length; ++i) {
            if (draft.prices[i] == 0) continue; // no price, no target: it cannot be traded
            Target storage target = _targets[index][draft.tokens[i]];
            (target.planId, target.unit) = (uint40(planId), uint184(draft.units[i]));
        }
        _plans[index] = Plan({
            id: uint40(planId),
            steps: 0,
            startedAt: uint40(block.timestamp),
            expiresAt: uint40(block.timestamp + duration),
            streamingRate: uint56(IIndexToken(index).streamingRate()),
            navPerShare: draft.navPerShare
        });
        IExchangeGuard(IIndexToken(index).guard()).revalue(index);
    }

    /// @dev Appends the additions and drops what is empty and has no weight.
    function _updateComponents(
        address index,
        Draft memory draft,
        uint256[] calldata weights,
        address[] calldata additions
    ) private {
        uint256 removeMask;
        uint256 n = weights.length - additions.length;
        for (uint256 i; i < weights.length; ++i) {
            if (weights[i] != 0) continue;
            require(i < n, Errors.AdditionWithoutWeight(draft.tokens[i]));
            if (draft.empty[i]) removeMask |= 1 << i;
        }
        if (removeMask != 0 || additions.length != 0) {
            IIndexToken(index).updateComponents(removeMask, additions);
        }
    }

    function _dropEmpty(address index, uint256 planId) private {
        if (block.timestamp < IIndexToken(index).exchangePausedUntil()) return; // the next plan will
        address[] memory list = IIndexToken(index).components();
        uint256 removeMask;
        for (uint256 i; i < list.length; ++i) {
            Target memory target = _targets[index][list[i]];
            if (target.planId != planId || target.unit != 0) continue;
            (bool readable, uint256 available) = _available(index, list[i]);
            if (readable && available == 0) removeMask |= 1 << i;
        }
        if (removeMask != 0) IIndexToken(index).updateComponents(removeMask, new address[](0));
    }

    function _livePlan(address index, uint256 planId) private view returns (Plan memory plan) {
        plan = _plans[index];
        if (plan.id != planId) revert Errors.PlanMismatch(planId, plan.id);
        if (block.timestamp >= plan.expiresAt) revert Errors.PlanExpired(planId, plan.expiresAt);
    }

    /* INTERNALS: SWAP */

    /// @dev Checks plan membership and size; returns the {tok} that may be bought.
    function _checkSize(Swap calldata order, Plan memory plan, Policy memory policy, uint256 sellPrice)
        private
        view
        returns (uint256 deficit)
    {
        uint256 supply = IERC20(order.index).totalSupply();
        uint256 growth = _growth(plan);
        (uint256 surplus,) = _gap(order.index, order.sell, _unit(order.index, order.sell, plan, growth), supply);
        (, deficit) = _gap(order.index, order.buy, _unit(order.index, order.buy, plan, growth), supply);
        if (order.sellAmount == 0 || order.sellAmount > surplus) {
            revert Errors.SurplusExceeded(order.sell, order.sellAmount, surplus);
        }
        // {nUSD} = D18{1} * (D27{nUSD/share} * {share} / D27) / D18
        uint256 nav = plan.navPerShare.fullMulDiv(supply, Constants.D27);
        uint256 maxValue = nav.fullMulDiv(policy.maxTrade, Constants.WAD);
        uint256 value = TradeMath.valueUp(order.sellAmount, sellPrice);
        if (value > maxValue) revert Errors.TradeTooLarge(value, maxValue);
    }

    function _exchange(Swap calldata order, uint256 minBuy) private returns (uint256 sold, uint256 bought) {
        Leg[] memory outs = new Leg[](1);
        Leg[] memory ins = new Leg[](1);
        outs[0] = Leg(order.sell, order.sellAmount);
        ins[0] = Leg(order.buy, minBuy);
        (uint256[] memory soldAmounts, uint256[] memory boughtAmounts) =
            IIndexToken(order.index).exchange(outs, ins, order.payee, order.taker, order.data);
        return (soldAmounts[0], boughtAmounts[0]);
    }

    function _startCooldown(address index, address token, uint256 cooldown) private {
        Target storage target = _targets[index][token];
        uint256 until = uint256(target.lastTradeAt) + cooldown;
        require(block.timestamp >= until, Errors.CooldownActive(token, until));
        target.lastTradeAt = uint32(block.timestamp);
    }

    /// @dev D27{tok/share} target of a token in the live plan, after the streaming fee has diluted it by `growth`.
    function _unit(address index, address token, Plan memory plan, uint256 growth) private view returns (uint256) {
        Target memory target = _targets[index][token];
        if (target.planId != plan.id) revert Errors.TokenNotInPlan(token);
        return TradeMath.unitDiluted(target.unit, growth);
    }

    /// @dev D18{1} growth of the supply by the streaming fee since the plan started.
    function _growth(Plan memory plan) private view returns (uint256) {
        return FeeMath.growth(plan.streamingRate, block.timestamp - plan.startedAt);
    }

    /// @dev {tok} above and below a target.
    function _gap(address index, address token, uint256 unit, uint256 supply)
        private
        view
        returns (uint256 surplus, uint256 deficit)
    {
        (, uint256 available) = _available(index, token);
        return (TradeMath.surplus(available, unit, supply), TradeMath.deficit(available, unit, supply));
    }

    /// @dev {tok} of the index less its claims; zero and not readable for a token that does not answer.
    function _available(address index, address token) private view returns (bool readable, uint256 available) {
        (readable, available) = TokenLib.tryBalanceOf(token, index, Constants.BALANCE_GAS);
        available = available.zeroFloorSub(IIndexToken(index).claimsOwed(token));
    }

    /* INTERNALS: POLICY */

    function _registeredPolicy(address index) private view returns (Policy memory policy) {
        policy = _policies[index];
        require(policy.maxDuration != 0, Errors.NotRegistered(index));
    }

    function _setPolicy(address index, Policy calldata policy) private {
        _checkBound("maxSlippage", policy.maxSlippage, 0, Constants.MAX_SLIPPAGE);
        _checkBound("cooldown", policy.cooldown, 0, Constants.MAX_COOLDOWN);
        _checkBound("minInterval", policy.minInterval, 0, Constants.MAX_WINDOW);
        _checkBound("maxDuration", policy.maxDuration, 1, Constants.MAX_PLAN_DURATION);
        _checkBound("maxTrade", policy.maxTrade, 1, Constants.WAD);
        _checkBound("maxWeight", policy.maxWeight, 1, Constants.WAD);
        _policies[index] = policy;
        emit SetPolicy(index, policy);
    }

    function _setAllowed(address index, address[] calldata tokens, bool allowed) private {
        for (uint256 i; i < tokens.length; ++i) {
            isAllowed[index][tokens[i]] = allowed;
            emit SetAllowed(index, tokens[i], allowed);
        }
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}
