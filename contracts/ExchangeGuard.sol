// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Leg} from "./interfaces/ITaker.sol";
import {AuctionMath} from "./libraries/AuctionMath.sol";
import {BudgetMath} from "./libraries/BudgetMath.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {RoleLib} from "./libraries/RoleLib.sol";
import {TokenLib} from "./libraries/TokenLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title ExchangeGuard
/// @notice One guard for all indexes of one oracle; each index has its own limits and budgets.
/// @dev VALUATION: the NAV per share is remembered for at most `valuationMaxAge`, so that an exchange reads two prices
/// and not all of them. Mints and redeems are pro rata and leave it as it is. COST: three words read, one written.
contract ExchangeGuard is IExchangeGuard {
    using FixedPointMathLib for uint256;

    struct Valuation {
        uint216 navPerShare; // D27{nUSD/share}
        uint40 valuedAt; // {s}
    }

    address public immutable oracle;

    mapping(address index => Limits) private _limits;
    mapping(address index => Budget) private _budgets;
    mapping(address index => Valuation) private _valuations;

    constructor(address oracle_) {
        require(oracle_ != address(0), Errors.ZeroAddress());
        oracle = oracle_;
    }

    /* INDEX */

    /// @inheritdoc IExchangeGuard
    function check(Leg[] calldata sold, Leg[] calldata bought, uint256 supply) external {
        Limits memory limits = _registeredLimits(msg.sender);
        uint256 navPerShare = _valuations[msg.sender].navPerShare;
        if (navPerShare == 0 || block.timestamp - _valuations[msg.sender].valuedAt > limits.valuationMaxAge) {
            navPerShare = _revalue(msg.sender, supply);
        }
        // {nUSD} = D27{nUSD/share} * {share} / D27
        uint256 nav = navPerShare.fullMulDiv(supply, Constants.D27);
        require(nav != 0, Errors.ValuationZero(msg.sender));

        uint256 valueOut;
        uint256 valueIn;
        for (uint256 i; i < sold.length; ++i) {
            valueOut += TradeMath.valueUp(sold[i].amount, _price(msg.sender, sold[i].token));
        }
        for (uint256 i; i < bought.length; ++i) {
            valueIn += TradeMath.valueDown(bought[i].amount, _price(msg.sender, bought[i].token));
        }
        uint256 loss = BudgetMath.fractionUp(valueOut.zeroFloorSub(valueIn), nav);
        uint256 turnover = BudgetMath.fractionUp(valueOut, nav);

        _charge(msg.sender, limits, loss, turnover);
    }

    /// @inheritdoc IExchangeGuard
    function chargeFee(uint256 shares, uint256 supply) external {
        _charge(msg.sender, _registeredLimits(msg.sender), BudgetMath.fractionUp(shares, supply), 0);
    }

    /* FACTORY AND GOVERNOR */

    /// @inheritdoc IExchangeGuard
    function register(address index, Limits calldata limits) external {
        require(_limits[index].lossWindow == 0, Errors.AlreadyRegistered(index));
        if (IIndexToken(index).factory() != msg.sender) RoleLib.requireRole(index);
        _budgets[index].updatedAt = uint40(block.timestamp);
        _setLimits(index, limits);
    }

    /// @inheritdoc IExchangeGuard
    function setLimits(address index, Limits calldata limits) external {
        Limits memory old = _registeredLimits(index);
        RoleLib.requirePower(index);
        // What drained so far drained at the old pace.
        _budgets[index] = _drained(index, old);
        _setLimits(index, limits);
    }

    /* ANYONE */

    /// @inheritdoc IExchangeGuard
    function revalue(address index) external returns (uint256 navPerShare) {
        _registeredLimits(index);
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        navPerShare = _revalue(index, IERC20(index).totalSupply());
    }

    /* VIEWS */

    /// @inheritdoc IExchangeGuard
    function limitsOf(address index) external view returns (Limits memory) {
        return _limits[index];
    }

    /// @inheritdoc IExchangeGuard
    function budgetOf(address index) external view returns (Budget memory) {
        return _budgets[index];
    }

    /// @inheritdoc IExchangeGuard
    function usedOf(address index) external view returns (uint256 lossUsed, uint256 turnoverUsed) {
        Budget memory budget = _drained(index, _registeredLimits(index));
        return (budget.lossUsed, budget.turnoverUsed);
    }

    /// @inheritdoc IExchangeGuard
    function valuationOf(address index) external view returns (uint256 navPerShare, uint256 valuedAt) {
        Valuation memory valuation = _valuations[index];
        return (valuation.navPerShare, valuation.valuedAt);
    }

    /* INTERNALS */

    function _charge(address index, Limits memory limits, uint256 loss, uint256 turnover) private {
        Budget memory budget = _drained(index, limits);
        uint256 lossLeft = uint256(limits.lossCapacity).zeroFloorSub(budget.lossUsed);
        uint256 turnoverLeft = uint256(limits.turnoverCapacity).zeroFloorSub(budget.turnoverUsed);
        if (loss > lossLeft) revert Errors.LossBudgetExceeded(loss, lossLeft);
        if (turnover > turnoverLeft) revert Errors.TurnoverBudgetExceeded(turnover, turnoverLeft);

        // Both sums are at most their capacity, which fits the word.
        budget.lossUsed += uint64(loss);
        budget.turnoverUsed += uint64(turnover);
        _budgets[index] = budget;

        emit Charge(index, loss, turnover, budget.lossUsed, budget.turnoverUsed);
    }

    /// @dev The budget word as of now.
    function _drained(address index, Limits memory limits) private view returns (Budget memory budget) {
        budget = _budgets[index];
        uint256 elapsed = block.timestamp - budget.updatedAt;
        budget.lossUsed =
            uint64(BudgetMath.usedAfter(budget.lossUsed, limits.lossCapacity, limits.lossWindow, elapsed));
        budget.turnoverUsed =
            uint64(BudgetMath.usedAfter(budget.turnoverUsed, limits.turnoverCapacity, limits.turnoverWindow, elapsed));
        budget.updatedAt = uint40(block.timestamp);
    }

    /// @dev Values what is available after claims; a component without a price or a balance counts as zero.
    function _revalue(address index, uint256 supply) private returns (uint256 navPerShare) {
        address[] memory list = IIndexToken(index).components();
        uint256 claims = IIndexToken(index).claimsMask();
        uint256 nav;
        for (uint256 i; i < list.length; ++i) {
            uint256 price = IPriceOracle(oracle).tryPrice(list[i]);
            if (price == 0) price = _middle(index, list[i]);
            if (price == 0) continue;
            (, uint256 balance) = TokenLib.tryBalanceOf(list[i], index, Constants.BALANCE_GAS);
            if (claims >> i & 1 == 1) balance = balance.zeroFloorSub(IIndexToken(index).claimsOwed(list[i]));
            nav += TradeMath.valueDown(balance, price);
        }
        navPerShare = TradeMath.navPerShare(nav, supply);
        require(navPerShare != 0 && navPerShare <= type(uint216).max, Errors.ValuationZero(index));
        _valuations[index] = Valuation(uint216(navPerShare), uint40(block.timestamp));
        emit Value(index, navPerShare, supply);
    }

    /// @dev D27{nUSD/tok} of the oracle; of the governor's range where the oracle has none and a manual plan is live;
    /// otherwise the oracle's reason. Asks nobody else as long as there is a price.
    function _price(address index, address token) private view returns (uint256 price) {
        try IPriceOracle(oracle).price(token) returns (uint256 answer) {
            return answer;
        } catch (bytes memory reason) {
            price = _middle(index, token);
            if (price == 0) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
        }
    }

    /// @dev The middle of a token's range, zero if there is none or the rebalancer knows no ranges.
    function _middle(address index, address token) private view returns (uint256) {
        address rebalancer = IIndexToken(index).rebalancer();
        (bool ok, bytes memory answer) = rebalancer.staticcall(abi.encodeCall(IRebalancer.rangeOf, (index, token)));
        if (!ok || answer.length != 64) return 0;
        (uint256 low, uint256 high) = abi.decode(answer, (uint256, uint256));
        return AuctionMath.middle(low, high);
    }

    function _setLimits(address index, Limits calldata limits) private {
        _checkBound("lossCapacity", limits.lossCapacity, 0, Constants.MAX_LOSS_CAPACITY);
        _checkBound("lossWindow", limits.lossWindow, Constants.MIN_WINDOW, Constants.MAX_WINDOW);
        _checkBound("turnoverCapacity", limits.turnoverCapacity, 0, Constants.MAX_TURNOVER_CAPACITY);
        _checkBound("turnoverWindow", limits.turnoverWindow, Constants.MIN_WINDOW, Constants.MAX_WINDOW);
        _checkBound("valuationMaxAge", limits.valuationMaxAge, 0, Constants.MAX_VALUATION_AGE);
        _limits[index] = limits;
        emit SetLimits(index, limits);
    }

    function _registeredLimits(address index) private view returns (Limits memory limits) {
        limits = _limits[index];
        require(limits.lossWindow != 0, Errors.NotRegistered(index));
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}
