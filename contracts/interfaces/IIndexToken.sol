// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Leg} from "./ITaker.sol";

/// @title IIndexToken
/// @notice An ERC-20 share of a basket that the contract itself holds. Knows tokens and shares, never prices.
/// @dev Holdings are balances: of each component `available = balanceOf(index) − claimsOwed`. Airdrops, rebases and
/// losses are therefore shared by all holders at once.
///
/// What a component is assumed to do, for everyone to be treated exactly:
/// - `balanceOf` answers with one word and tells the truth;
/// - a transfer of `x` moves `x` (a fee on transfer makes minting revert, redeeming pays the amount less the token's fee).
/// What happens if it does not: minting and exchanging that token revert; redeeming works with its bit in `deferMask`.
///
/// Warning: claims are senior to shares. If a component loses balance after a leg was deferred, the holders bear it.
/// Warning: a deferred leg of a token that does not even answer `balanceOf` has no amount and becomes a claim of zero;
/// it needs `minOut = 0`, so nobody gives it up unknowingly.
interface IIndexToken {
    /// @param name of the share
    /// @param symbol of the share
    /// @param authority OpenZeppelin AccessManager that says who is governor and guardian
    /// @param rebalancer the only address that may exchange and change the component list
    /// @param guard second key of every exchange
    /// @param feeRecipient receives fee shares on collection
    /// @param streamingFee D18{1/year}
    /// @param mintFee D18{1}
    /// @param redeemFee D18{1}
    /// @param supplyCap {SHARE} whole shares, zero for none
    /// @param components first component list
    struct IndexParams {
        string name;
        string symbol;
        address authority;
        address rebalancer;
        address guard;
        address feeRecipient;
        uint256 streamingFee;
        uint256 mintFee;
        uint256 redeemFee;
        uint256 supplyCap;
        address[] components;
    }

    event Bootstrap(address indexed receiver, uint256 shares, uint256[] amounts);
    event Mint(
        address indexed caller, address indexed receiver, uint256 shares, uint256 feeShares, uint256[] amountsIn
    );
    event Redeem(
        address indexed caller,
        address indexed owner,
        address indexed receiver,
        uint256 shares,
        uint256 feeShares,
        uint256 deferMask,
        uint256[] amountsOut
    );
    event Defer(address indexed token, address indexed account, uint256 amount);
    event Claim(address indexed token, address indexed account, address receiver, uint256 amount);
    event Collect(address indexed recipient, uint256 shares);
    event MintFeeShares(address indexed module, address indexed receiver, uint256 shares);
    event Burn(address indexed account, uint256 shares);
    event Exchange(address indexed taker, address payee, Leg[] sold, Leg[] bought);
    event UpdateComponents(uint256 version, address[] components);
    event SetStreamingFee(uint256 annualFee, uint256 rate, uint256 base);
    event AnnounceFee(bytes4 indexed selector, uint256 fee, uint256 earliest);
    event SetMintFee(uint256 fee);
    event SetRedeemFee(uint256 fee);
    event SetFeeRecipient(address indexed recipient);
    event SetSupplyCap(uint256 wholeShares);
    event SetRebalancer(address indexed rebalancer);
    event SetGuard(address indexed guard);
    event SetFeeModule(address indexed module);
    event PauseMint(uint256 until);
    event PauseExchange(uint256 until);
    event ArmPauses();
    event Deprecate();
    event Abdicate(bytes4 indexed selector);

    /* VIEWS */

    /// @notice Component list in mask order: bit `i` of every mask is component `i`.
    function components() external view returns (address[] memory);

    /// @notice Rises by one with every change of the list. Callers pass it so that their arrays fit the list.
    function version() external view returns (uint256);

    /// @notice Available balance of each component, {tok}. Reverts while a mutating call is on the stack.
    function reserves() external view returns (uint256[] memory);

    /// @notice What a mint of `shares` takes now, {tok} rounded up, and the {share} fee, rounded up.
    /// Reverts while a mutating call is on the stack.
    function previewMint(uint256 shares) external view returns (uint256[] memory amountsIn, uint256 feeShares);

