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
import {BasketLib, Terms} from "./libraries/BasketLib.sol";
import {BasketMath} from "./libraries/BasketMath.sol";
import {BudgetMath} from "./libraries/BudgetMath.sol";
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

    /// @dev The one word a mint or redeem reads besides the supply.
    /// `list` is the address whose code is the component list and the terms (BasketLib).
    struct BasketWord {
        address list;
        uint64 claimsMask;
        uint32 mintPausedUntil; // {s}
    }

    /// @dev The fee module and the bucket of fee shares that modules may mint.
    struct FeeModuleWord {
        address module;
        uint64 used; // D18{1} of supply as of `updatedAt`
        uint32 updatedAt; // {s}
    }

    address public immutable factory;

    /* BASKET */
    BasketWord private _basket;
    mapping(address token => mapping(address account => uint256 amount)) public claimOf; // {tok}
    mapping(address token => uint256 amount) public claimsOwed; // {tok}

    uint256 public streamingFee; // D18{1/year} what the streaming rate of the terms was derived from

    /* WIRING AND SAFETY: an exchange reads the first word */
    address public rebalancer;
    uint40 private _exchangePausedUntil; // {s}
    bool private _mintPauseUsed;
    bool private _exchangePauseUsed;
    address public guard;
    FeeModuleWord private _feeModule;
    mapping(bytes32 change => uint256 earliest) private _notices; // {s} from when a higher fee may be set
    mapping(bytes4 selector => bool) public abdicated;

    modifier onlyRebalancer() {
        require(msg.sender == rebalancer, Errors.NotRebalancer(msg.sender));
        _;
    }

    /// @dev A role of the authority, unless the power was given up.
    modifier onlyPower() {
        _checkPower();
        _;
    }

    constructor(IndexParams memory params)
        ShareToken(params.name, params.symbol)
        AccessManaged(params.authority)
    {
        require(params.authority != address(0), Errors.ZeroAddress());
        factory = msg.sender;
        Terms memory terms;
        terms.streamingRate = _checkStreamingFee(params.streamingFee, 0);
        terms.mintFee = _checkMintFee(params.mintFee);
        terms.redeemFee = _checkRedeemFee(params.redeemFee);
        terms.supplyCap = _checkSupplyCap(params.supplyCap);
        terms.feeRecipient = _checkFeeRecipient(params.feeRecipient);
        _appendComponents(terms, new address[](0), params.components);
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
        BasketWord memory word = _basket;
        if (block.timestamp < word.mintPausedUntil) revert Errors.MintPaused(word.mintPausedUntil);
        bytes memory basket = _checkedBasket(shares, expectedVersion, maxIn.length, word.list);

        uint256 supply = _effectiveSupply(basket.streamingRate());
        uint256 cap = basket.supplyCap() * Constants.WAD;
        if (supply + shares > cap) revert Errors.SupplyCapExceeded(supply, shares, cap);
        uint256 feeShares = FeeMath.oneOffFee(shares, basket.mintFee());

        amountsIn = _pullBasket(shares, supply, basket, word.claimsMask, maxIn);
        _enter(receiver, shares - feeShares, supply + shares);

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
        if (receiver == address(0)) revert Errors.ReceiverInvalid(receiver);
        uint256 feeShares;
        {
            bytes memory basket = _checkedBasket(shares, expectedVersion, minOut.length, _basket.list);
            uint256 supply;
            (supply, feeShares) = _retire(owner, shares, basket);
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

    /// @inheritdoc IIndexToken
    function burn(uint256 shares) external nonReentrant {
        if (shares == 0) revert Errors.ZeroShares();
        _leave(msg.sender, shares, shares, _effectiveSupply(_streamingRate()));
        emit Burn(msg.sender, shares);
    }

    /* MODULE */

    /// @inheritdoc IIndexToken
    function exchange(Leg[] calldata outs, Leg[] calldata ins, address payee, address taker, bytes calldata data)
        external
        nonReentrant
        onlyRebalancer
        returns (uint256[] memory sold, uint256[] memory bought)
    {
        if (block.timestamp < _exchangePausedUntil) revert Errors.ExchangePaused(_exchangePausedUntil);
        BasketWord memory word = _basket;
        _checkLegs(outs, ins, BasketLib.read(word.list));

        sold = new uint256[](outs.length); // balances before, then what left
        bought = new uint256[](ins.length); // balances before, then what arrived
        for (uint256 i; i < ins.length; ++i) {
            bought[i] = TokenLib.balance(ins[i].token);
        }
        for (uint256 i; i < outs.length; ++i) {
            sold[i] = TokenLib.balance(outs[i].token);
            uint256 available =
                word.claimsMask == 0 ? sold[i] : sold[i].zeroFloorSub(claimsOwed[outs[i].token]);
            if (available < outs[i].amount) {
                revert Errors.AvailableTooLow(outs[i].token, available, outs[i].amount);
            }
            IERC20(outs[i].token).safeTransfer(payee, outs[i].amount);
        }

        ITaker(taker).onExchange(outs, ins, data);

        Leg[] memory soldLegs = new Leg[](outs.length);
        Leg[] memory boughtLegs = new Leg[](ins.length);
        for (uint256 i; i < outs.length; ++i) {
            sold[i] = sold[i].zeroFloorSub(TokenLib.balance(outs[i].token));
            if (sold[i] > outs[i].amount) revert Errors.SoldTooMuch(outs[i].token, sold[i], outs[i].amount);
            soldLegs[i] = Leg(outs[i].token, sold[i]);
        }
        for (uint256 i; i < ins.length; ++i) {
            bought[i] = TokenLib.balance(ins[i].token).zeroFloorSub(bought[i]);
            if (bought[i] < ins[i].amount) revert Errors.ShortDelivery(ins[i].token, bought[i], ins[i].amount);
            boughtLegs[i] = Leg(ins[i].token, bought[i]);
        }
        uint256 supply = _effectiveSupply(_streamingRate());
        IExchangeGuard(guard).check(soldLegs, boughtLegs, supply);

        emit Exchange(taker, payee, soldLegs, boughtLegs);
    }

    /// @inheritdoc IIndexToken
    function updateComponents(uint256 removeMask, address[] calldata additions) external nonReentrant onlyRebalancer {
        require(block.timestamp >= _exchangePausedUntil, Errors.ExchangePaused(_exchangePausedUntil));
        BasketWord memory word = _basket;
        bytes memory basket = BasketLib.read(word.list);

        uint256 n = basket.count();
        address[] memory kept = new address[](n);
        uint256 count;
        uint256 mask;
        for (uint256 i; i < n; ++i) {
            address token = basket.at(i);
            if (removeMask >> i & 1 == 1) {
                uint256 available = _availableOf(token);
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
        _appendComponents(basket.toTerms(), kept, additions);
    }

    /// @inheritdoc IIndexToken
    function mintFeeShares(uint256 shares, address receiver) external nonReentrant {
        bool isRebalancer = msg.sender == rebalancer;
        if (!isRebalancer && msg.sender != _feeModule.module) revert Errors.NotFeeModule(msg.sender);
        if (shares == 0) revert Errors.ZeroShares();

        uint256 supply = _effectiveSupply(_streamingRate());
        uint256 left = moduleFeeLeft();
        uint256 fraction = BudgetMath.fractionUp(shares, supply);
        if (fraction > left) revert Errors.ModuleFeeExceeded(fraction, left);
        _feeModule.used = uint64(Constants.MAX_MODULE_FEE - left + fraction);
        _feeModule.updatedAt = uint32(block.timestamp);
        if (isRebalancer) IExchangeGuard(guard).chargeFee(shares, supply);
        _enter(receiver, shares, supply + shares);

        emit MintFeeShares(msg.sender, receiver, shares);
    }

    /// @inheritdoc IIndexToken
    function bootstrap(uint256 shares, address receiver) external nonReentrant {
        require(msg.sender == factory, Errors.NotFactory(msg.sender));
        (, uint256 issued,) = _readSupply();
        require(issued == 0, Errors.AlreadyBootstrapped());
        require(shares > Constants.LOCKED_SHARES, Errors.ZeroShares());
        require(shares <= supplyCap(), Errors.SupplyCapExceeded(0, shares, supplyCap()));

        address[] memory list = components();
        uint256[] memory amounts = new uint256[](list.length);
        for (uint256 i; i < list.length; ++i) {
            amounts[i] = TokenLib.balance(list[i]);
            require(amounts[i] != 0, Errors.ShortDelivery(list[i], 0, 1));
        }
        _enter(Constants.LOCKED_SHARES_HOLDER, Constants.LOCKED_SHARES, Constants.LOCKED_SHARES);
        _enter(receiver, shares - Constants.LOCKED_SHARES, shares);

        emit Bootstrap(receiver, shares, amounts);
    }

    /* GOVERNOR */

    /// @inheritdoc IIndexToken
    function announceFee(bytes4 selector, uint256 fee) external nonReentrant onlyPower {
        uint256 earliest = block.timestamp + Constants.FEE_NOTICE;
        _notices[_change(selector, fee)] = earliest;
        emit AnnounceFee(selector, fee, earliest);
    }

    /// @inheritdoc IIndexToken
    function setStreamingFee(uint256 annualFee) external nonReentrant onlyPower {
        uint256 oldFee = streamingFee;
        // What the old rate has earned becomes part of the base; only the future grows at the new rate.
        uint256 supply = _effectiveSupply(_streamingRate());
        (, uint256 issued,) = _readSupply();
        _writeSupply(supply, issued, block.timestamp);
        (Terms memory terms, address[] memory list) = _readAll();
        terms.streamingRate = _checkStreamingFee(annualFee, supply);
        _requireNotice(annualFee, oldFee);
        _writeAll(terms, list);
    }

    /// @inheritdoc IIndexToken
    function setMintFee(uint256 fee) external nonReentrant onlyPower {
        (Terms memory terms, address[] memory list) = _readAll();
        uint256 oldFee = terms.mintFee;
        terms.mintFee = _checkMintFee(fee);
        _requireNotice(fee, oldFee);
        _writeAll(terms, list);
    }

    /// @inheritdoc IIndexToken
    function setRedeemFee(uint256 fee) external nonReentrant onlyPower {
        (Terms memory terms, address[] memory list) = _readAll();
        uint256 oldFee = terms.redeemFee;
        terms.redeemFee = _checkRedeemFee(fee);
        _requireNotice(fee, oldFee);
        _writeAll(terms, list);
    }

    /// @inheritdoc IIndexToken
    function setFeeRecipient(address recipient) external nonReentrant onlyPower {
        _collect();
        (Terms memory terms, address[] memory list) = _readAll();
        terms.feeRecipient = _checkFeeRecipient(recipient);
        _writeAll(terms, list);
    }

    /// @inheritdoc IIndexToken
    function setSupplyCap(uint256 wholeShares) external nonReentrant onlyPower {
        (Terms memory terms, address[] memory list) = _readAll();
        terms.supplyCap = _checkSupplyCap(wholeShares);
        _writeAll(terms, list);
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
    function setFeeModule(address newModule) external nonReentrant onlyPower {
        _feeModule.module = newModule;
        emit SetFeeModule(newModule);
    }

    /// @inheritdoc IIndexToken
    function armPauses() external nonReentrant onlyPower {
        require(!deprecated(), Errors.Deprecated());
        _mintPauseUsed = false;
        _exchangePauseUsed = false;
        _basket.mintPausedUntil = 0;
        _exchangePausedUntil = 0;
        emit ArmPauses();
    }

    /// @inheritdoc IIndexToken
    function deprecate() external nonReentrant onlyPower {
        _basket.mintPausedUntil = type(uint32).max;
        _exchangePausedUntil = type(uint32).max;
        emit Deprecate();
    }

    /// @inheritdoc IIndexToken
    function abdicate(bytes4 selector) external nonReentrant onlyPower {
        abdicated[selector] = true;
        emit Abdicate(selector);
    }

    /// @notice Lets the authority name its successor, unless that power was given up.
    function setAuthority(address newAuthority) public override {
        require(!abdicated[msg.sig], Errors.Abdicated(msg.sig));
        super.setAuthority(newAuthority);
    }

    /* GUARDIAN */

    /// @inheritdoc IIndexToken
    function pauseMint(uint256 duration) external nonReentrant onlyPower {
        require(!_mintPauseUsed, Errors.PauseNotArmed());
        _mintPauseUsed = true;
        uint256 until = _pauseEnd(duration);
        _basket.mintPausedUntil = uint32(until);
        emit PauseMint(until);
    }

    /// @inheritdoc IIndexToken
    function pauseExchange(uint256 duration) external nonReentrant onlyPower {
        require(!_exchangePauseUsed, Errors.PauseNotArmed());
        _exchangePauseUsed = true;
        uint256 until = _pauseEnd(duration);
        _exchangePausedUntil = uint40(until);
        emit PauseExchange(until);
    }

    /* VIEWS */

    /// @inheritdoc IIndexToken
    function components() public view returns (address[] memory) {
        return BasketLib.read(_basket.list).toArray();
    }

    /// @inheritdoc IIndexToken
    function version() external view returns (uint256) {
        return BasketLib.readTerms(_basket.list).version();
    }

    /// @inheritdoc IIndexToken
    function reserves() external view nonReentrantView returns (uint256[] memory amounts) {
        bytes memory basket = BasketLib.read(_basket.list);
        amounts = new uint256[](basket.count());
        for (uint256 i; i < amounts.length; ++i) {
            amounts[i] = _availableOf(basket.at(i));
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
        feeShares = FeeMath.oneOffFee(shares, mintFee());
    }

    /// @inheritdoc IIndexToken
    function previewRedeem(uint256 shares)
        external
        view
        nonReentrantView
        returns (uint256[] memory amountsOut, uint256 feeShares)
    {
        feeShares = FeeMath.oneOffFee(shares, redeemFee());
        amountsOut = _previewAmounts(shares - feeShares, false);
    }

    /// @inheritdoc IIndexToken
    function locked() external view returns (bool) {
        return _reentrancyGuardEntered();
    }

    /// @inheritdoc IIndexToken
    function pendingFeeShares() external view returns (uint256) {
        uint256 supply = _effectiveSupply(_streamingRate());
        (, uint256 issued,) = _readSupply();
        return supply - issued;
    }

    /// @inheritdoc IIndexToken
    function supplyWord() external view returns (uint256 base, uint256 issued, uint256 since) {
        return _readSupply();
    }

    /// @inheritdoc IIndexToken
    function streamingRate() external view returns (uint256) {
        return _streamingRate();
    }

    /// @inheritdoc IIndexToken
    function mintFee() public view returns (uint256) {
        return BasketLib.readTerms(_basket.list).mintFee();
    }

    /// @inheritdoc IIndexToken
    function redeemFee() public view returns (uint256) {
        return BasketLib.readTerms(_basket.list).redeemFee();
    }

    /// @inheritdoc IIndexToken
    function supplyCap() public view returns (uint256) {
        return BasketLib.readTerms(_basket.list).supplyCap() * Constants.WAD;
    }

    /// @inheritdoc IIndexToken
    function feeRecipient() external view returns (address) {
        return BasketLib.readTerms(_basket.list).feeRecipient();
    }

    /// @inheritdoc IIndexToken
    function noticeOf(bytes4 selector, uint256 fee) external view returns (uint256) {
        return _notices[_change(selector, fee)];
    }

    /// @inheritdoc IIndexToken
    function feeModule() external view returns (address) {
        return _feeModule.module;
    }

    /// @inheritdoc IIndexToken
    function moduleFeeLeft() public view returns (uint256) {
        FeeModuleWord memory word = _feeModule;
        return Constants.MAX_MODULE_FEE
            - BudgetMath.usedAfter(
                word.used, Constants.MAX_MODULE_FEE, Constants.MODULE_FEE_WINDOW, block.timestamp - word.updatedAt
            );
    }

    /// @inheritdoc IIndexToken
    function mintPausedUntil() external view returns (uint256) {
        return _basket.mintPausedUntil;
    }

    /// @inheritdoc IIndexToken
    function exchangePausedUntil() external view returns (uint256) {
        return _exchangePausedUntil;
    }

    /// @inheritdoc IIndexToken
    function deprecated() public view returns (bool) {
        return _basket.mintPausedUntil == type(uint32).max;
    }

    /// @inheritdoc IIndexToken
    function claimsMask() external view returns (uint256) {
        return _basket.claimsMask;
    }

    /* INTERNALS: BASKET */

    /// @dev The component list, after checking that the caller's arrays were made for it.
    function _checkedBasket(uint256 shares, uint256 expectedVersion, uint256 length, address list)
        private
        view
        returns (bytes memory basket)
    {
        if (shares == 0) revert Errors.ZeroShares();
        basket = BasketLib.read(list);
        uint256 version_ = basket.version();
        if (version_ != expectedVersion) revert Errors.BasketChanged(version_, expectedVersion);
        uint256 n = basket.count();
        if (length != n) revert Errors.LengthMismatch(length, n);
    }

    /// @dev Pulls `⌈shares·available/supply⌉` of each component and checks that it arrived.
    function _pullBasket(
        uint256 shares,
        uint256 supply,
        bytes memory basket,
        uint256 claims,
        uint256[] calldata maxIn
    ) private returns (uint256[] memory amounts) {
        amounts = new uint256[](maxIn.length);
        uint256 any;
        for (uint256 i; i < maxIn.length; ++i) {
            address token = basket.at(i);
            uint256 balance = TokenLib.balance(token);
            uint256 available = claims >> i & 1 == 0 ? balance : balance.zeroFloorSub(claimsOwed[token]);
            uint256 amount = BasketMath.amountUp(shares, available, supply);
            if (amount > maxIn[i]) revert Errors.AmountInTooHigh(token, amount, maxIn[i]);
            if (amount == 0) continue;
            amounts[i] = any = amount;
            IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
            uint256 received = TokenLib.balance(token).zeroFloorSub(balance);
            if (received < amount) revert Errors.ShortDelivery(token, received, amount);
        }
        if (any == 0) revert Errors.NothingBacking();
    }

    /// @dev Burns `shares` of `owner` for the caller; the fee stays in the effective supply.
    /// @return supply {share} before burning
    function _retire(address owner, uint256 shares, bytes memory basket)
        private
        returns (uint256 supply, uint256 feeShares)
    {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        feeShares = FeeMath.oneOffFee(shares, basket.redeemFee());
        supply = _effectiveSupply(basket.streamingRate());
        _leave(owner, shares, shares - feeShares, supply);
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
        uint256 claims = _basket.claimsMask;
        for (uint256 i; i < minOut.length; ++i) {
            address token = basket.at(i);
            uint256 amount;
            if ((deferMask | claims) >> i & 1 == 0) {
                amount = BasketMath.amountDown(shares, TokenLib.balance(token), supply);
                if (amount != 0) IERC20(token).safeTransfer(receiver, amount);
            } else if (deferMask >> i & 1 == 0) {
                amount = BasketMath.amountDown(shares, _availableOf(token), supply);
                if (amount != 0) IERC20(token).safeTransfer(receiver, amount);
            } else {
                amount = BasketMath.amountDown(shares, _availableOrZero(token), supply);
                if (amount != 0) _defer(token, i, receiver, amount);
            }
            if (amount < minOut[i]) revert Errors.AmountOutTooLow(token, amount, minOut[i]);
            amounts[i] = amount;
        }
    }

    /// @dev Records a leg as a claim instead of calling its token.
    function _defer(address token, uint256 i, address account, uint256 amount) private {
        claimOf[token][account] += amount;
        claimsOwed[token] += amount;
        _basket.claimsMask |= uint64(1 << i);
        emit Defer(token, account, amount);
    }

    /// @dev {tok} available after claims.
    function _availableOf(address token) private view returns (uint256) {
        return TokenLib.balance(token).zeroFloorSub(claimsOwed[token]);
    }

    /// @dev For deferred legs: a token that does not answer, or burns gas, counts as empty and stops nobody.
    function _availableOrZero(address token) private view returns (uint256) {
        (bool ok, uint256 balance) = TokenLib.tryBalanceOf(token, address(this), Constants.BALANCE_GAS);
        return ok ? balance.zeroFloorSub(claimsOwed[token]) : 0;
    }

    function _previewAmounts(uint256 shares, bool roundUp) private view returns (uint256[] memory amounts) {
        bytes memory basket = BasketLib.read(_basket.list);
        uint256 supply = _effectiveSupply(basket.streamingRate());
        amounts = new uint256[](basket.count());
        for (uint256 i; i < amounts.length; ++i) {
            uint256 available = _availableOf(basket.at(i));
            amounts[i] = roundUp
                ? BasketMath.amountUp(shares, available, supply)
                : BasketMath.amountDown(shares, available, supply);
        }
    }

    /// @dev Every token of an exchange is a component and appears once.
    function _checkLegs(Leg[] calldata outs, Leg[] calldata ins, bytes memory basket) private pure {
        uint256 seen;
        uint256 n = basket.count();
        for (uint256 k; k < outs.length + ins.length; ++k) {
            address token = k < outs.length ? outs[k].token : ins[k - outs.length].token;
            uint256 i = basket.find(token);
            if (i == n) revert Errors.ComponentUnknown(token);
            if (seen >> i & 1 == 1) revert Errors.ExchangeTokenRepeated(token);
            seen |= 1 << i;
        }
    }

    /// @dev Writes `kept` and `additions` as the next version of the list.
    function _appendComponents(Terms memory terms, address[] memory kept, address[] memory additions) private {
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
        ++terms.version;
        _writeAll(terms, list);
        emit UpdateComponents(terms.version, list);
    }

    function _clearClaimsBit(address token) private {
        BasketWord memory word = _basket;
        bytes memory basket = BasketLib.read(word.list);
        uint256 i = basket.find(token);
        if (i < basket.count()) _basket.claimsMask = word.claimsMask & ~uint64(1 << i);
    }

    /* INTERNALS: TERMS */

    function _streamingRate() internal view override returns (uint256) {
        return BasketLib.readTerms(_basket.list).streamingRate();
    }

    function _readAll() private view returns (Terms memory terms, address[] memory list) {
        bytes memory basket = BasketLib.read(_basket.list);
        return (basket.toTerms(), basket.toArray());
    }

    function _writeAll(Terms memory terms, address[] memory list) private {
        _basket.list = BasketLib.write(terms, list);
    }

    function _collect() private returns (uint256 feeShares) {
        bytes memory terms = BasketLib.readTerms(_basket.list);
        address recipient = terms.feeRecipient();
        feeShares = _issuePending(recipient, terms.streamingRate());
        emit Collect(recipient, feeShares);
    }

    /// @dev A fee only rises when that was announced to the holders in time; each announcement serves once.
    function _requireNotice(uint256 fee, uint256 old) private {
        if (fee <= old) return;
        bytes32 change = _change(msg.sig, fee);
        uint256 earliest = _notices[change];
        if (earliest == 0 || block.timestamp < earliest) revert Errors.FeeNotDue(msg.sig, fee, earliest);
        delete _notices[change];
    }

    function _change(bytes4 selector, uint256 fee) private pure returns (bytes32) {
        return keccak256(abi.encode(selector, fee));
    }

    /// @dev The D18{1/year} rate of a fee, from now on with `base` {share}.
    function _checkStreamingFee(uint256 annualFee, uint256 base) private returns (uint56) {
        _checkBound("streamingFee", annualFee, 0, Constants.MAX_STREAMING_FEE);
        uint256 rate = FeeMath.streamingRate(annualFee);
        streamingFee = annualFee;
        emit SetStreamingFee(annualFee, rate, base);
        return uint56(rate);
    }

    function _checkMintFee(uint256 fee) private returns (uint56) {
        _checkBound("mintFee", fee, 0, Constants.MAX_MINT_FEE);
        emit SetMintFee(fee);
        return uint56(fee);
    }

    function _checkRedeemFee(uint256 fee) private returns (uint56) {
        _checkBound("redeemFee", fee, 0, Constants.MAX_REDEEM_FEE);
        emit SetRedeemFee(fee);
        return uint56(fee);
    }

    function _checkFeeRecipient(address recipient) private returns (address) {
        require(recipient != address(0), Errors.ZeroAddress());
        emit SetFeeRecipient(recipient);
        return recipient;
    }

    function _checkSupplyCap(uint256 wholeShares) private returns (uint48) {
        if (wholeShares == 0) wholeShares = type(uint48).max;
        _checkBound("supplyCap", wholeShares, 1, type(uint48).max);
        emit SetSupplyCap(wholeShares);
        return uint48(wholeShares);
    }

    function _checkPower() private {
        if (abdicated[msg.sig]) revert Errors.Abdicated(msg.sig);
        _checkCanCall(msg.sender, msg.data);
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
