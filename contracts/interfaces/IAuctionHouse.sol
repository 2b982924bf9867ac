// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRebalancer} from "./IRebalancer.sol";
import {Leg} from "./ITaker.sol";

/// @title IAuctionHouse
/// @notice Dutch auctions of the surpluses of an index for its deficits, one at a time; fees and tips of rebalancing.
/// @dev Promise G4: a fill stays within surplus and deficit of the live plan and never goes below the price of its moment.
///
/// PRICE: both tokens at the live oracle, times a factor `1e6 + offset` {ppm} that falls from a premium to a discount. In a
/// manual plan: from `high_sell / low_buy` to `low_sell / high_buy` of the ranges, without any oracle.
///
/// ALLOWANCES given to this contract pay for the giver's own fills and for nothing else.
///
/// Assumes: the index names a rebalancer that it trusts. Warning: a filler of an unknown index risks what he agrees to pay.
interface IAuctionHouse {
    /// @notice How the offset of an auction falls: along a line, or by equal fractions in equal times.
    enum Curve {
        Linear,
        Exponential
    }

    /// @param maxPremium {ppm} above the oracle's mid at which an auction may start
    /// @param maxDiscount {ppm} below the oracle's mid at which an auction may end
    /// @param minDuration {s} of an auction
    /// @param maxDuration {s} of an auction, zero for no auctions
    /// @param warmUp {s} between opening and the first fill
    /// @param strategistWindow {s} from the start of a plan in which only the strategist may open auctions
    /// @param rebalanceFee {ppm} of one-way turnover, in shares for the fee recipient
    /// @param keeperTip {ppm} of one-way turnover, in shares for whoever ends the plan
    struct AuctionPolicy {
        uint24 maxPremium;
        uint24 maxDiscount;
        uint32 minDuration;
        uint32 maxDuration;
        uint32 warmUp;
        uint32 strategistWindow;
        uint16 rebalanceFee;
        uint16 keeperTip;
    }

    /// @param planId plan it belongs to
    /// @param id rises by one with every auction of the index
    /// @param startsAt {s} first second of fills, at `startPpm`
    /// @param endsAt {s} last second of fills, at `endPpm`; zero when closed. An auction also ends with its plan.
    /// @param startPpm {ppm} offset at the start
    /// @param endPpm {ppm} offset at the end
    /// @param curve between them
    struct Auction {
        uint40 planId;
        uint32 id;
        uint40 startsAt;
        uint40 endsAt;
        int24 startPpm;
        int24 endPpm;
        Curve curve;
    }

    /// @param index to trade for
    /// @param planId live plan
    /// @param auctionId live auction
    /// @param sell token above target
    /// @param buy token below target
    /// @param minSell {tok} less is no fill
    /// @param maxSell {tok} more is not taken
    /// @param maxBuy {tok} the most to pay
    /// @param payee receives what is sold
    /// @param taker is called back by the index and pays; zero to pull from the caller, who has approved this contract
    /// @param data for the taker
    struct Fill {
        address index;
        uint256 planId;
        uint256 auctionId;
        address sell;
        address buy;
        uint256 minSell;
        uint256 maxSell;
        uint256 maxBuy;
        address payee;
        address taker;
        bytes data;
    }

    /// @notice One side of a fill of several legs: {tok} of a token, in a range.
    struct LegRange {
        address token;
        uint256 min;
        uint256 max;
    }

    /// @param sells what to take, in this order, as far as `buys` pay for it
    /// @param buys what to pay, in full: as much of `max` as each deficit takes
    struct FillMany {
        address index;
        uint256 planId;
        uint256 auctionId;
        LegRange[] sells;
        LegRange[] buys;
        address payee;
        address taker;
        bytes data;
    }

