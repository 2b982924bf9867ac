// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";
import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {ITaker, Leg} from "./interfaces/ITaker.sol";
import {AuctionMath} from "./libraries/AuctionMath.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {HoldingsLib} from "./libraries/HoldingsLib.sol";
import {RoleLib} from "./libraries/RoleLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title AuctionHouse
/// @notice One for all indexes of one rebalancer. Holds no tokens; prices and sizes fills, which the rebalancer settles.
/// @dev Reentrancy: every fill ends in a call of the index, which is locked while one of its own calls is on the stack.
/// Payment is pulled from the caller of the running fill alone, by a commitment to index, amounts and caller that lasts no
/// longer than the fill.
contract AuctionHouse is IAuctionHouse, ITaker {
    using FixedPointMathLib for uint256;
    using SafeERC20 for IERC20;

    /// @dev Transient: what the running fill owes, or zero.
    bytes32 private constant PULL_SLOT = keccak256("ballast.AuctionHouse.pull");

    address public immutable oracle;
    address public immutable rebalancer;

    mapping(address index => AuctionPolicy) private _policies;
    mapping(address index => Auction) private _auctions; // one word

    /// @dev One token of a trade.
    struct Side {
        uint256 price; // D27{nUSD/tok}
        uint256 gap; // {tok} surplus of what is sold, deficit of what is bought
    }

    /// @dev A fill on the terms of this moment.
    struct Terms {
        address index;
        IRebalancer.Plan plan;
        uint256[] units; // D27{tok/share} of what is sold, then of what is bought
        uint256 supply; // {share}
        uint256 factor; // {ppm} of the price
        uint256 elapsed; // {s} of the auction
        uint256 duration; // {s} of the auction
    }

    /// @param oracle_ of the rebalancer, which makes this contract
    constructor(address oracle_) {
        oracle = oracle_;
        rebalancer = msg.sender;
    }

    /* GOVERNOR */

    /// @inheritdoc IAuctionHouse
    function setAuctionPolicy(address index, AuctionPolicy calldata policy) external {
        RoleLib.requirePower(index);
        _checkBound("maxPremium", policy.maxPremium, 0, Constants.MAX_PREMIUM);
        _checkBound("maxDiscount", policy.maxDiscount, 0, Constants.MAX_SLIPPAGE);
        if (policy.maxDuration != 0) {
            uint256 least = Constants.MIN_AUCTION_DURATION;
            _checkBound("minDuration", policy.minDuration, least, Constants.MAX_AUCTION_DURATION);
            _checkBound("maxDuration", policy.maxDuration, policy.minDuration, Constants.MAX_AUCTION_DURATION);
        }
        _checkBound("warmUp", policy.warmUp, 0, Constants.MAX_WARM_UP);
        _checkBound("strategistWindow", policy.strategistWindow, 0, Constants.MAX_PLAN_DURATION);
        _checkBound("rebalanceFee", policy.rebalanceFee, 0, Constants.MAX_REBALANCE_FEE);
        _checkBound("keeperTip", policy.keeperTip, 0, Constants.MAX_KEEPER_TIP);
        _policies[index] = policy;
        emit SetAuctionPolicy(index, policy);
    }

    /* STRATEGIST, GUARDIAN, ANYONE */

    /// @inheritdoc IAuctionHouse
    function openAuction(
        address index,
        uint256 planId,
        uint256 auctionId,
        int24 startPpm,
        int24 endPpm,
        uint256 duration,
        Curve curve
    ) external {
        AuctionPolicy memory policy = _policies[index];
        Auction memory auction = Auction({
            planId: uint40(planId),
            id: uint32(auctionId),
            startsAt: uint40(block.timestamp + policy.warmUp),
            endsAt: uint40(block.timestamp + policy.warmUp + duration.min(type(uint32).max)),
            startPpm: startPpm,
            endPpm: endPpm,
            curve: curve
        });
        _checkOpening(index, planId, auctionId, policy, auction);

        _auctions[index] = auction;
        emit OpenAuction(index, planId, auctionId, msg.sender, auction);
    }

    /// @inheritdoc IAuctionHouse
    function closeAuction(address index, uint256 auctionId) external {
        if (!RoleLib.hasRole(index, IAuctionHouse.openAuction.selector)) RoleLib.requireRole(index);
        Auction memory auction = _auctions[index];
        require(auctionId == auction.id, Errors.AuctionMismatch(auctionId, auction.id));
        require(block.timestamp <= auction.endsAt, Errors.AuctionNotLive(auctionId, auction.startsAt, auction.endsAt));
        _auctions[index].endsAt = 0;
        emit CloseAuction(index, auction.planId, auctionId, msg.sender);
    }

    /// @inheritdoc IAuctionHouse
    function fill(Fill calldata order) external returns (uint256 sold, uint256 bought) {
        Terms memory terms = _termsOfPair(order.index, order.planId, order.auctionId, order.sell, order.buy);
        (Side memory sell, Side memory buy) = _sidesOfPair(terms, order.sell, order.buy);
        (sold, bought) = _sizePair(terms, sell, buy, order.maxSell);
        if (sold == 0 || sold < order.minSell) revert Errors.FillTooSmall(order.sell, sold, order.minSell);
        if (bought > order.maxBuy) revert Errors.FillTooExpensive(order.buy, bought, order.maxBuy);

        IRebalancer.Settlement memory settlement = _newSettlement(order.index, 1, 1);
        settlement.outs[0] = Leg(order.sell, sold);
        settlement.ins[0] = Leg(order.buy, bought);
        settlement.deficits[0] = buy.gap;
        settlement.turnover = _turnover(terms, TradeMath.valueUp(sold, sell.price));
        (settlement.payee, settlement.taker, settlement.data) = (order.payee, order.taker, order.data);
        _settle(settlement);
        (sold, bought) = (settlement.outs[0].amount, settlement.ins[0].amount);

        emit FillAuction(
            order.index,
            order.planId,
            msg.sender,
            order.auctionId,
            order.sell,
            order.buy,
            sold,
            bought,
            sell.price,
            buy.price,
            terms.factor,
            settlement.turnover
        );
    }

    /// @inheritdoc IAuctionHouse
    function fillMany(FillMany calldata order) external returns (uint256[] memory sold, uint256[] memory bought) {
        Terms memory terms = _termsOfMany(order);
        IRebalancer.Settlement memory settlement =
            _newSettlement(order.index, order.sells.length, order.buys.length);
        uint256 paid = _sizeBuys(terms, order, settlement);
        uint256 value = _sizeSells(terms, order.sells, settlement, TradeMath.valuePaid(paid, terms.factor));
        settlement.turnover = _turnover(terms, value);
        (settlement.payee, settlement.taker, settlement.data) = (order.payee, order.taker, order.data);
        (sold, bought) = _settle(settlement);

        emit FillLegs(
            order.index,
            order.planId,
            msg.sender,
            order.auctionId,
            settlement.outs,
            settlement.ins,
            terms.factor,
            settlement.turnover
        );
    }

    /* INDEX */

    /// @notice Pays for the running fill with its caller's tokens. Called by the index.
    function onExchange(Leg[] calldata, Leg[] calldata ins, bytes calldata data) external {
        bytes32 slot = PULL_SLOT;
        bytes32 owed;
        assembly ("memory-safe") {
            owed := tload(slot)
            tstore(slot, 0) // pays once
        }
        if (owed != keccak256(abi.encode(msg.sender, ins, data))) revert Errors.PullUnexpected(msg.sender);
        address filler = abi.decode(data, (address));
        for (uint256 i; i < ins.length; ++i) {
            IERC20(ins[i].token).safeTransferFrom(filler, msg.sender, ins[i].amount);
        }
    }

    /* VIEWS */

    /// @inheritdoc IAuctionHouse
    function auctionPolicyOf(address index) external view returns (AuctionPolicy memory) {
        return _policies[index];
    }

    /// @inheritdoc IAuctionHouse
    function auctionOf(address index) external view returns (Auction memory) {
        return _auctions[index];
    }

    /// @inheritdoc IAuctionHouse
    function quote(address index, address sell, address buy, uint256 maxSell)
        external
        view
        returns (uint256 sellAmount, uint256 buyAmount, int256 offset)
    {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        Auction memory auction = _auctions[index];
        Terms memory terms = _termsOfPair(index, auction.planId, auction.id, sell, buy);
        (Side memory sellSide, Side memory buySide) = _sidesOfPair(terms, sell, buy);
        (sellAmount, buyAmount) = _sizePair(terms, sellSide, buySide, maxSell);
        offset = int256(terms.factor) - int256(Constants.PPM);
    }

    /// @inheritdoc IAuctionHouse
    function feesDue(address index, IRebalancer.Plan calldata plan)
        external
        view
        returns (uint256 tipShares, uint256 feeShares, address recipient)
    {
        uint256 tip = uint256(plan.turnover) * plan.keeperTip / Constants.PPM;
        uint256 fee = uint256(plan.turnover) * plan.rebalanceFee / Constants.PPM;
        if (tip + fee == 0) return (0, 0, address(0));

        IExchangeGuard guard = IExchangeGuard(IIndexToken(index).guard());
        (uint256 lossUsed,) = guard.usedOf(index);
        uint256 left = uint256(guard.limitsOf(index).lossCapacity).zeroFloorSub(lossUsed);
        left = left.min(IIndexToken(index).moduleFeeLeft());
        tip = tip.min(left);
        fee = fee.min(left - tip);
        uint256 supply = IERC20(index).totalSupply();
        tipShares = TradeMath.feeShares(supply, tip);
        feeShares = TradeMath.feeShares(supply, fee);
        recipient = IIndexToken(index).feeRecipient();
    }

    /* INTERNALS: TERMS */

    function _termsOfPair(address index, uint256 planId, uint256 auctionId, address sell, address buy)
        private
        view
        returns (Terms memory)
    {
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (sell, buy);
        return _terms(index, planId, auctionId, tokens);
    }

    function _termsOfMany(FillMany calldata order) private view returns (Terms memory) {
        uint256 n = order.sells.length;
        address[] memory tokens = new address[](n + order.buys.length);
        for (uint256 i; i < tokens.length; ++i) {
            tokens[i] = i < n ? order.sells[i].token : order.buys[i - n].token;
        }
        return _terms(order.index, order.planId, order.auctionId, tokens);
    }

    /// @dev Checks plan and auction; the factor is the one of this moment.
    function _terms(address index, uint256 planId, uint256 auctionId, address[] memory tokens)
        private
        view
        returns (Terms memory terms)
    {
        (terms.plan, terms.units) = IRebalancer(rebalancer).livePlanOf(index, planId, tokens);
        Auction memory auction = _auctions[index];
        if (auction.id != auctionId || auction.planId != planId) {
            revert Errors.AuctionMismatch(auctionId, auction.planId == planId ? auction.id : 0);
        }
        if (block.timestamp < auction.startsAt || block.timestamp > auction.endsAt) {
            revert Errors.AuctionNotLive(auctionId, auction.startsAt, auction.endsAt);
        }
        terms.index = index;
        terms.supply = IERC20(index).totalSupply();
        terms.elapsed = block.timestamp - auction.startsAt;
        terms.duration = auction.endsAt - auction.startsAt;
        (uint256 from, uint256 to) = (_factor(auction.startPpm), _factor(auction.endPpm));
        terms.factor = auction.curve == Curve.Linear
            ? AuctionMath.linear(from, to, terms.elapsed, terms.duration)
            : AuctionMath.decay(from, to, terms.elapsed, terms.duration);
    }

    function _sidesOfPair(Terms memory terms, address sell, address buy)
        private
        view
        returns (Side memory sellSide, Side memory buySide)
    {
        sellSide = _side(terms, 0, sell, true);
        buySide = _side(terms, 1, buy, false);
    }

    /// @dev Price and room of a token. The price is the live oracle's; in a manual plan what the range says at this
    /// moment, falling for what is sold and rising for what is bought.
    /// @param place of the token in `terms.units`
    function _side(Terms memory terms, uint256 place, address token, bool isSold)
        private
        view
        returns (Side memory side)
    {
        if (terms.plan.manual) {
            (uint256 low, uint256 high) = IRebalancer(rebalancer).rangeOf(terms.index, token);
            side.price = isSold
                ? AuctionMath.decay(high, low, terms.elapsed, terms.duration)
                : AuctionMath.rise(low, high, terms.elapsed, terms.duration);
        } else {
            side.price = IPriceOracle(oracle).price(token);
        }
        (uint256 surplus, uint256 deficit) =
            HoldingsLib.gap(terms.index, token, terms.units[place], terms.supply);
        side.gap = isSold ? surplus : deficit;
    }

    /// @dev D18{1} turnover of the plan after `value` {nUSD} more.
    function _turnover(Terms memory terms, uint256 value) private pure returns (uint256) {
        // {nUSD} = D27{nUSD/share} * {share} / D27
        uint256 nav = uint256(terms.plan.navPerShare).fullMulDiv(terms.supply, Constants.D27);
        return TradeMath.turnoverAfter(terms.plan.turnover, value, nav);
    }

    /* INTERNALS: SIZES */

    /// @dev The most that a fill of one pair may sell, and what it costs.
    function _sizePair(Terms memory terms, Side memory sell, Side memory buy, uint256 maxSell)
        private
        pure
        returns (uint256 sellAmount, uint256 buyAmount)
    {
        sellAmount = TradeMath.maxSell(buy.gap, sell.price, buy.price, terms.factor).min(maxSell).min(sell.gap);
        buyAmount = TradeMath.minBuy(sellAmount, sell.price, buy.price, terms.factor);
    }

    /// @dev What a fill of several legs pays: as much of each as its deficit takes.
    /// @return value {nUSD} of it, rounded down
    function _sizeBuys(Terms memory terms, FillMany calldata order, IRebalancer.Settlement memory settlement)
        private
        view
        returns (uint256 value)
    {
        LegRange[] calldata ranges = order.buys;
        uint256 first = order.sells.length;
        for (uint256 i; i < ranges.length; ++i) {
            Side memory side = _side(terms, first + i, ranges[i].token, false);
            settlement.deficits[i] = side.gap;
            settlement.ins[i] = _legWithin(ranges[i], side.gap);
            value += TradeMath.valueDown(settlement.ins[i].amount, side.price);
        }
    }

    /// @dev What it gets for `paid` {nUSD}: one leg after the other, each within its surplus.
    /// @return value {nUSD} of it, rounded up
    function _sizeSells(
        Terms memory terms,
        LegRange[] calldata ranges,
        IRebalancer.Settlement memory settlement,
        uint256 paid
    ) private view returns (uint256 value) {
        for (uint256 i; i < ranges.length; ++i) {
            Side memory side = _side(terms, i, ranges[i].token, true);
            uint256 most = TradeMath.tokensOfValue(paid - value, side.price).min(side.gap);
            settlement.outs[i] = _legWithin(ranges[i], most);
            value += TradeMath.valueUp(settlement.outs[i].amount, side.price);
        }
    }

    function _legWithin(LegRange calldata range, uint256 most) private pure returns (Leg memory) {
        uint256 amount = range.max.min(most);
        if (amount == 0 || amount < range.min) revert Errors.FillTooSmall(range.token, amount, range.min);
        return Leg(range.token, amount);
    }

    /* INTERNALS: SETTLEMENT */

    function _newSettlement(address index, uint256 outs, uint256 ins)
        private
        pure
        returns (IRebalancer.Settlement memory settlement)
    {
        settlement.index = index;
        settlement.outs = new Leg[](outs);
        settlement.ins = new Leg[](ins);
        settlement.deficits = new uint256[](ins);
    }

    /// @dev Settles through the rebalancer. Afterwards the legs say what really moved.
    function _settle(IRebalancer.Settlement memory settlement)
        private
        returns (uint256[] memory sold, uint256[] memory bought)
    {
        bool isPull = settlement.taker == address(0);
        if (isPull) {
            settlement.taker = address(this);
            settlement.data = abi.encode(msg.sender);
            _owe(keccak256(abi.encode(settlement.index, settlement.ins, settlement.data)));
        }
        (sold, bought) = IRebalancer(rebalancer).settle(settlement);
        if (isPull) _owe(0); // an index that did not ask must not ask later
        for (uint256 i; i < sold.length; ++i) {
            settlement.outs[i].amount = sold[i];
        }
        for (uint256 i; i < bought.length; ++i) {
            settlement.ins[i].amount = bought[i];
        }
    }

    function _owe(bytes32 owed) private {
        bytes32 slot = PULL_SLOT;
        assembly ("memory-safe") {
            tstore(slot, owed)
        }
    }

    /* INTERNALS: AUCTION */

    /// @dev Whether this auction may be opened now, and by the caller.
    function _checkOpening(
        address index,
        uint256 planId,
        uint256 auctionId,
        AuctionPolicy memory policy,
        Auction memory auction
    ) private view {
        (IRebalancer.Plan memory plan,) = IRebalancer(rebalancer).livePlanOf(index, planId, new address[](0));
        if (policy.maxDuration == 0) revert Errors.AuctionsDisabled(index);
        Auction memory last = _auctions[index];
        uint256 next = uint256(last.id) + 1;
        if (auctionId != next) revert Errors.AuctionMismatch(auctionId, next);
        if (last.planId == planId && block.timestamp <= last.endsAt) revert Errors.AuctionLive(last.id, last.endsAt);

        uint256 duration = auction.endsAt - auction.startsAt;
        (int24 most, int24 least) = (int24(policy.maxPremium), -int24(policy.maxDiscount));
        if (plan.manual) (most, least) = (0, 0);
        bool isDefault = auction.startPpm == most && auction.endPpm == least && duration == policy.maxDuration
            && auction.curve == Curve.Exponential;
        bool isPublic = block.timestamp >= uint256(plan.startedAt) + policy.strategistWindow;
        if (!isDefault || !isPublic) RoleLib.requireRole(index);
        _checkBound("endPpm", _factor(auction.endPpm), _factor(least), _factor(most));
        _checkBound("startPpm", _factor(auction.startPpm), _factor(auction.endPpm), _factor(most));
        _checkBound("duration", duration, policy.minDuration, policy.maxDuration);
    }

    /// @dev {ppm} of the price at an offset.
    function _factor(int24 offset) private pure returns (uint256) {
        return uint256(int256(Constants.PPM) + offset);
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}
