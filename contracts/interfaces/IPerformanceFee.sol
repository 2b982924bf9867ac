// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IFeeModule} from "./IFeeModule.sol";

/// @title IPerformanceFee
/// @notice Charges a share of the gain above a high-water mark, per share of the index, on a schedule.
/// @dev What counts as gain. For each component there is a record: the units, D27{tok/share}, that came from where the mark
/// was set and from exchanges since. The NAV that is compared with the mark values `min(record, held)` of each component,
/// so airdrops, donations, upward rebases and shares burned by others raise nobody's fee, and losses count in full. What an
/// exchange buys enters the record by the recorded part, by value, of what it sold. The record falls with the dilution by
/// the streaming fee, at the higher of the rates before and after; all of it rounds against the fee.
///
/// A gain counts when it was seen twice: `observe` notes the NAV once the fee is due, and `crystallise` within
/// [MIN_OBSERVATION_AGE, MAX_OBSERVATION_AGE] after that charges the lower of the two, so that prices bent for a block
/// charge nothing. Both may be called by anyone. The fee is paid in new shares to the fee recipient of the index. If the
/// index allows modules less than is due, the rest stays above the mark for the next time.
///
/// Warning: the schedule says how often, not when. Whoever acts first after the due time chooses the hour; without a gain
/// nothing is charged and the schedule does not move.
/// Warning: the fee is of a share, not of its holder. Who redeems before it is charged does not pay it; who mints before it
/// pays it on a gain that was in his price. Nobody else's part depends on either.
/// Warning: an exchange that this module is not told of (a plan started before it was named) leaves what was bought outside
/// of the record, which only lowers the fee; `recount` ends that.
interface IPerformanceFee is IFeeModule {
    /// @param mark D27{nUSD/share} the high-water mark
    /// @param crystallisedAt {s} of the last charge, or of the registration
    /// @param observedNav D27{nUSD/share}
    /// @param observedAt {s} zero for none
    /// @param rate D18{1} of the gain
    /// @param interval {s} between two charges; zero if not registered
    struct Account {
        uint216 mark;
        uint40 crystallisedAt;
        uint216 observedNav;
        uint40 observedAt;
        uint64 rate;
        uint32 interval;
    }

    /// @param unit D27{tok/share} recorded as of `updatedAt`
    /// @param streamingRate D18{1/year} of the index then
    /// @param updatedAt {s}
    struct Record {
        uint160 unit;
        uint56 streamingRate;
        uint40 updatedAt;
    }

    event Register(address indexed index, uint256 rate, uint256 interval);
    event AnnounceRate(address indexed index, uint256 rate, uint256 earliest);
    event SetRate(address indexed index, uint256 rate);
    event SetInterval(address indexed index, uint256 interval);
    event SetMark(address indexed index, uint256 mark);
    event SetRecords(address indexed index, address[] tokens, uint256[] units, uint256 streamingRate);
    event Observe(address indexed index, uint256 nav);
    event Crystallise(
        address indexed index, address indexed recipient, uint256 shares, uint256 nav, uint256 mark, uint256 supply
    );

    function oracle() external view returns (address);

    function accountOf(address index) external view returns (Account memory);

    function recordOf(address index, address token) external view returns (Record memory);

    /// @notice {s} from when a higher `rate` of the index is accepted, zero if it was not announced.
    function noticeOf(address index, uint256 rate) external view returns (uint256);

    /// @notice D27{nUSD/share} that counts as performance now, and all that a share holds.
    /// @dev Errors: NotRegistered, IndexLocked, BalanceUnreadable, the prices'.
    function navOf(address index) external view returns (uint256 nav, uint256 backing);

    /// @notice What the fee would be now if it were due and had been observed at the same NAV.
    /// @return shares {share}
    /// @return mark D27{nUSD/share} afterwards
    /// @return dueAt {s}
    function previewCrystallise(address index) external view returns (uint256 shares, uint256 mark, uint256 dueAt);

    /* ANYONE */

    /// @notice Notes the NAV as the first of two looks at a gain, once the fee is due.
    /// @dev Errors: NotRegistered, CrystalliseTooEarly, ObservationLive, GainMissing, and those of `navOf`.
    function observe(address index) external returns (uint256 nav);

    /// @notice Charges the fee on the lower of the observed NAV and that of now.
    /// @dev Errors: NotRegistered, ObservationMissing, GainMissing, FeeTooSmall, those of `navOf`, and those of
    /// `IIndexToken.mintFeeShares`.
    /// @return shares {share} minted to the fee recipient
    function crystallise(address index) external returns (uint256 shares);

    /// @notice Lowers every record to what is held, so that a later donation cannot fill the difference.
    function sync(address index) external;

    /// @notice Ends the record of a token: anyone's if the token is no component, else the governor's of the index, for a
    /// component that has no price any more and would stop the fee. Never raises a fee.
    function forget(address index, address token) external;

    /* FACTORY AND GOVERNOR */

    /// @notice Registers an index, once: the factory that made it, or its governor. What it holds becomes the record, its
    /// NAV the mark, and the first fee is due one interval from now.
    /// @param rate D18{1} at most MAX_PERFORMANCE_FEE
    /// @param interval {s} in [MIN_FEE_INTERVAL, MAX_FEE_INTERVAL]
    function register(address index, uint256 rate, uint256 interval) external;

    /// @notice Announces a higher rate: `setRate` accepts it once, FEE_NOTICE from now or later. Governor of the index.
    function announceRate(address index, uint256 rate) external;

    /// @notice Changes the rate; governor of the index. A lower one counts at once for everything that was not charged; a
    /// higher one only for what is gained from now on. Errors: FeeNotDue, ValueOutOfBounds, those of `navOf` for a raise.
    function setRate(address index, uint256 rate) external;

    /// @notice Changes the time between two charges, counted from the last one; governor of the index.
    function setInterval(address index, uint256 interval) external;

    /// @notice Records all that the index holds and raises the mark by the value of what was not recorded: nothing is
    /// charged for it, but its gains from now on count. Governor of the index.
    function recount(address index) external;
}
