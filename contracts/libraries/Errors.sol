// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Errors
/// @notice Every revert reason of Ballast: subject, then state, with the values that let the caller act.
library Errors {
    /* ANY CONTRACT */

    /// @notice Thrown when an address that must be set is zero.
    error ZeroAddress();
    /// @notice Thrown when arrays that belong together differ in length.
    error LengthMismatch(uint256 length, uint256 expected);
    /// @notice Thrown when a setting is outside its hard bound.
    error ValueOutOfBounds(bytes32 what, uint256 value, uint256 min, uint256 max);
    /// @notice Thrown when the caller holds no role for this function on this index.
    error NotAuthorized(address caller, address index);

    /* SHARE TOKEN */

    /// @notice Thrown when an account has fewer shares than it wants to move.
    error BalanceTooLow(address account, uint256 balance, uint256 shares);
    /// @notice Thrown when a spender's allowance is below the shares it wants to move.
    error AllowanceTooLow(address owner, address spender, uint256 allowance, uint256 shares);
    /// @notice Thrown when shares are sent to the zero address.
    error ReceiverInvalid(address receiver);
    /// @notice Thrown when a permit comes after its deadline.
    error PermitExpired(uint256 deadline);
    /// @notice Thrown when a permit was signed by another account.
    error PermitSignerInvalid(address signer, address owner);
    /// @notice Thrown when the supply would pass what its word can hold.
    error SupplyOverflow(uint256 shares);

    /* INDEX TOKEN */

    /// @notice Thrown when a function that must move shares is called with none.
    error ZeroShares();
    /// @notice Thrown when minting would be free because no component has a balance.
    error NothingBacking();
    /// @notice Thrown when the caller's amounts belong to another component list.
    error BasketChanged(uint256 version, uint256 expected);
    /// @notice Thrown when minting would need more of a component than the caller allows.
    error AmountInTooHigh(address component, uint256 amountIn, uint256 maxIn);
    /// @notice Thrown when redeeming would pay less of a component than the caller demands.
    error AmountOutTooLow(address component, uint256 amountOut, uint256 minOut);
    /// @notice Thrown when less of a token arrived than was due.
    error ShortDelivery(address token, uint256 received, uint256 required);
    /// @notice Thrown when a token does not answer `balanceOf`.
    error BalanceUnreadable(address token);
    /// @notice Thrown when a mint would raise the supply above the cap.
    error SupplyCapExceeded(uint256 supply, uint256 shares, uint256 cap);
    /// @notice Thrown when minting is paused or the index is deprecated.
    error MintPaused(uint256 until);
    /// @notice Thrown when exchanges are paused or the index is deprecated.
    error ExchangePaused(uint256 until);
    /// @notice Thrown when the guardian has used its pause and the governor has not armed it again.
    error PauseNotArmed();
    /// @notice Thrown when a deprecated index is asked to live on.
    error Deprecated();
    /// @notice Thrown when a power that was given up is used.
    error Abdicated(bytes4 selector);
    /// @notice Thrown when a caller is not the rebalancer of the index.
    error NotRebalancer(address caller);
    /// @notice Thrown when a higher fee was not announced, or too recently. `earliest` is zero if it was not announced.
    error FeeNotDue(bytes4 selector, uint256 fee, uint256 earliest);
    /// @notice Thrown when a caller is neither the rebalancer nor the fee module of the index.
    error NotFeeModule(address caller);
    /// @notice Thrown when modules would mint more fee shares than the hard bound has left. Fractions of supply, D18.
    error ModuleFeeExceeded(uint256 fraction, uint256 left);
    /// @notice Thrown when a caller is not the factory that made the index.
    error NotFactory(address caller);
    /// @notice Thrown when the index is bootstrapped twice.
    error AlreadyBootstrapped();
    /// @notice Thrown when there is no claim to pay.
    error ClaimEmpty(address token, address account);
    /// @notice Thrown when somebody else than its owner redirects a claim.
    error ClaimNotYours(address caller, address account);
    /// @notice Thrown when the list would grow beyond the limit.
    error TooManyComponents(uint256 count, uint256 max);
    /// @notice Thrown when a token cannot be a component: no code, the index itself, or already in the list.
    error ComponentInvalid(address token);
    /// @notice Thrown when a component that still has a balance would leave the list.
    error ComponentNotEmpty(address token, uint256 available);
    /// @notice Thrown when a token is not in the component list.
    error ComponentUnknown(address token);
    /// @notice Thrown when the same token is sold and bought, or named twice, in one exchange.
    error ExchangeTokenRepeated(address token);
    /// @notice Thrown when more of a token left than was sent: it takes a fee on top.
    error SoldTooMuch(address token, uint256 sold, uint256 amount);
    /// @notice Thrown when an exchange wants to send more than is available after claims.
    error AvailableTooLow(address token, uint256 available, uint256 amount);

    /* FACTORY */

    /// @notice Thrown when the caller has already made an index with this salt and these terms.
    error AddressTaken(bytes32 salt);

    /* PRICES */

    /// @notice Thrown when a token has no feed.
    error PriceMissing(address token);
    /// @notice Thrown when the answer of a feed is older than accepted.
    error PriceStale(address token, uint256 updatedAt, uint256 maxAge);
    /// @notice Thrown when the answer of a feed is not a usable price.
    error PriceBad(address token, int256 answer);
    /// @notice Thrown when a feed is set for another token than its own.
    error FeedMismatch(address token, address feedToken);
    /// @notice Thrown when an answer is at or beyond the lowest or highest that its source can give, or is trusted with.
    error PriceClamped(address token, int256 answer, int256 min, int256 max);
    /// @notice Thrown when a token or an aggregator does not have the decimals it had when its feed was made.
    error DecimalsChanged(address source, uint256 decimals, uint256 pinned);
    /// @notice Thrown when a pool had too little liquidity over the window.
    error PriceThin(address token, uint256 liquidity, uint256 min);
    /// @notice Thrown when a pool does not remember the whole window; more observations can be bought from the pool by anyone.
    error HistoryTooShort(address pool, uint256 window);
    /// @notice Thrown when a mean of ticks is no tick.
    error TickOverflow(int256 tick);
    /// @notice Thrown when the share price of a vault moved further from its checkpoint than time explains.
    error RateOutOfBounds(address vault, uint256 rate, uint256 min, uint256 max);
    /// @notice Thrown when the checkpoint of a vault is moved again too early.
    error CheckpointTooEarly(uint256 earliest);
    /// @notice Thrown when two sources of one price disagree.
    error OracleDivergence(address token, uint256 price, uint256 anchor, uint256 maxPpm);
    /// @notice Thrown when the sequencer of the rollup is down.
    error SequencerDown(uint256 since);
    /// @notice Thrown when the sequencer of the rollup has been up for too short a time to trust what it brings.
    error SequencerJustUp(uint256 since, uint256 grace);
    /// @notice Thrown when a call leaves too little gas to tell a price that failed from one that was starved.
    error GasTooLow(uint256 gasLeft, uint256 required);

    /* REBALANCER AND GUARD */

    /// @notice Thrown when an index is registered twice.
    error AlreadyRegistered(address index);
    /// @notice Thrown when an index is not registered here.
    error NotRegistered(address index);
    /// @notice Thrown when the plan named by the caller is not the one expected: someone was faster, or it was sent twice.
    error PlanMismatch(uint256 planId, uint256 expected);
    /// @notice Thrown when no plan is live.
    error PlanExpired(uint256 planId, uint256 expiresAt);
    /// @notice Thrown when the step named by the caller is not the next one of the plan.
    error StepMismatch(uint256 step, uint256 expected);
    /// @notice Thrown when a new plan comes too early.
    error PlanTooEarly(uint256 earliest);
    /// @notice Thrown when weights do not sum to 1e18.
    error WeightsSumInvalid(uint256 sum);
    /// @notice Thrown when a weight is above the bound.
    error WeightTooHigh(address token, uint256 weight, uint256 max);
    /// @notice Thrown when a token that is not allow-listed gets a weight.
    error TokenNotAllowed(address token);
    /// @notice Thrown when a token that would enter the basket has no weight.
    error AdditionWithoutWeight(address token);
    /// @notice Thrown when a token has no target in the live plan.
    error TokenNotInPlan(address token);
    /// @notice Thrown when more would be sold than is above target.
    error SurplusExceeded(address token, uint256 amount, uint256 surplus);
    /// @notice Thrown when more was bought than was below target.
    error DeficitExceeded(address token, uint256 amount, uint256 deficit);
    /// @notice Thrown when a swap is larger than the policy allows. Values in nano-USD.
    error TradeTooLarge(uint256 value, uint256 max);
    /// @notice Thrown when a token was traded too recently.
    error CooldownActive(address token, uint256 until);
    /// @notice Thrown when an exchange would cost more than the loss budget has left. Fractions of NAV, D18.
    error LossBudgetExceeded(uint256 loss, uint256 left);
    /// @notice Thrown when an exchange would turn over more than the turnover budget has left. Fractions of NAV, D18.
    error TurnoverBudgetExceeded(uint256 turnover, uint256 left);
    /// @notice Thrown when an index has no value to measure against.
    error ValuationZero(address index);
    /// @notice Thrown when an index is read in the middle of one of its own calls.
    error IndexLocked(address index);
    /// @notice Thrown when a target does not fit its word.
    error UnitOverflow(address token, uint256 unit);
    /// @notice Thrown when a weight differs from the one that was decided for the index.
    error WeightNotExecuted(address token, uint256 weight, uint256 executed);
    /// @notice Thrown when the targets of a plan are scaled a second time.
    error PlanScaled(uint256 planId, uint256 scale);
    /// @notice Thrown when a price range is upside down, too wide, or belongs to a token without a target.
    error RangeInvalid(address token, uint256 low, uint256 high);

    /* PERFORMANCE FEE AND SPLITTER */

    /// @notice Thrown when the performance fee of an index is not due yet.
    error CrystalliseTooEarly(uint256 earliest);
    /// @notice Thrown when there is no gain above the high-water mark. Both in D27{nUSD/share}.
    error GainMissing(uint256 nav, uint256 mark);
    /// @notice Thrown when the fee is below one share, or modules may mint none now (`left`, D18 of supply).
    error FeeTooSmall(uint256 left);
    /// @notice Thrown when a NAV was observed already and still serves.
    error ObservationLive(uint256 expiresAt);
    /// @notice Thrown when no NAV was observed at the right time: it serves from `earliest` until `latest`.
    error ObservationMissing(uint256 earliest, uint256 latest);
    /// @notice Thrown when a recipient of a table is the index, the splitter, or named twice.
    error RecipientInvalid(address recipient);
    /// @notice Thrown when the table of an index was made final.
    error TableFinal(address index);

    /* AUCTIONS */

    /// @notice Thrown when the governor has set no auction policy.
    error AuctionsDisabled(address index);
    /// @notice Thrown when the auction named by the caller is not the one expected: someone was faster, or it was sent twice.
    error AuctionMismatch(uint256 auctionId, uint256 expected);
    /// @notice Thrown when an auction is opened while another one lasts.
    error AuctionLive(uint256 auctionId, uint256 endsAt);
    /// @notice Thrown when an auction has not started yet, or is over.
    error AuctionNotLive(uint256 auctionId, uint256 startsAt, uint256 endsAt);
    /// @notice Thrown when less of a token can be traded than the filler demands, or nothing at all.
    error FillTooSmall(address token, uint256 amount, uint256 min);
    /// @notice Thrown when a fill would cost more than the filler allows.
    error FillTooExpensive(address token, uint256 amount, uint256 max);
    /// @notice Thrown when somebody else than the auction house settles a fill.
    error NotAuctionHouse(address caller);
    /// @notice Thrown when payment is called for that no fill of this moment owes.
    error PullUnexpected(address caller);

    /* TAKERS */

    /// @notice Thrown when a taker is asked for a number of legs that it does not serve.
    error LegsInvalid(uint256 outs, uint256 ins);
    /// @notice Thrown when a route is no route, or leads to a token that the exchange does not expect.
    error RouteInvalid(address token);
    /// @notice Thrown when a pool runs out of liquidity before it has taken all.
    error PoolDry(address pool, uint256 taken, uint256 amount);
    /// @notice Thrown when a callback comes from somebody else than the pool in use.
    error NotPool(address caller);
    /// @notice Thrown when an aggregator taker is made for a target that no route may call: a token, or nothing.
    error TargetInvalid(address target);

    /* ZAP */

    /// @notice Thrown when a call is mined after its deadline.
    error DeadlinePassed(uint256 deadline);
    /// @notice Thrown when the ether sent along is not what the payment says.
    error EtherMismatch(uint256 value, uint256 amount);
    /// @notice Thrown when a signature has a length that EIP-2612 does not know.
    error SignatureInvalid(uint256 length);
    /// @notice Thrown when somebody else than the zap calls its executor.
    error NotZap(address caller);
    /// @notice Thrown when a route calls what it must not: see IZapExecutor.
    error TargetRefused(address target, bytes4 selector);
    /// @notice Thrown when a call of a route fails; `reason` is its revert data.
    error RouteFailed(uint256 step, address target, bytes reason);
    /// @notice Thrown when the receiver would get fewer shares than demanded.
    error MintedTooFew(uint256 shares, uint256 minShares);
    /// @notice Thrown when a component cannot be paid now: redeem in kind instead, with its leg deferred.
    error RedeemInKind(address index, bytes reason);
    /// @notice Thrown when the receiver does not take ether.
    error EtherRefused(address receiver);

    /* GOVERNANCE */

    /// @notice Thrown when the guardian would cancel the proposal that replaces him.
    error VetoOwnRemoval(address guardian);

    /* WEIGHTS */

    /// @notice Thrown when an epoch does not name its spec or its inputs.
    error ZeroHash();
    /// @notice Thrown when the epoch named by the caller is not the next one.
    error EpochMismatch(uint256 number, uint256 expected);
    /// @notice Thrown when a proposal waits already.
    error ProposalPending(address index, uint256 number, uint256 lapsesAt);
    /// @notice Thrown when no proposal waits.
    error NothingProposed(address index);
    /// @notice Thrown when what is to be executed is not what was proposed.
    error HashMismatch(bytes32 hash, bytes32 expected);
    /// @notice Thrown when the delay or the interval has not passed.
    error EpochTooEarly(uint256 readyAt);
    /// @notice Thrown when a proposal waited too long.
    error ProposalLapsed(uint256 lapsesAt);
    /// @notice Thrown when tokens are not in strictly ascending order.
    error TokensNotAscending(address token);
    /// @notice Thrown when a weight is below the bound.
    error WeightTooLow(address token, uint256 weight, uint256 min);
    /// @notice Thrown when an epoch is further from the last executed weights than the rules allow. D18.
    error ChangeTooLarge(uint256 change, uint256 max);
    /// @notice Thrown when the methodology computes another weight from the inputs.
    error WeightsMismatch(address token, uint256 weight, uint256 computed);
    /// @notice Thrown when a methodology is an address without code.
    error MethodologyInvalid(address methodology);
    /// @notice Thrown when a raw weight is zero or above 2^128 - 1.
    error RawWeightInvalid(uint256 place, uint256 raw);
    /// @notice Thrown when no weights can respect cap and floor.
    error WeightsInfeasible(uint256 count, uint256 min, uint256 max);
    /// @notice Thrown when a day's prices cannot be recorded any more.
    error RecordWindowClosed(uint256 opensAt);
    /// @notice Thrown when a day's price is there already.
    error AlreadyRecorded(address token, uint256 day);
    /// @notice Thrown when too few days of a window have a price.
    error RecordsMissing(address token, uint256 found, uint256 needed);
}
