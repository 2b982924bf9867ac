// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {IFeeModule} from "./interfaces/IFeeModule.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IPerformanceFee} from "./interfaces/IPerformanceFee.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {Leg} from "./interfaces/ITaker.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {RoleLib} from "./libraries/RoleLib.sol";
import {TokenLib} from "./libraries/TokenLib.sol";
import {TradeMath} from "./libraries/TradeMath.sol";

/// @title PerformanceFee
/// @notice One performance fee module for all indexes of one oracle; each index has its own rate, mark and records.
/// @dev TRUST: everything is kept by index, and nothing but `mintFeeShares` is called that changes state, last of all. What
/// it can take is bounded by the index itself (MAX_MODULE_FEE), whatever this contract or its prices say.
/// ROUNDING: records and NAV down, marks and the value of a fee share up: always against the fee.
contract PerformanceFee is IPerformanceFee {
    using FixedPointMathLib for uint256;

    /// @dev One look at an index. `units` are what is recorded and held, `held` all that is held, D27{tok/share}.
    struct Measure {
        address index;
        address[] tokens;
        uint256[] units;
        uint256[] held;
        uint256 supply; // {share}
        uint256 streamingRate; // D18{1/year}
    }

    address public immutable oracle;

    mapping(address index => Account) private _accounts;
    mapping(address index => mapping(address token => Record)) private _records;
    mapping(address index => mapping(uint256 rate => uint256 earliest)) public noticeOf; // {s}

    constructor(address oracle_) {
        require(oracle_ != address(0), Errors.ZeroAddress());
        oracle = oracle_;
    }

    /* REBALANCER */

    /// @inheritdoc IFeeModule
    function noteExchange(address index, Leg[] calldata sold, Leg[] calldata bought) external {
        require(msg.sender == IIndexToken(index).rebalancer(), Errors.NotRebalancer(msg.sender));
        if (_accounts[index].interval == 0) return; // named by the index before it was registered: nothing to keep

        Measure memory note = _blank(index, new address[](sold.length + bought.length));
        uint256 fraction = _noteSold(note, sold);
        _noteBought(note, sold.length, bought, fraction);
        _writeRecords(note);
    }

    /* ANYONE */

    /// @inheritdoc IPerformanceFee
    function observe(address index) external returns (uint256 nav) {
        Account memory account = _registered(index);
        uint256 dueAt = uint256(account.crystallisedAt) + account.interval;
        require(block.timestamp >= dueAt, Errors.CrystalliseTooEarly(dueAt));
        uint256 expiresAt = uint256(account.observedAt) + Constants.MAX_OBSERVATION_AGE;
        require(block.timestamp > expiresAt, Errors.ObservationLive(expiresAt));
        (nav,) = _value(_measure(index), false);
        require(nav > account.mark, Errors.GainMissing(nav, account.mark));

        _accounts[index].observedNav = _navWord(nav);
        _accounts[index].observedAt = uint40(block.timestamp);

        emit Observe(index, nav);
    }

    /// @inheritdoc IPerformanceFee
    function crystallise(address index) external returns (uint256 shares) {
        Account memory account = _registered(index);
        _checkObservation(account.observedAt);
        Measure memory seen = _measure(index);
        (uint256 nav, uint256 backing) = _value(seen, false);
        nav = nav.min(account.observedNav);
        require(nav > account.mark, Errors.GainMissing(nav, account.mark));
        uint256 mark;
        (shares, mark) = _fee(seen, account, nav, backing);
        require(shares != 0, Errors.FeeTooSmall(IIndexToken(index).moduleFeeLeft()));

        account.mark = _navWord(mark);
        account.crystallisedAt = uint40(block.timestamp);
        account.observedNav = 0;
        account.observedAt = 0;
        _accounts[index] = account;
        for (uint256 i; i < seen.units.length; ++i) {
            seen.units[i] = seen.units[i].fullMulDiv(seen.supply, seen.supply + shares);
        }
        _writeRecords(seen);
        address recipient = IIndexToken(index).feeRecipient();
        emit Crystallise(index, recipient, shares, nav, mark, seen.supply);
        IIndexToken(index).mintFeeShares(shares, recipient);
    }

    /// @inheritdoc IPerformanceFee
    function sync(address index) external {
        _registered(index);
        _writeRecords(_measure(index));
    }

    /// @inheritdoc IPerformanceFee
    function forget(address index, address token) external {
        _registered(index);
        Measure memory blank = _blank(index, new address[](1));
        blank.tokens[0] = token;
        if (_isComponent(index, token)) RoleLib.requireRole(index);
        _writeRecords(blank);
    }

    /* FACTORY AND GOVERNOR */

    /// @inheritdoc IPerformanceFee
    function register(address index, uint256 rate, uint256 interval) external {
        require(_accounts[index].interval == 0, Errors.AlreadyRegistered(index));
        if (IIndexToken(index).factory() != msg.sender) RoleLib.requireRole(index);
        _checkRate(rate);
        _checkInterval(interval);
        Measure memory seen = _measure(index);
        (, uint256 mark) = _value(seen, true);

        _accounts[index] = Account({
            mark: _navWord(mark),
            crystallisedAt: uint40(block.timestamp),
            observedNav: 0,
            observedAt: 0,
            rate: uint64(rate),
            interval: uint32(interval)
        });
        seen.units = seen.held;
        _writeRecords(seen);

        emit Register(index, rate, interval);
        emit SetMark(index, _accounts[index].mark);
    }

    /// @inheritdoc IPerformanceFee
    function announceRate(address index, uint256 rate) external {
        _registered(index);
        RoleLib.requireRole(index);
        _checkRate(rate);
        uint256 earliest = block.timestamp + Constants.FEE_NOTICE;
        noticeOf[index][rate] = earliest;
        emit AnnounceRate(index, rate, earliest);
    }

    /// @inheritdoc IPerformanceFee
    function setRate(address index, uint256 rate) external {
        Account memory account = _registered(index);
        RoleLib.requirePower(index);
        _checkRate(rate);
        if (rate > account.rate) {
            uint256 earliest = noticeOf[index][rate];
            require(earliest != 0 && block.timestamp >= earliest, Errors.FeeNotDue(msg.sig, rate, earliest));
            delete noticeOf[index][rate];
            (uint256 nav,) = _value(_measure(index), false);
            _setMark(index, FeeMath.markAfterRaise(nav, account.mark, account.rate, rate));
        }
        _accounts[index].rate = uint64(rate);
        emit SetRate(index, rate);
    }

    /// @inheritdoc IPerformanceFee
    function setInterval(address index, uint256 interval) external {
        _registered(index);
        RoleLib.requireRole(index);
        _checkInterval(interval);
        _accounts[index].interval = uint32(interval);
        emit SetInterval(index, interval);
    }

    /// @inheritdoc IPerformanceFee
    function recount(address index) external {
        Account memory account = _registered(index);
        RoleLib.requireRole(index);
        Measure memory seen = _measure(index);
        (uint256 nav, uint256 backing) = _value(seen, false);
        for (uint256 i; i < seen.tokens.length; ++i) {
            // What has no price has no value to raise the mark by, and stays out.
            if (seen.units[i] != seen.held[i] && IPriceOracle(oracle).tryPrice(seen.tokens[i]) != 0) {
                seen.units[i] = seen.held[i];
            }
        }
        _setMark(index, account.mark + (backing - nav));
        _writeRecords(seen);
    }

    /* VIEWS */

    /// @inheritdoc IPerformanceFee
    function accountOf(address index) external view returns (Account memory) {
        return _accounts[index];
    }

    /// @inheritdoc IPerformanceFee
    function recordOf(address index, address token) external view returns (Record memory) {
        return _records[index][token];
    }

    /// @inheritdoc IPerformanceFee
    function navOf(address index) external view returns (uint256 nav, uint256 backing) {
        _registered(index);
        return _value(_measure(index), false);
    }

    /// @inheritdoc IPerformanceFee
    function previewCrystallise(address index) external view returns (uint256 shares, uint256 mark, uint256 dueAt) {
        Account memory account = _registered(index);
        Measure memory seen = _measure(index);
        (uint256 nav, uint256 backing) = _value(seen, false);
        (shares, mark) = _fee(seen, account, nav, backing);
        dueAt = uint256(account.crystallisedAt) + account.interval;
    }

    /* INTERNALS: EXCHANGES */

    /// @dev Takes what was sold out of the records, in proportion; D18{1} of it, by value, had been recorded.
    function _noteSold(Measure memory note, Leg[] calldata sold) private view returns (uint256 fraction) {
        uint256[] memory fractions = new uint256[](sold.length);
        uint256 least = Constants.WAD;
        bool anySold;
        for (uint256 i; i < sold.length; ++i) {
            uint256 left = _available(note.index, sold[i].token);
            uint256 before = left + sold[i].amount;
            uint256 actual = _unit(before, note.supply);
            uint256 unit = _recorded(note, sold[i].token).min(actual);
            fractions[i] = FeeMath.recordedFraction(unit, actual);
            note.tokens[i] = sold[i].token;
            if (before != 0) note.units[i] = unit.fullMulDiv(left, before);
            if (sold[i].amount == 0) continue;
            anySold = true;
            least = least.min(fractions[i]);
        }
        if (!anySold) return 0; // what arrives for nothing is a gift
        if (sold.length == 1 || least == Constants.WAD) return least;
        return _byValue(sold, fractions, least);
    }

    /// @dev Mean of the fractions by the value of what was sold; the least of them if a price is missing.
    function _byValue(Leg[] calldata sold, uint256[] memory fractions, uint256 least) private view returns (uint256) {
        uint256 all;
        uint256 recorded;
        for (uint256 i; i < sold.length; ++i) {
            if (sold[i].amount == 0) continue;
            uint256 price = IPriceOracle(oracle).tryPrice(sold[i].token);
            if (price == 0) return least;
            uint256 value = TradeMath.valueUp(sold[i].amount, price);
            all += value;
            recorded += FeeMath.partOf(value, fractions[i]);
        }
        return recorded.fullMulDiv(Constants.WAD, all);
    }

    /// @dev Adds the recorded part of what was bought to the records.
    function _noteBought(Measure memory note, uint256 offset, Leg[] calldata bought, uint256 fraction) private view {
        for (uint256 i; i < bought.length; ++i) {
            address token = bought[i].token;
            uint256 before = _available(note.index, token).zeroFloorSub(bought[i].amount);
            uint256 unit = _recorded(note, token).min(_unit(before, note.supply));
            note.tokens[offset + i] = token;
            note.units[offset + i] = unit + _unit(FeeMath.partOf(bought[i].amount, fraction), note.supply);
        }
    }

    /* INTERNALS: MEASURING */

    /// @dev What is recorded and held of every component.
    function _measure(address index) private view returns (Measure memory seen) {
        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));
        seen = _blank(index, IIndexToken(index).components());
        for (uint256 i; i < seen.tokens.length; ++i) {
            seen.held[i] = _unit(_available(index, seen.tokens[i]), seen.supply);
            seen.units[i] = _recorded(seen, seen.tokens[i]).min(seen.held[i]);
        }
    }

    function _blank(address index, address[] memory tokens) private view returns (Measure memory) {
        return Measure({
            index: index,
            tokens: tokens,
            units: new uint256[](tokens.length),
            held: new uint256[](tokens.length),
            supply: IERC20(index).totalSupply(),
            streamingRate: IIndexToken(index).streamingRate()
        });
    }

    /// @dev D27{nUSD/share} of what counts, rounded down, and of all that is held, rounded up. What does not count needs
    /// no price, unless `needAll`.
    function _value(Measure memory seen, bool needAll) private view returns (uint256 nav, uint256 backing) {
        for (uint256 i; i < seen.tokens.length; ++i) {
            if (seen.held[i] == 0) continue;
            uint256 price = needAll || seen.units[i] != 0
                ? IPriceOracle(oracle).price(seen.tokens[i])
                : IPriceOracle(oracle).tryPrice(seen.tokens[i]);
            // D27{nUSD/share} = D27{tok/share} * D27{nUSD/tok} / D27
            nav += TradeMath.valueDown(seen.units[i], price);
            backing += TradeMath.valueUp(seen.held[i] + 1, price); // what is held was rounded down
        }
    }

    function _fee(Measure memory seen, Account memory account, uint256 nav, uint256 backing)
        private
        view
        returns (uint256 shares, uint256 mark)
    {
        // {share} = {share} * D18{1} / D18
        uint256 maxShares = FeeMath.partOf(seen.supply, IIndexToken(seen.index).moduleFeeLeft());
        return FeeMath.performanceFee(seen.supply, nav, account.mark, backing, account.rate, maxShares);
    }

    /// @dev D27{tok/share} recorded, diluted by the streaming fee until now at the higher of its rates then and now.
    function _recorded(Measure memory seen, address token) private view returns (uint256) {
        Record memory record = _records[seen.index][token];
        uint256 rate = seen.streamingRate.max(record.streamingRate);
        return FeeMath.unitAfter(record.unit, rate, block.timestamp - record.updatedAt);
    }

    /// @dev {tok} of the index less its claims. A token that does not answer reverts: as zero it would lose its record.
    function _available(address index, address token) private view returns (uint256) {
        (bool ok, uint256 balance) = TokenLib.tryBalanceOf(token, index, gasleft());
        if (!ok) revert Errors.BalanceUnreadable(token);
        return balance.zeroFloorSub(IIndexToken(index).claimsOwed(token));
    }

    /// @dev D27{tok/share}, rounded down and at most what a record holds.
    function _unit(uint256 amount, uint256 supply) private pure returns (uint256) {
        // D27{tok/share} = {tok} * D27 / {share}
        return amount.min(type(uint160).max).fullMulDiv(Constants.D27, supply).min(type(uint160).max);
    }

    function _isComponent(address index, address token) private view returns (bool) {
        address[] memory list = IIndexToken(index).components();
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == token) return true;
        }
        return false;
    }

    /* INTERNALS: WRITING */

    function _writeRecords(Measure memory seen) private {
        for (uint256 i; i < seen.tokens.length; ++i) {
            seen.units[i] = seen.units[i].min(type(uint160).max);
            _records[seen.index][seen.tokens[i]] =
                Record(uint160(seen.units[i]), uint56(seen.streamingRate), uint40(block.timestamp));
        }
        emit SetRecords(seen.index, seen.tokens, seen.units, seen.streamingRate);
    }

    function _setMark(address index, uint256 mark) private {
        _accounts[index].mark = _navWord(mark);
        emit SetMark(index, _navWord(mark));
    }

    function _registered(address index) private view returns (Account memory account) {
        account = _accounts[index];
        require(account.interval != 0, Errors.NotRegistered(index));
    }

    function _checkObservation(uint256 observedAt) private view {
        uint256 earliest = observedAt == 0 ? 0 : observedAt + Constants.MIN_OBSERVATION_AGE;
        uint256 latest = observedAt == 0 ? 0 : observedAt + Constants.MAX_OBSERVATION_AGE;
        require(
            block.timestamp >= earliest && block.timestamp <= latest, Errors.ObservationMissing(earliest, latest)
        );
    }

    /// @dev A NAV beyond its word is as good as its end: marks there are never passed.
    function _navWord(uint256 nav) private pure returns (uint216) {
        return uint216(nav.min(type(uint216).max));
    }

    function _checkRate(uint256 rate) private pure {
        _checkBound("performanceFee", rate, 0, Constants.MAX_PERFORMANCE_FEE);
    }

    function _checkInterval(uint256 interval) private pure {
        _checkBound("interval", interval, Constants.MIN_FEE_INTERVAL, Constants.MAX_FEE_INTERVAL);
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}
