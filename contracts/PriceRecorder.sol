// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IPriceRecorder} from "./interfaces/IPriceRecorder.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {WeightMath} from "./libraries/WeightMath.sol";

/// @title PriceRecorder
/// @notice One oracle price per token and day in a ring of 128 words. No roles, no owner, no funds.
contract PriceRecorder is IPriceRecorder {
    using FixedPointMathLib for uint256;

    address public immutable oracle;

    /// @dev One word: the day tells whether it is still the one that is asked for.
    struct Slot {
        uint160 price; // D27{nUSD/tok}
        uint48 day; // {day} since 1970
        uint48 recordedAt; // {s}
    }

    mapping(address token => mapping(uint256 place => Slot)) private _slots;

    constructor(address oracle_) {
        require(oracle_ != address(0), Errors.ZeroAddress());
        oracle = oracle_;
    }

    /// @inheritdoc IPriceRecorder
    function record(address token) external {
        uint256 day = _openDay();
        require(priceOn(token, day) == 0, Errors.AlreadyRecorded(token, day));
        _record(token, day, IPriceOracle(oracle).price(token));
    }

    /// @inheritdoc IPriceRecorder
    function recordMany(address[] calldata tokens) external returns (uint256 recorded) {
        uint256 day = _openDay();
        for (uint256 i; i < tokens.length; ++i) {
            if (priceOn(tokens[i], day) != 0) continue;
            uint256 price = IPriceOracle(oracle).tryPrice(tokens[i]);
            if (price == 0) continue;
            _record(tokens[i], day, price);
            ++recorded;
        }
    }

    /* VIEWS */

    /// @inheritdoc IPriceRecorder
    function priceOn(address token, uint256 day) public view returns (uint256) {
        Slot memory slot = _slots[token][day % Constants.RECORD_SLOTS];
        return slot.day == day ? slot.price : 0;
    }

    /// @inheritdoc IPriceRecorder
    function volatilityOf(address token, uint256 lastDay, uint256 span) external view returns (uint256 volatility) {
        _checkSpan(lastDay, span, 2);
        uint256 found;
        (volatility, found) = WeightMath.volatility(_prices(token, lastDay - span, span + 1));
        _checkCoverage(token, found, span);
    }

    /// @inheritdoc IPriceRecorder
    function averageOf(address token, uint256 lastDay, uint256 span) external view returns (uint256 average) {
        _checkSpan(lastDay, span, 1);
        uint256 found;
        (average, found) = WeightMath.average(_prices(token, lastDay + 1 - span, span));
        _checkCoverage(token, found, span);
    }

    /* INTERNALS */

    function _record(address token, uint256 day, uint256 price) private {
        _slots[token][day % Constants.RECORD_SLOTS] =
            Slot({price: uint160(price), day: uint48(day), recordedAt: uint48(block.timestamp)});
        emit Record(token, day, price, block.timestamp);
    }

    /// @dev D27{nUSD/tok} of `count` days, zero where there is none.
    function _prices(address token, uint256 firstDay, uint256 count) private view returns (uint256[] memory prices) {
        prices = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            prices[i] = priceOn(token, firstDay + i);
        }
    }

    /// @dev Today, while its window is open. The oracle bounds prices by 2^160 − 1, so they fit their slot.
    function _openDay() private view returns (uint256 day) {
        day = block.timestamp / 1 days;
        uint256 closesAt = day * 1 days + Constants.RECORD_WINDOW;
        require(block.timestamp < closesAt, Errors.RecordWindowClosed((day + 1) * 1 days));
    }

    function _checkSpan(uint256 lastDay, uint256 span, uint256 least) private pure {
        uint256 most = Constants.RECORD_SLOTS - 1;
        require(span >= least && span <= most, Errors.ValueOutOfBounds("span", span, least, most));
        uint256 latest = type(uint48).max - 1;
        require(lastDay >= span && lastDay <= latest, Errors.ValueOutOfBounds("lastDay", lastDay, span, latest));
    }

    function _checkCoverage(address token, uint256 found, uint256 span) private pure {
        uint256 needed = (span * 3).divUp(4);
        require(found >= needed, Errors.RecordsMissing(token, found, needed));
    }
}