    /// @notice What a redemption of `shares` pays now, {tok} rounded down, and the {share} fee, rounded up.
    /// Reverts while a mutating call is on the stack.
    function previewRedeem(uint256 shares) external view returns (uint256[] memory amountsOut, uint256 feeShares);

    /// @notice Whether a mutating call is on the stack: integrators must not price shares while it is.
    function locked() external view returns (bool);

    /// @notice {share} earned by fees and not minted yet.
    function pendingFeeShares() external view returns (uint256);

    /// @notice The supply word: {share} base, {share} issued, {s} since.
    function supplyWord() external view returns (uint256 base, uint256 issued, uint256 since);

    /// @notice D18{1/year} growth rate of the supply, `−ln(1 − streamingFee)`.
    function streamingRate() external view returns (uint256);

    function streamingFee() external view returns (uint256);

    function mintFee() external view returns (uint256);

    function redeemFee() external view returns (uint256);

    /// @notice {share} The supply a mint may not pass.
    function supplyCap() external view returns (uint256);

    function feeRecipient() external view returns (address);

    function rebalancer() external view returns (address);

    function guard() external view returns (address);

    /// @notice {s} from when `selector` accepts the higher `fee`, zero if it was not announced.
    function noticeOf(bytes4 selector, uint256 fee) external view returns (uint256);

    /// @notice The module that may mint fee shares besides the rebalancer, zero for none.
    function feeModule() external view returns (address);

    /// @notice D18{1} of the supply that modules may still mint now.
    function moduleFeeLeft() external view returns (uint256);

    function factory() external view returns (address);

    /// @notice {s} Minting reverts before this time; the maximum once deprecated.
    function mintPausedUntil() external view returns (uint256);

    /// @notice {s} Exchanges revert before this time; the maximum once deprecated.
    function exchangePausedUntil() external view returns (uint256);

    function deprecated() external view returns (bool);

    function abdicated(bytes4 selector) external view returns (bool);

    /// @notice {tok} owed to an account for deferred legs of a token.
    function claimOf(address token, address account) external view returns (uint256);

    /// @notice {tok} owed to all accounts for deferred legs of a token.
    function claimsOwed(address token) external view returns (uint256);

    /// @notice Bit `i` is set if component `i` may have claims.
    function claimsMask() external view returns (uint256);

    /* INVESTOR */

    /// @notice Takes the basket for `shares` from the caller and mints them, less the mint fee, to `receiver`.
    /// @dev Amounts round up. Errors: MintPaused, ZeroShares, BasketChanged, LengthMismatch, SupplyCapExceeded,
    /// AmountInTooHigh, ShortDelivery, NothingBacking.
    /// @param shares {share} before the fee
    /// @param expectedVersion of the component list that `maxIn` is for
    /// @param maxIn {tok} the most of each component the caller gives
    /// @param receiver of the shares
    /// @return amountsIn {tok} taken
    function mint(uint256 shares, uint256 expectedVersion, uint256[] calldata maxIn, address receiver)
        external
        returns (uint256[] memory amountsIn);

    /// @notice Burns `shares` of `owner` and pays the basket, less the redeem fee, to `receiver`. Never paused.
    /// @dev Amounts round down. Legs in `deferMask` are not transferred: they become claims of `receiver`.
    /// Errors: ZeroShares, BasketChanged, LengthMismatch, BalanceTooLow, AllowanceTooLow, AmountOutTooLow.
    /// @param shares {share} before the fee
    /// @param expectedVersion of the component list that `minOut` and `deferMask` are for
    /// @param minOut {tok} the least of each component the caller accepts, deferred or not
    /// @param owner whose shares are burned; the caller needs his allowance
    /// @param receiver of the basket and of the claims
    /// @param deferMask bit `i` defers component `i`
    /// @return amountsOut {tok} paid or deferred
    function redeem(
        uint256 shares,
        uint256 expectedVersion,
        uint256[] calldata minOut,
        address owner,
        address receiver,
        uint256 deferMask
    ) external returns (uint256[] memory amountsOut);