    event SetAuctionPolicy(address indexed index, AuctionPolicy policy);
    event OpenAuction(
        address indexed index, uint256 indexed planId, uint256 indexed auctionId, address caller, Auction auction
    );
    event CloseAuction(
        address indexed index, uint256 indexed planId, uint256 indexed auctionId, address caller
    );
    event FillAuction(
        address indexed index,
        uint256 indexed planId,
        address indexed caller,
        uint256 auctionId,
        address sell,
        address buy,
        uint256 sold,
        uint256 bought,
        uint256 sellPrice,
        uint256 buyPrice,
        uint256 factor,
        uint256 turnover
    );
    event FillLegs(
        address indexed index,
        uint256 indexed planId,
        address indexed caller,
        uint256 auctionId,
        Leg[] sold,
        Leg[] bought,
        uint256 factor,
        uint256 turnover
    );

    function oracle() external view returns (address);

    /// @notice The rebalancer that made this auction house, and settles its fills.
    function rebalancer() external view returns (address);

    function auctionPolicyOf(address index) external view returns (AuctionPolicy memory);

    /// @notice The last auction of an index, live or not.
    function auctionOf(address index) external view returns (Auction memory);

    /// @notice What a fill of at most `maxSell` would get and pay now, with the errors it would meet.
    /// @dev Reverts while a mutating call of the index is on the stack.
    /// @return sellAmount {tok} zero if there is nothing to trade
    /// @return buyAmount {tok}
    /// @return offset {ppm} of the price, zero in a manual plan
    function quote(address index, address sell, address buy, uint256 maxSell)
        external
        view
        returns (uint256 sellAmount, uint256 buyAmount, int256 offset);

    /// @notice Shares that the end of a plan pays for its turnover, at the rates of its start: tip and fee, rounded down.
    /// @dev Never more than the token's bound for modules and what is left of the loss budget, so that paying cannot stand
    /// in the way of what comes next; the fee is forgone before the tip.
    function feesDue(address index, IRebalancer.Plan calldata plan)
        external
        view
        returns (uint256 tipShares, uint256 feeShares, address recipient);

    /// @notice Changes the rules of auctions; governor of the index. A live auction and a live plan keep their own values.
    function setAuctionPolicy(address index, AuctionPolicy calldata policy) external;

    /// @notice Opens an auction of any surplus for any deficit of the live plan.
    /// @dev The strategist may choose anything within the policy. Once his window is over, anyone may open one too, with
    /// the whole range of the policy, its longest duration and the exponential curve, and with nothing to choose.
    /// Errors: PlanMismatch, PlanExpired, AuctionsDisabled, AuctionMismatch, AuctionLive, NotAuthorized, ValueOutOfBounds.
    /// @param auctionId one more than the last
    /// @param startPpm {ppm} offset at the start, in a manual plan zero
    /// @param endPpm {ppm} offset at the end, in a manual plan zero
    /// @param duration {s} from `startPpm` to `endPpm`
    /// @param curve in a manual plan always exponential
    function openAuction(
        address index,
        uint256 planId,
        uint256 auctionId,
        int24 startPpm,
        int24 endPpm,
        uint256 duration,
        Curve curve
    ) external;

    /// @notice Closes the live auction; strategist or guardian of the index.
    function closeAuction(address index, uint256 auctionId) external;

    /// @notice Takes surplus for deficit at the auction's price of this moment; anyone.
    /// @dev Sells the least of `maxSell`, the surplus and what the deficit pays for, so that whoever was faster leaves the
    /// rest; rounds for the fund. A component without a target that is sold out leaves the list at once.
    /// Errors: PlanMismatch, PlanExpired, AuctionMismatch, AuctionNotLive, TokenNotInPlan, FillTooSmall, FillTooExpensive,
    /// DeficitExceeded, ShortDelivery, the prices' and the guard's.
    function fill(Fill calldata order) external returns (uint256 sold, uint256 bought);

    /// @notice Takes several surpluses for several deficits in one settlement; anyone.
    /// @dev Each leg stays within its own surplus or deficit; what is bought is worth at least what is sold times the factor.
    /// Errors: as `fill`.
    function fillMany(FillMany calldata order)
        external
        returns (uint256[] memory sold, uint256[] memory bought);
}
