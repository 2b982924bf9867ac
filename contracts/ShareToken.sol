// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";

/// @title ShareToken
/// @notice The ERC-20 half of an index: balances, allowances, EIP-2612 permits, and a supply that grows with time.
/// @dev One storage word holds the whole supply: `issued` is the sum of all balances, `base` grows to the effective
/// supply `S(t) = base·exp(f·(t − since))`; from the left `since` (32 bits), `issued` and `base` (112 bits each). The difference `S(t) − issued` is what the fee has earned and nobody holds
/// yet. A mint or a redeem therefore accrues the fee to the second in the word it writes anyway. This is why the
/// balances are kept here and not by a library: libraries write their own supply word a second time.
abstract contract ShareToken is IERC20Metadata, EIP712, Nonces {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    uint8 public constant decimals = 18;
    string public name;
    string public symbol;

    uint256 private _supplyWord; // {s} since | {share} issued | {share} base
    mapping(address account => uint256 shares) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 shares)) public allowance;

    constructor(string memory name_, string memory symbol_) EIP712(name_, "1") {
        name = name_;
        symbol = symbol_;
    }

    /* ERC-20 */

    function transfer(address to, uint256 shares) external returns (bool) {
        _transfer(msg.sender, to, shares);
        return true;
    }

    function transferFrom(address from, address to, uint256 shares) external returns (bool) {
        _spendAllowance(from, msg.sender, shares);
        _transfer(from, to, shares);
        return true;
    }

    function approve(address spender, uint256 shares) external returns (bool) {
        _approve(msg.sender, spender, shares);
        return true;
    }

    /// @notice Effective supply: shares that exist and shares the streaming and one-off fees have earned until now.
    function totalSupply() external view returns (uint256) {
        return _effectiveSupply(_streamingRate());
    }

    /* EIP-2612 */

    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        require(block.timestamp <= deadline, Errors.PermitExpired(deadline));
        bytes32 structHash = keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, _useNonce(owner), deadline));
        address signer = ECDSA.recover(_hashTypedDataV4(structHash), v, r, s);
        require(signer == owner, Errors.PermitSignerInvalid(signer, owner));
        _approve(owner, spender, value);
    }

    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNALS */

    /// @dev D18{1/year} growth rate of the supply; the index knows it.
    function _streamingRate() internal view virtual returns (uint256);

    /// @dev {share} now, at a D18{1/year} rate.
    function _effectiveSupply(uint256 rate) internal view returns (uint256 supply) {
        (uint256 base, uint256 issued, uint256 since) = _readSupply();
        supply = FeeMath.effectiveSupply(base, issued, FeeMath.growth(rate, block.timestamp - since));
    }

    function _readSupply() internal view returns (uint256 base, uint256 issued, uint256 since) {
        uint256 word = _supplyWord;
        return (uint112(word), uint112(word >> 112), word >> 224);
    }

    /// @dev Assumes `since` and `issued` fit; `base` is checked, it is the one that grows by itself.
    function _writeSupply(uint256 base, uint256 issued, uint256 since) internal {
        if ((base | issued) > type(uint112).max) revert Errors.SupplyOverflow(base);
        _supplyWord = since << 224 | issued << 112 | base;
    }

    /// @dev Gives `received` new shares to `account`; the effective supply is `supply` from now on.
    /// Setting it exactly, and not what it grew from, is what makes a mint and a redeem in one block cancel out. The
    /// price: each mint or redeem rounds the growth until then down, by less than 1e-18 of the supply and one share unit.
    function _enter(address account, uint256 received, uint256 supply) internal {
        if (account == address(0)) revert Errors.ReceiverInvalid(account);
        (, uint256 issued,) = _readSupply();
        unchecked {
            _writeSupply(supply, issued + received, block.timestamp); // received is at most the cap, below 2^109
            balanceOf[account] += received; // at most `issued`
        }
        emit Transfer(address(0), account, received);
    }

    /// @dev Burns `burned` shares of `account`, of which `left` leave the effective supply, until now `supply`.
    /// Never reverts for a holder who has the shares: a supply beyond its word (a fee of 5 % for decades) stays at its end.
    function _leave(address account, uint256 burned, uint256 left, uint256 supply) internal {
        _takeShares(account, burned);
        (, uint256 issued,) = _readSupply();
        unchecked {
            // left <= burned <= what the account had <= issued <= supply
            supply -= left;
            _writeSupply(supply < 1 << 112 ? supply : type(uint112).max, issued - burned, block.timestamp);
        }
        emit Transfer(account, address(0), burned);
    }

    /// @dev Gives the shares that fees have earned so far to `account`. The effective supply already counts them.
    function _issuePending(address account, uint256 rate) internal returns (uint256 pending) {
        (uint256 base, uint256 issued, uint256 since) = _readSupply();
        uint256 supply = FeeMath.effectiveSupply(base, issued, FeeMath.growth(rate, block.timestamp - since));
        _writeSupply(base, supply, since);
        unchecked {
            pending = supply - issued; // the effective supply is never below what exists
            balanceOf[account] += pending;
        }
        emit Transfer(address(0), account, pending);
    }

    function _transfer(address from, address to, uint256 shares) private {
        if (to == address(0)) revert Errors.ReceiverInvalid(to);
        _takeShares(from, shares);
        unchecked {
            balanceOf[to] += shares; // at most `issued`
        }
        emit Transfer(from, to, shares);
    }

    function _takeShares(address account, uint256 shares) private {
        uint256 balance = balanceOf[account];
        if (balance < shares) revert Errors.BalanceTooLow(account, balance, shares);
        unchecked {
            balanceOf[account] = balance - shares;
        }
    }

    function _spendAllowance(address owner, address spender, uint256 shares) internal {
        uint256 allowed = allowance[owner][spender];
        if (allowed == type(uint256).max) return;
        if (allowed < shares) revert Errors.AllowanceTooLow(owner, spender, allowed, shares);
        unchecked {
            allowance[owner][spender] = allowed - shares;
        }
    }

    function _approve(address owner, address spender, uint256 shares) private {
        allowance[owner][spender] = shares;
        emit Approval(owner, spender, shares);
    }
}