    /// @notice Pays what deferred legs owe `account`. Anyone may push it to the account; the account may redirect it.
    function claim(address token, address account, address receiver) external returns (uint256 amount);

    /// @notice Mints the fee shares earned so far to the fee recipient. Anyone may.
    function collect() external returns (uint256 feeShares);

    /// @notice Gives up `shares` of the caller for all other holders: the basket stays, the supply falls.
    /// @dev Errors: ZeroShares, BalanceTooLow.
    function burn(uint256 shares) external;

    /* MODULE */

    /// @notice Sends `outs` to `payee`, calls `taker`, and requires that `ins` arrived. Rebalancer only.
    /// @dev Both sides are measured by balance. The guard is asked at the end. No allowance is ever given.
    /// @param outs the most that leaves, {tok}
    /// @param ins the least that arrives, {tok}
    /// @param payee receives `outs`: the taker or, to save a transfer, the pool it trades with
    /// @param taker is called back
    /// @param data for the taker
    /// @return sold {tok} that left
    /// @return bought {tok} that arrived
    function exchange(Leg[] calldata outs, Leg[] calldata ins, address payee, address taker, bytes calldata data)
        external
        returns (uint256[] memory sold, uint256[] memory bought);

    /// @notice Drops empty components and appends new ones. Rebalancer only.
    /// @param removeMask bit `i` drops component `i`, whose available balance must be zero
    /// @param additions tokens to append
    function updateComponents(uint256 removeMask, address[] calldata additions) external;

    /// @notice Mints `shares` {share} that a fee has earned to `receiver`. Rebalancer and fee module only.
    /// @dev Hard bound, whoever calls: a bucket of MAX_MODULE_FEE of the supply that drains within MODULE_FEE_WINDOW. What
    /// the rebalancer mints is also charged to the loss budget of the guard (G2).
    /// Errors: NotFeeModule, ZeroShares, ModuleFeeExceeded, ReceiverInvalid, the guard's.
    function mintFeeShares(uint256 shares, address receiver) external;

    /// @notice Mints the first shares; factory only, once, after the seed amounts were sent here.
    function bootstrap(uint256 shares, address receiver) external;

    /* GOVERNOR AND GUARDIAN (roles of the authority) */

    /// @notice Announces a higher fee: `selector` names its setter, which accepts `fee` once, FEE_NOTICE from now or later.
    /// @dev The notice is in the code, so that holders can leave first whatever delays the authority has.
    function announceFee(bytes4 selector, uint256 fee) external;

    /// @notice Sets the streaming fee from now on; what was earned so far is kept at the old rate.
    function setStreamingFee(uint256 annualFee) external;

    function setMintFee(uint256 fee) external;

    function setRedeemFee(uint256 fee) external;

    /// @notice Collects for the old recipient, then names the new one.
    function setFeeRecipient(address recipient) external;

    /// @param wholeShares {SHARE} zero for none
    function setSupplyCap(uint256 wholeShares) external;

    function setRebalancer(address newRebalancer) external;

    function setGuard(address newGuard) external;

    /// @notice Names the fee module, or with zero none. What modules minted so far stays counted.
    function setFeeModule(address newModule) external;

    /// @notice Pauses minting for `duration` {s}, at most seven days, once until the governor arms it again.
    function pauseMint(uint256 duration) external;

    /// @notice Pauses exchanges for `duration` {s}, at most seven days, once until the governor arms it again.
    function pauseExchange(uint256 duration) external;

    /// @notice Ends both pauses and lets the guardian pause again.
    function armPauses() external;

    /// @notice Ends minting and exchanging for good; redeem and claim go on.
    function deprecate() external;

    /// @notice Gives up a power of this contract for good, whatever the authority says later. Settings that modules keep for
    /// this index (those that ask `RoleLib.requirePower`, such as `setPolicy` and `setLimits`) are given up the same way.
    function abdicate(bytes4 selector) external;
}
