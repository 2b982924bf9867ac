// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {ShareToken} from "./ShareToken.sol";
import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {ITaker, Leg} from "./interfaces/ITaker.sol";
import {BasketLib} from "./libraries/BasketLib.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {TokenLib} from "./libraries/TokenLib.sol";

/// @title IndexToken
/// @notice The contract that holds the money. It knows tokens and shares, never prices.
/// @dev HOLDINGS are balances less claims; nothing is recorded, so there is nothing to synchronise.
/// ROUNDING: what comes in rounds up, what goes out rounds down.
/// EXIT: `redeem` and `claim` ask no role, no pause, no oracle and no other contract than the component itself.
/// POWERS: no proxy, no delegatecall, no arbitrary call, no allowance. Tokens leave only through redeem, claim, exchange.
/// RHYTHM of every function that changes state: guards, bring up to date, compute, write and move, announce.
contract IndexToken is IIndexToken, ShareToken, AccessManaged, ReentrancyGuardTransient {
    using BasketLib for bytes;
    using FixedPointMathLib for uint256;
    using SafeERC20 for IERC20;

    /// @dev Everything a mint or redeem reads besides the supply: two words.
    /// `list` is the address whose code is the component list (BasketLib).
    struct BasketWord {
        address list;
        uint64 claimsMask;
        uint32 exchangePausedUntil; // {s}
    }

    /// @dev Fees are D18, the cap is {SHARE} whole shares. All fit by the hard caps in Constants.
    struct TermsWord {
        uint56 streamingRate; // D18{1/year}
        uint56 mintFee; // D18{1}
        uint56 redeemFee; // D18{1}
        uint48 supplyCap; // {SHARE}
        uint40 mintPausedUntil; // {s}
    }

    address public immutable factory;

    /* BASKET */
    BasketWord private _basket;
    mapping(address token => mapping(address account => uint256 amount)) public claimOf; // {tok}
    mapping(address token => uint256 amount) public claimsOwed; // {tok}

    /* TERMS */
    TermsWord private _terms;
    uint256 public streamingFee; // D18{1/year}
    address public feeRecipient;

    /* WIRING */
    address public rebalancer;
    address public guard;

    /* SAFETY */
    bool private _mintPauseUsed;
    bool private _exchangePauseUsed;
    mapping(bytes4 selector => bool) public abdicated;

    modifier onlyRebalancer() {
        require(msg.sender == rebalancer, Errors.NotRebalancer(msg.sender));
        _;
    }

    /// @dev A role of the authority, unless the power was given up.
    modifier onlyPower() {
        require(!abdicated[msg.sig], Errors.Abdicated(msg.sig));
        _checkCanCall(msg.sender, msg.data);
        _;
    }

    constructor(IndexParams memory params)
        ShareToken(params.name, params.symbol)
        AccessManaged(params.authority)
    {
        require(params.authority != address(0), Errors.ZeroAddress());
        factory = msg.sender;
        _supply.since = uint32(block.timestamp);
        _appendComponents(new address[](0), 0, params.components);
        _setStreamingFee(params.streamingFee);
        _setMintFee(params.mintFee);
        _setRedeemFee(params.redeemFee);
        _setSupplyCap(params.supplyCap);
        _setFeeRecipient(params.feeRecipient);
        _setRebalancer(params.rebalancer);
        _setGuard(params.guard);
    }

    /* INVESTOR */

    /// @inheritdoc IIndexToken
    function mint(uint256 shares, uint256 expectedVersion, uint256[] calldata maxIn, address receiver)
        external
        nonReentrant
        returns (uint256[] memory amountsIn)
    {
        TermsWord memory terms = _terms;
        require(block.timestamp >= terms.mintPausedUntil, Errors.MintPaused(terms.mintPausedUntil));
        bytes memory basket = _checkedBasket(shares, expectedVersion, maxIn.length);

        (uint256 supply, uint256 growth) = _effectiveSupply();
        uint256 cap = uint256(terms.supplyCap) * Constants.WAD;
        require(supply + shares <= cap, Errors.SupplyCapExceeded(supply, shares, cap));

        uint256 feeShares = FeeMath.oneOffFee(shares, terms.mintFee);

        amountsIn = _pullBasket(shares, supply, basket, maxIn);
        _enter(receiver, shares - feeShares, shares, growth);

        emit Mint(msg.sender, receiver, shares, feeShares, amountsIn);
    }

    /// @inheritdoc IIndexToken
    function redeem(
        uint256 shares,
        uint256 expectedVersion,
        uint256[] calldata minOut,
        address owner,
        address receiver,
        uint256 deferMask
    ) external nonReentrant returns (uint256[] memory amountsOut) {
        require(receiver != address(0), Errors.ReceiverInvalid(receiver));
        uint256 feeShares;
        {
            bytes memory basket = _checkedBasket(shares, expectedVersion, minOut.length);
            uint256 supply;
            (supply, feeShares) = _retire(owner, shares);
            amountsOut = _payBasket(shares - feeShares, supply, basket, minOut, receiver, deferMask);
        }
        emit Redeem(msg.sender, owner, receiver, shares, feeShares, deferMask, amountsOut);
    }

    /// @inheritdoc IIndexToken
    function claim(address token, address account, address receiver) external nonReentrant returns (uint256 amount) {
        require(msg.sender == account || receiver == account, Errors.ClaimNotYours(msg.sender, account));
        require(receiver != address(0), Errors.ReceiverInvalid(receiver));
        amount = claimOf[token][account];
        require(amount != 0, Errors.ClaimEmpty(token, account));

        uint256 owed = claimsOwed[token] - amount;
        claimOf[token][account] = 0;
        claimsOwed[token] = owed;
        if (owed == 0) _clearClaimsBit(token);
        IERC20(token).safeTransfer(receiver, amount);

        emit Claim(token, account, receiver, amount);
    }

    /// @inheritdoc IIndexToken
    function collect() external nonReentrant returns (uint256 feeShares) {
        feeShares = _collect();
    }

    /* MODULE */

    /// @inheritdoc IIndexToken
    function exchange(Leg[] calldata outs, Leg[] calldata ins, address payee, address taker, bytes calldata data)
        external
        nonReentrant
        onlyRebalancer
        returns (uint256[] memory sold, uint256[] memory bought)
    {
        BasketWord memory word = _basket;
        require(block.timestamp >= word.exchangePausedUntil, Errors.ExchangePaused(word.exchangePausedUntil));
        _checkLegs(outs, ins, BasketLib.read(word.list));

        sold = new uint256[](outs.length); // balances before, then what left
        bought = new uint256[](ins.length); // balances before, then what arrived
        for (uint256 i; i < ins.length; ++i) {
            bought[i] = TokenLib.balance(ins[i].token);
        }
        for (uint256 i; i < outs.length; ++i) {
            sold[i] = TokenLib.balance(outs[i].token);
            uint256 available = sold[i].zeroFloorSub(claimsOwed[outs[i].token]);
            require(available >= outs[i].amount, Errors.AvailableTooLow(outs[i].token, available, outs[i].amount));
            IERC20(outs[i].token).safeTransfer(payee, outs[i].amount);
        }

        ITaker(taker).onExchange(outs, ins, data);

        Leg[] memory soldLegs = new Leg[](outs.length);
        Leg[] memory boughtLegs = new Leg[](ins.length);
        for (uint256 i; i < outs.length; ++i) {
            sold[i] = sold[i].zeroFloorSub(TokenLib.balance(outs[i].token));
            soldLegs[i] = Leg(outs[i].token, sold[i]);
        }
        for (uint256 i; i < ins.length; ++i) {
            bought[i] = TokenLib.balance(ins[i].token).zeroFloorSub(bought[i]);
            require(bought[i] >= ins[i].amount, Errors.ShortDelivery(ins[i].token, bought[i], ins[i].amount));
            boughtLegs[i] = Leg(ins[i].token, bought[i]);
        }
        (uint256 supply,) = _effectiveSupply();
        IExchangeGuard(guard).check(soldLegs, boughtLegs, supply);

        emit Exchange(taker, payee, soldLegs, boughtLegs);
    }

    /// @inheritdoc IIndexToken
    function updateComponents(uint256 removeMask, address[] calldata additions) external nonReentrant onlyRebalancer {
        BasketWord memory word = _basket;
        require(block.timestamp >= word.exchangePausedUntil, Errors.ExchangePaused(word.exchangePausedUntil));
        bytes memory basket = BasketLib.read(word.list);

        uint256 n = basket.count();
        address[] memory kept = new address[](n);
        uint256 count;
        uint256 mask;
        for (uint256 i; i < n; ++i) {
            address token = basket.at(i);
            if (removeMask >> i & 1 == 1) {
                uint256 available = TokenLib.balance(token).zeroFloorSub(claimsOwed[token]);
                require(available == 0, Errors.ComponentNotEmpty(token, available));
            } else {
                mask |= (uint256(word.claimsMask) >> i & 1) << count;
                kept[count++] = token;
            }
        }
        assembly ("memory-safe") {
            mstore(kept, count) // shorten to what was kept
        }
        _basket.claimsMask = uint64(mask);
        _appendComponents(kept, basket.version(), additions);
    }

    /// @inheritdoc IIndexToken
    function bootstrap(uint256 shares, address receiver) external nonReentrant {
        require(msg.sender == factory, Errors.NotFactory(msg.sender));
        require(_supply.issued == 0, Errors.AlreadyBootstrapped());
        require(shares > Constants.LOCKED_SHARES, Errors.ZeroShares());
        require(shares <= supplyCap(), Errors.SupplyCapExceeded(0, shares, supplyCap()));

        address[] memory list = components();
        uint256[] memory amounts = new uint256[](list.length);
        for (uint256 i; i < list.length; ++i) {
            amounts[i] = TokenLib.balance(list[i]);
            require(amounts[i] != 0, Errors.ShortDelivery(list[i], 0, 1));
        }
        _supply.since = uint32(block.timestamp);
        _enter(Constants.LOCKED_SHARES_HOLDER, Constants.LOCKED_SHARES, Constants.LOCKED_SHARES, Constants.WAD);
        uint256 rest = shares - Constants.LOCKED_SHARES;
        _enter(receiver, rest, rest, Constants.WAD);

        emit Bootstrap(receiver, shares, amounts);
    }

    /* GOVERNOR */

    /// @inheritdoc IIndexToken
    function setStreamingFee(uint256 annualFee) external nonReentrant onlyPower {
        _setStreamingFee(annualFee);
    }

    /// @inheritdoc IIndexToken
    function setMintFee(uint256 fee) external nonReentrant onlyPower {
        _setMintFee(fee);
    }

    /// @inheritdoc IIndexToken
    function setRedeemFee(uint256 fee) external nonReentrant onlyPower {
        _setRedeemFee(fee);
    }

    /// @inheritdoc IIndexToken
    function setFeeRecipient(address recipient) external nonReentrant onlyPower {
        _collect();
        _setFeeRecipient(recipient);
    }

    /// @inheritdoc IIndexToken
    function setSupplyCap(uint256 wholeShares) external nonReentrant onlyPower {
        _setSupplyCap(wholeShares);
    }

    /// @inheritdoc IIndexToken
    function setRebalancer(address newRebalancer) external nonReentrant onlyPower {
        _setRebalancer(newRebalancer);
    }

    /// @inheritdoc IIndexToken
    function setGuard(address newGuard) external nonReentrant onlyPower {
        _setGuard(newGuard);
    }

    /// @inheritdoc IIndexToken
    function armPauses() external nonReentrant onlyPower {
        require(!deprecated(), Errors.Deprecated());
        _mintPauseUsed = false;
        _exchangePauseUsed = false;
        _terms.mintPausedUntil = 0;
        _basket.exchangePausedUntil = 0;
        emit ArmPauses();
    }

    /// @inheritdoc IIndexToken
    function deprecate() external nonReentrant onlyPower {
        _terms.mintPausedUntil = type(uint40).max;
        _basket.exchangePausedUntil = type(uint32).max;
        emit Deprecate();
    }

    /// @inheritdoc IIndexToken
    function abdicate(bytes4 selector) external nonReentrant onlyPower {
        abdicated[selector] = true;
        emit Abdicate(selector);
    }

    /* GUARDIAN */

    /// @inheritdoc IIndexToken
    function pauseMint(uint256 duration) external nonReentrant onlyPower {
        require(!_mintPauseUsed, Errors.PauseNotArmed());
        _mintPauseUsed = true;
        uint256 until = _pauseEnd(duration);
        _terms.mintPausedUntil = uint40(until);
        emit PauseMint(until);
    }

    /// @inheritdoc IIndexToken
    function pauseExchange(uint256 duration) external nonReentrant onlyPower {
        require(!_exchangePauseUsed, Errors.PauseNotArmed());
        _exchangePauseUsed = true;
        uint256 until = _pauseEnd(duration);
        _basket.exchangePausedUntil = uint32(until);
        emit PauseExchange(until);
    }

    /* VIEWS */

    /// @inheritdoc IIndexToken
    function components() public view returns (address[] memory) {
        return BasketLib.read(_basket.list).toArray();
    }

    /// @inheritdoc IIndexToken
    function version() external view returns (uint256) {
        return BasketLib.read(_basket.list).version();
    }

    /// @inheritdoc IIndexToken
    function reserves() external view nonReentrantView returns (uint256[] memory amounts) {
        BasketWord memory word = _basket;
        bytes memory basket = BasketLib.read(word.list);
        amounts = new uint256[](basket.count());
        for (uint256 i; i < amounts.length; ++i) {
            (amounts[i],) = _available(basket.at(i), i, word.claimsMask);
        }
    }

    /// @inheritdoc IIndexToken
    function previewMint(uint256 shares)
        external
        view
        nonReentrantView
        returns (uint256[] memory amountsIn, uint256 feeShares)
    {
        amountsIn = _previewAmounts(shares, true);
        feeShares = FeeMath.oneOffFee(shares, _terms.mintFee);
    }

    /// @inheritdoc IIndexToken
    function previewRedeem(uint256 shares)
        external
        view
        nonReentrantView
        returns (uint256[] memory amountsOut, uint256 feeShares)
    {
        feeShares = FeeMath.oneOffFee(shares, _terms.redeemFee);
        amountsOut = _previewAmounts(shares - feeShares, false);
    }

    /// @inheritdoc IIndexToken
    function locked() external view returns (bool) {
        return _reentrancyGuardEntered();
    }

    /// @inheritdoc IIndexToken
    function pendingFeeShares() external view returns (uint256) {
        (uint256 supply,) = _effectiveSupply();
        return supply - _supply.issued;
    }

    /// @inheritdoc IIndexToken
    function supplyWord() external view returns (uint256 base, uint256 issued, uint256 since) {
        SupplyWord memory word = _supply;
        return (word.base, word.issued, word.since);
    }

    /// @inheritdoc IIndexToken
    function streamingRate() external view returns (uint256) {
        return _terms.streamingRate;
    }

    /// @inheritdoc IIndexToken
    function mintFee() external view returns (uint256) {
        return _terms.mintFee;
    }

    /// @inheritdoc IIndexToken
    function redeemFee() external view returns (uint256) {
        return _terms.redeemFee;
    }

    /// @inheritdoc IIndexToken
    function supplyCap() public view returns (uint256) {
        return uint256(_terms.supplyCap) * Constants.WAD;
    }

    /// @inheritdoc IIndexToken
    function mintPausedUntil() external view returns (uint256) {
        return _terms.mintPausedUntil;
    }

    /// @inheritdoc IIndexToken
    function exchangePausedUntil() external view returns (uint256) {
        return _basket.exchangePausedUntil;
    }

    /// @inheritdoc IIndexToken
    function deprecated() public view returns (bool) {
        return _terms.mintPausedUntil == type(uint40).max;
    }

    /// @inheritdoc IIndexToken
    function claimsMask() external view returns (uint256) {
        return _basket.claimsMask;
    }

    /* INTERNALS: BASKET */

    /// @dev The component list, after checking that the caller's arrays were made for it.
    function _checkedBasket(uint256 shares, uint256 expectedVersion, uint256 length)
        private
        view
        returns (bytes memory basket)
    {
        require(shares != 0, Errors.ZeroShares());
        basket = BasketLib.read(_basket.list);
        uint256 version_ = basket.version();
        require(version_ == expectedVersion, Errors.BasketChanged(version_, expectedVersion));
        uint256 n = basket.count();
        require(length == n, Errors.LengthMismatch(length, n));
    }

    /// @dev Pulls `⌈shares·available/supply⌉` of each component and checks that it arrived.
    function _pullBasket(uint256 shares, uint256 supply, bytes memory basket, uint256[] calldata maxIn)
        private
        returns (uint256[] memory amounts)
    {
        amounts = new uint256[](maxIn.length);
        uint256 mask = _basket.claimsMask;
        uint256 any;
        for (uint256 i; i < maxIn.length; ++i) {
            address token = basket.at(i);
            (uint256 available, uint256 balance) = _available(token, i, mask);
            // {tok} = {share} * {tok} / {share}
            uint256 amount = shares.fullMulDivUp(available, supply);
            require(amount <= maxIn[i], Errors.AmountInTooHigh(token, amount, maxIn[i]));
            amounts[i] = amount;
            any |= amount;
            if (amount == 0) continue;
            IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
            uint256 received = TokenLib.balance(token).zeroFloorSub(balance);
            require(received >= amount, Errors.ShortDelivery(token, received, amount));
        }
        require(any != 0, Errors.NothingBacking());
    }

    /// @dev Burns `shares` of `owner` for the caller; the fee stays in the effective supply.
    /// @return supply {share} before burning
    function _retire(address owner, uint256 shares) private returns (uint256 supply, uint256 feeShares) {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        feeShares = FeeMath.oneOffFee(shares, _terms.redeemFee);
        uint256 growth;
        (supply, growth) = _effectiveSupply();
        _leave(owner, shares, shares - feeShares, growth);
    }

    /// @dev Pays `⌊shares·available/supply⌋` of each component, or records it as a claim.
    function _payBasket(
        uint256 shares,
        uint256 supply,
        bytes memory basket,
        uint256[] calldata minOut,
        address receiver,
        uint256 deferMask
    ) private returns (uint256[] memory amounts) {
        amounts = new uint256[](minOut.length);
        uint256 mask = _basket.claimsMask;
        for (uint256 i; i < minOut.length; ++i) {
            address token = basket.at(i);
            bool defer = deferMask >> i & 1 == 1;
            // {tok} = {share} * {tok} / {share}
            uint256 amount =
                shares.fullMulDiv(defer ? _availableOrZero(token) : _availableOnly(token, i, mask), supply);
            require(amount >= minOut[i], Errors.AmountOutTooLow(token, amount, minOut[i]));
            amounts[i] = amount;
            if (amount == 0) continue;
            if (defer) _defer(token, i, receiver, amount);
            else IERC20(token).safeTransfer(receiver, amount);
        }
    }

    /// @dev Records a leg as a claim instead of calling its token.
    function _defer(address token, uint256 i, address account, uint256 amount) private {
        claimOf[token][account] += amount;
        claimsOwed[token] += amount;
        _basket.claimsMask |= uint64(1 << i);
        emit Defer(token, account, amount);
    }

    /// @dev {tok} available after claims, and the raw {tok} balance. The claims slot is read only if its bit is set.
    function _available(address token, uint256 i, uint256 mask)
        private
        view
        returns (uint256 available, uint256 balance)
    {
        balance = TokenLib.balance(token);
        available = mask >> i & 1 == 1 ? balance.zeroFloorSub(claimsOwed[token]) : balance;
    }

    function _availableOnly(address token, uint256 i, uint256 mask) private view returns (uint256 available) {
        (available,) = _available(token, i, mask);
    }

    /// @dev For deferred legs: a token that does not answer, or burns gas, counts as empty and stops nobody.
    function _availableOrZero(address token) private view returns (uint256) {
        (bool ok, uint256 balance) = TokenLib.tryBalanceOf(token, address(this), Constants.BALANCE_GAS);
        return ok ? balance.zeroFloorSub(claimsOwed[token]) : 0;
    }

    function _previewAmounts(uint256 shares, bool roundUp) private view returns (uint256[] memory amounts) {
        BasketWord memory word = _basket;
        bytes memory basket = BasketLib.read(word.list);
        (uint256 supply,) = _effectiveSupply();
        amounts = new uint256[](basket.count());
        for (uint256 i; i < amounts.length; ++i) {
            uint256 available = _availableOnly(basket.at(i), i, word.claimsMask);
            amounts[i] = roundUp ? shares.fullMulDivUp(available, supply) : shares.fullMulDiv(available, supply);
        }
    }

    /// @dev Every token of an exchange is a component and appears once.
    function _checkLegs(Leg[] calldata outs, Leg[] calldata ins, bytes memory basket) private pure {
        uint256 seen;
        uint256 n = basket.count();
        for (uint256 k; k < outs.length + ins.length; ++k) {
            address token = k < outs.length ? outs[k].token : ins[k - outs.length].token;
            uint256 i = basket.find(token);
            require(i < n, Errors.ComponentUnknown(token));
            require(seen >> i & 1 == 0, Errors.ExchangeTokenRepeated(token));
            seen |= 1 << i;
        }
    }

    /// @dev Writes `kept` and `additions` as the next version of the list.
    function _appendComponents(address[] memory kept, uint256 oldVersion, address[] memory additions) private {
        uint256 n = kept.length + additions.length;
        require(n <= Constants.MAX_COMPONENTS, Errors.TooManyComponents(n, Constants.MAX_COMPONENTS));
        address[] memory list = new address[](n);
        uint256 mask;
        for (uint256 i; i < n; ++i) {
            if (i < kept.length) {
                list[i] = kept[i];
                continue;
            }
            address token = additions[i - kept.length];
            require(token.code.length != 0 && token != address(this), Errors.ComponentInvalid(token));
            for (uint256 j; j < i; ++j) {
                require(list[j] != token, Errors.ComponentInvalid(token));
            }
            // A token that comes back may still owe claims.
            if (claimsOwed[token] != 0) mask |= 1 << i;
            list[i] = token;
        }
        _basket.claimsMask |= uint64(mask);
        _basket.list = BasketLib.write(oldVersion + 1, list);
        emit UpdateComponents(oldVersion + 1, list);
    }

    function _clearClaimsBit(address token) private {
        BasketWord memory word = _basket;
        bytes memory basket = BasketLib.read(word.list);
        uint256 i = basket.find(token);
        if (i < basket.count()) _basket.claimsMask = word.claimsMask & ~uint64(1 << i);
    }

    /* INTERNALS: TERMS */

    function _streamingRate() internal view override returns (uint256) {
        return _terms.streamingRate;
    }

    function _collect() private returns (uint256 feeShares) {
        (uint256 supply,) = _effectiveSupply();
        feeShares = supply - _supply.issued;
        address recipient = feeRecipient;
        // The effective supply already counts these shares: they enter what exists and nothing else.
        if (feeShares != 0) _enter(recipient, feeShares, 0, Constants.WAD);
        emit Collect(recipient, feeShares);
    }

    function _setStreamingFee(uint256 annualFee) private {
        _checkBound("streamingFee", annualFee, 0, Constants.MAX_STREAMING_FEE);
        // What the old rate has earned becomes part of the base; only the future grows at the new rate.
        (uint256 supply,) = _effectiveSupply();
        require(supply <= type(uint112).max, Errors.SupplyOverflow(supply));
        _supply.base = uint112(supply);
        _supply.since = uint32(block.timestamp);
        uint256 rate = FeeMath.streamingRate(annualFee);
        _terms.streamingRate = uint56(rate);
        streamingFee = annualFee;
        emit SetStreamingFee(annualFee, rate, supply);
    }

    function _setMintFee(uint256 fee) private {
        _checkBound("mintFee", fee, 0, Constants.MAX_MINT_FEE);
        _terms.mintFee = uint56(fee);
        emit SetMintFee(fee);
    }

    function _setRedeemFee(uint256 fee) private {
        _checkBound("redeemFee", fee, 0, Constants.MAX_REDEEM_FEE);
        _terms.redeemFee = uint56(fee);
        emit SetRedeemFee(fee);
    }

    function _setFeeRecipient(address recipient) private {
        require(recipient != address(0), Errors.ZeroAddress());
        feeRecipient = recipient;
        emit SetFeeRecipient(recipient);
    }

    function _setSupplyCap(uint256 wholeShares) private {
        if (wholeShares == 0) wholeShares = type(uint48).max;
        _checkBound("supplyCap", wholeShares, 1, type(uint48).max);
        _terms.supplyCap = uint48(wholeShares);
        emit SetSupplyCap(wholeShares);
    }

    function _setRebalancer(address newRebalancer) private {
        require(newRebalancer != address(0), Errors.ZeroAddress());
        rebalancer = newRebalancer;
        emit SetRebalancer(newRebalancer);
    }

    function _setGuard(address newGuard) private {
        require(newGuard != address(0), Errors.ZeroAddress());
        guard = newGuard;
        emit SetGuard(newGuard);
    }

    function _pauseEnd(uint256 duration) private view returns (uint256) {
        require(!deprecated(), Errors.Deprecated());
        _checkBound("pause", duration, 1, Constants.MAX_PAUSE);
        return block.timestamp + duration;
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}
