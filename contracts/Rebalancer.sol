// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {AuctionHouse} from "./AuctionHouse.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";
import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IFeeModule} from "./interfaces/IFeeModule.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Leg} from "./interfaces/ITaker.sol";
import {IWeightSource} from "./interfaces/IWeightSource.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {HoldingsLib} from "./libraries/HoldingsLib.sol";
import {RoleLib} from "./libraries/RoleLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title Rebalancer
/// @notice One for all indexes of one oracle. Holds no tokens and no allowances; it only tells an index what to exchange.
/// @dev A target is a word per token: units, the plan they belong to and the last trade. A word of an older plan is no
/// target, so ending a plan costs nothing per token. Reentrancy: every path that matters ends in a call of the index,
/// which is locked while one of its own calls is on the stack; what is stored is stored before that call.
contract Rebalancer is IRebalancer {
    using FixedPointMathLib for uint256;

    address public immutable oracle;
    address public immutable auctions;

    mapping(address index => Policy) private _policies;
    mapping(address index => mapping(address token => bool)) public isAllowed;
    mapping(address index => Plan) private _plans; // two words, and a trade writes only the first
    mapping(address index => mapping(address token => Target)) private _targets;
    mapping(address index => mapping(address token => PriceRange)) private _ranges;
    mapping(address index => address) public weightSourceOf;

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
        auctions = address(new AuctionHouse(oracle_));
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
        RoleLib.requirePower(index);
        _setPolicy(index, policy);
    }

    /// @inheritdoc IRebalancer
    function setAllowed(address index, address[] calldata tokens, bool allowed) external {
        _registeredPolicy(index);
        RoleLib.requirePower(index);
        _setAllowed(index, tokens, allowed);
    }

    /// @inheritdoc IRebalancer
    function setWeightSource(address index, address source) external {
        _registeredPolicy(index);
        RoleLib.requirePower(index);
        weightSourceOf[index] = source;
        emit SetWeightSource(index, source);
    }

    /// @inheritdoc IRebalancer
    function startManualPlan(address index, ManualPlan calldata manual) external {
        Policy memory policy = _registeredPolicy(index);
        RoleLib.requirePower(index);
        _checkStart(index, policy, manual.planId, manual.expectedVersion, manual.duration);
        _settleFees(index, _loadPlan(index));

        _storePlan(index, manual.planId, manual.duration, true);
        address[] memory tokens = _storeRanges(index, manual);
        if (manual.additions.length != 0) IIndexToken(index).updateComponents(0, manual.additions);
        // The guard asks for the ranges where the oracle has no price.
        uint256 navPerShare = IExchangeGuard(IIndexToken(index).guard()).revalue(index);
        _storeNav(index, navPerShare);

        emit StartManualPlan(
            index, manual.planId, tokens, manual.units, manual.ranges, navPerShare, block.timestamp + manual.duration
        );
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

        _settleFees(index, _loadPlan(index));

        Draft memory draft = _draft(index, additions, weights.length);
        _checkExecuted(index, draft.tokens, weights);
        _deriveUnits(index, draft, weights, policy.maxWeight);

        _storePlan(index, planId, duration, false);
        _storeNav(index, draft.navPerShare);
        _storeTargets(index, draft, planId);
        IExchangeGuard(IIndexToken(index).guard()).revalue(index);
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

        (uint256 sellPrice, uint256 buyPrice) = _prices(order, plan.manual);
        Settlement memory settlement = _settlement(order, plan, policy, sellPrice);
        uint256 floor = TradeMath.minBuy(order.sellAmount, sellPrice, buyPrice, _floorFactor(plan, policy));
        settlement.ins[0].amount = order.minBuy.max(floor);

        _plans[order.index].steps = plan.steps + 1;
        if (policy.cooldown != 0) {
            _startCooldown(order.index, order.sell, policy.cooldown);
            _startCooldown(order.index, order.buy, policy.cooldown);
        }
        uint256 sold;
        (sold, bought) = _settleOne(settlement);

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
            floor,
            settlement.turnover
        );
    }

    /// @inheritdoc IRebalancer
    function scalePlan(address index, uint256 planId, uint256 scale) external {
        Plan memory plan = _livePlan(index, planId);
        RoleLib.requireRole(index);
        require(plan.scale == Constants.PPM, Errors.PlanScaled(planId, plan.scale));
        _checkBound("scale", scale, Constants.PPM - Constants.MAX_SCALE, Constants.PPM + Constants.MAX_SCALE);
        _plans[index].scale = uint24(scale);
        emit ScalePlan(index, planId, scale);
    }

    /// @inheritdoc IRebalancer
    function endPlan(address index, uint256 planId) external {
        Plan memory plan = _loadPlan(index);
        require(plan.id == planId && plan.expiresAt != 0, Errors.PlanMismatch(planId, plan.id));
        if (block.timestamp < plan.expiresAt) RoleLib.requireRole(index);

        _plans[index].expiresAt = 0;
        if (IIndexToken(index).rebalancer() == address(this)) {
            _dropEmpty(index, plan.id);
            _settleFees(index, plan);
        }

        emit EndPlan(index, planId, plan.steps);
    }

    /* AUCTION HOUSE */

    /// @inheritdoc IRebalancer
    function settle(Settlement memory settlement)
        external
        returns (uint256[] memory sold, uint256[] memory bought)
    {
        if (msg.sender != auctions) revert Errors.NotAuctionHouse(msg.sender);
        return _settle(settlement);
    }

    /* VIEWS */

    /// @inheritdoc IRebalancer
    function policyOf(address index) external view returns (Policy memory) {
        return _policies[index];
    }

    /// @inheritdoc IRebalancer
    function planOf(address index) external view returns (Plan memory) {
        return _loadPlan(index);
    }

    /// @inheritdoc IRebalancer
    function rangeOf(address index, address token) external view returns (uint256 low, uint256 high) {
        Plan memory plan = _loadPlan(index);
        if (!plan.manual || block.timestamp >= plan.expiresAt || _targets[index][token].planId != plan.id) return (0, 0);
        PriceRange memory range = _ranges[index][token];
        return (range.low, range.high);
    }

    /// @inheritdoc IRebalancer
    function livePlanOf(address index, uint256 planId, address[] calldata tokens)
        external
        view
        returns (Plan memory plan, uint256[] memory units)
    {
        plan = _livePlan(index, planId);
        uint256 growth = _growth(plan);
        units = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            units[i] = _unit(index, tokens[i], plan, growth);
        }
    }

    /// @inheritdoc IRebalancer
    function targetOf(address index, address token) external view returns (Target memory) {
        return _targets[index][token];
    }

    /// @inheritdoc IRebalancer
    function gapOf(address index, address token) external view returns (uint256 surplus, uint256 deficit) {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        Plan memory plan = _loadPlan(index);
        if (block.timestamp >= plan.expiresAt || _targets[index][token].planId != plan.id) return (0, 0);
        return HoldingsLib.gap(index, token, _unit(index, token, plan, _growth(plan)), IERC20(index).totalSupply());
    }

    /// @inheritdoc IRebalancer
    function floorOf(address index, address sell, address buy, uint256 sellAmount) external view returns (uint256) {
        return TradeMath.minBuy(
            sellAmount,
            _price(sell),
            _price(buy),
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
        Plan memory last = _loadPlan(index);
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
            (bool readable, uint256 available) = HoldingsLib.available(index, token);
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
            if (draft.prices[i] == 0) _price(token); // reverts with the reason
            sum += weight;
            uint256 unit = TradeMath.unitFromWeight(weight, draft.navPerShare, draft.prices[i]);
            draft.units[i] = unit;
        }
        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));
    }

    /// @dev Everything of the plan but its valuation. Fee and tip stay as they are now.
    function _storePlan(address index, uint256 planId, uint256 duration, bool manual) private {
        IAuctionHouse.AuctionPolicy memory policy = IAuctionHouse(auctions).auctionPolicyOf(index);
        _plans[index] = Plan({
            id: uint40(planId),
            steps: 0,
            startedAt: uint40(block.timestamp),
            expiresAt: uint40(block.timestamp + duration),
            turnover: 0,
            scale: uint24(Constants.PPM),
            noted: IIndexToken(index).feeModule() != address(0),
            manual: manual,
            streamingRate: uint56(IIndexToken(index).streamingRate()),
            navPerShare: 0,
            rebalanceFee: policy.rebalanceFee,
            keeperTip: policy.keeperTip
        });
    }

    function _storeNav(address index, uint256 navPerShare) private {
        require(navPerShare <= type(uint168).max, Errors.UnitOverflow(index, navPerShare));
        _plans[index].navPerShare = uint168(navPerShare);
    }

    function _storeTargets(address index, Draft memory draft, uint256 planId) private {
        for (uint256 i; i < draft.tokens.length; ++i) {
            if (draft.prices[i] == 0) continue; // no price, no target: it cannot be traded
            _storeTarget(index, draft.tokens[i], planId, draft.units[i]);
        }
    }

    function _storeTarget(address index, address token, uint256 planId, uint256 unit) private {
        require(unit <= type(uint184).max, Errors.UnitOverflow(token, unit));
        Target storage target = _targets[index][token];
        (target.planId, target.unit) = (uint40(planId), uint184(unit));
    }

    /// @dev Checks and stores the units and ranges of a manual plan; returns its tokens.
    function _storeRanges(address index, ManualPlan calldata manual) private returns (address[] memory tokens) {
        address[] memory list = IIndexToken(index).components();
        uint256 n = list.length + manual.additions.length;
        require(manual.units.length == n, Errors.LengthMismatch(manual.units.length, n));
        require(manual.ranges.length == n, Errors.LengthMismatch(manual.ranges.length, n));
        tokens = new address[](n);
        for (uint256 i; i < n; ++i) {
            bool isNew = i >= list.length;
            address token = isNew ? manual.additions[i - list.length] : list[i];
            (uint256 low, uint256 high, uint256 unit) = (manual.ranges[i].low, manual.ranges[i].high, manual.units[i]);
            tokens[i] = token;
            if (high == 0 && low == 0 && unit == 0 && !isNew) continue; // stays as it is
            require(low != 0 && low <= high && high <= low * Constants.MAX_RANGE, Errors.RangeInvalid(token, low, high));
            require(unit != 0 || !isNew, Errors.AdditionWithoutWeight(token));
            require(unit == 0 || isAllowed[index][token], Errors.TokenNotAllowed(token));
            _storeTarget(index, token, manual.planId, unit);
            _ranges[index][token] = manual.ranges[i];
        }
    }

    function _checkExecuted(address index, address[] memory tokens, uint256[] calldata weights) private view {
        address source = weightSourceOf[index];
        if (source == address(0)) return;
        uint256[] memory executed = IWeightSource(source).weightsOf(index, tokens);
        for (uint256 i; i < weights.length; ++i) {
            require(weights[i] == executed[i], Errors.WeightNotExecuted(tokens[i], weights[i], executed[i]));
        }
    }

    /// @dev Pays fee and tip of a plan that was not settled yet.
    function _settleFees(address index, Plan memory plan) private {
        if (plan.expiresAt == 0 || plan.turnover == 0) return;
        (uint256 tip, uint256 fee, address recipient) = IAuctionHouse(auctions).feesDue(index, plan);
        if (tip != 0) IIndexToken(index).mintFeeShares(tip, msg.sender);
        if (fee != 0) IIndexToken(index).mintFeeShares(fee, recipient);
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
            (bool readable, uint256 available) = HoldingsLib.available(index, list[i]);
            if (readable && available == 0) removeMask |= 1 << i;
        }
        if (removeMask != 0) IIndexToken(index).updateComponents(removeMask, new address[](0));
    }

    /// @dev One place for what is read everywhere: the copy takes much code.
    function _loadPlan(address index) private view returns (Plan memory) {
        return _plans[index];
    }

    function _livePlan(address index, uint256 planId) private view returns (Plan memory plan) {
        plan = _loadPlan(index);
        if (plan.id != planId) revert Errors.PlanMismatch(planId, plan.id);
        if (block.timestamp >= plan.expiresAt) revert Errors.PlanExpired(planId, plan.expiresAt);
    }

    /* INTERNALS: TRADES */

    /// @dev D27{nUSD/tok} of both tokens of a swap: the oracle's; in a manual plan the ends of the ranges, which make the
    /// floor.
    function _prices(Swap calldata order, bool isManual) private view returns (uint256 sellPrice, uint256 buyPrice) {
        if (isManual) return (_ranges[order.index][order.sell].low, _ranges[order.index][order.buy].high);
        return (_price(order.sell), _price(order.buy));
    }

    /// @dev D27{nUSD/tok} of the live oracle, or its reason.
    function _price(address token) private view returns (uint256) {
        return IPriceOracle(oracle).price(token);
    }

    function _floorFactor(Plan memory plan, Policy memory policy) private pure returns (uint256) {
        return plan.manual ? Constants.PPM : Constants.PPM - policy.maxSlippage;
    }

    /// @dev Checks plan membership and size of a swap; the least to buy is still to be set.
    function _settlement(Swap calldata order, Plan memory plan, Policy memory policy, uint256 sellPrice)
        private
        view
        returns (Settlement memory settlement)
    {
        uint256 supply = IERC20(order.index).totalSupply();
        settlement.deficits = new uint256[](1);
        {
            uint256 growth = _growth(plan);
            uint256 unit = _unit(order.index, order.sell, plan, growth);
            (uint256 surplus,) = HoldingsLib.gap(order.index, order.sell, unit, supply);
            unit = _unit(order.index, order.buy, plan, growth);
            (, settlement.deficits[0]) = HoldingsLib.gap(order.index, order.buy, unit, supply);
            if (order.sellAmount == 0 || order.sellAmount > surplus) {
                revert Errors.SurplusExceeded(order.sell, order.sellAmount, surplus);
            }
        }
        // {nUSD} = D18{1} * (D27{nUSD/share} * {share} / D27) / D18
        uint256 nav = uint256(plan.navPerShare).fullMulDiv(supply, Constants.D27);
        uint256 maxValue = nav.fullMulDiv(policy.maxTrade, Constants.WAD);
        uint256 value = TradeMath.valueUp(order.sellAmount, sellPrice);
        if (value > maxValue) revert Errors.TradeTooLarge(value, maxValue);

        settlement.turnover = TradeMath.turnoverAfter(plan.turnover, value, nav);
        settlement.index = order.index;
        settlement.outs = new Leg[](1);
        settlement.ins = new Leg[](1);
        settlement.outs[0] = Leg(order.sell, order.sellAmount);
        settlement.ins[0].token = order.buy;
        (settlement.payee, settlement.taker, settlement.data) = (order.payee, order.taker, order.data);
    }

    function _settleOne(Settlement memory settlement) private returns (uint256 sold, uint256 bought) {
        (uint256[] memory soldAmounts, uint256[] memory boughtAmounts) = _settle(settlement);
        return (soldAmounts[0], boughtAmounts[0]);
    }

    /// @dev What every trade ends in. Everything is stored before the index is called.
    function _settle(Settlement memory settlement)
        private
        returns (uint256[] memory sold, uint256[] memory bought)
    {
        address index = settlement.index;
        _plans[index].turnover = uint64(settlement.turnover);
        (sold, bought) = IIndexToken(index).exchange(
            settlement.outs, settlement.ins, settlement.payee, settlement.taker, settlement.data
        );
        for (uint256 i; i < bought.length; ++i) {
            if (bought[i] > settlement.deficits[i]) {
                revert Errors.DeficitExceeded(settlement.ins[i].token, bought[i], settlement.deficits[i]);
            }
        }
        _dropSoldOut(index, settlement.outs);
        if (_plans[index].noted) _note(settlement, sold, bought);
    }

    /// @dev Tells the fee module of the index what moved.
    function _note(Settlement memory settlement, uint256[] memory sold, uint256[] memory bought) private {
        address module = IIndexToken(settlement.index).feeModule();
        if (module == address(0)) return;
        for (uint256 i; i < sold.length; ++i) {
            settlement.outs[i].amount = sold[i];
        }
        for (uint256 i; i < bought.length; ++i) {
            settlement.ins[i].amount = bought[i];
        }
        IFeeModule(module).noteExchange(settlement.index, settlement.outs, settlement.ins);
    }

    /// @dev Drops what was sold, has no target and nothing left. If the index refuses, the trade stands all the same and
    /// the end of the plan tries again.
    function _dropSoldOut(address index, Leg[] memory outs) private {
        uint256 removeMask;
        for (uint256 i; i < outs.length; ++i) {
            if (_targets[index][outs[i].token].unit == 0) removeMask |= _maskOfEmpty(index, outs[i].token);
        }
        if (removeMask == 0) return;
        try IIndexToken(index).updateComponents(removeMask, new address[](0)) {} catch {}
    }

    /// @dev The bit of a component with nothing available, zero for any other.
    function _maskOfEmpty(address index, address token) private view returns (uint256) {
        (bool readable, uint256 available) = HoldingsLib.available(index, token);
        if (!readable || available != 0) return 0;
        address[] memory list = IIndexToken(index).components();
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == token) return 1 << i;
        }
        return 0;
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
        uint256 unit = plan.scale == Constants.PPM ? target.unit : TradeMath.unitScaled(target.unit, plan.scale);
        return TradeMath.unitDiluted(unit, growth);
    }

    /// @dev D18{1} growth of the supply by the streaming fee since the plan started.
    function _growth(Plan memory plan) private view returns (uint256) {
        return FeeMath.growth(plan.streamingRate, block.timestamp - plan.startedAt);
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
