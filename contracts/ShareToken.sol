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
/// supply `S(t) = base·exp(f·(t − since))`. The difference `S(t) − issued` is what the fee has earned and nobody holds
/// yet. A mint or a redeem therefore accrues the fee to the second without writing anything else. This is why the
/// balances are kept here and not by a library: libraries write their own supply word a second time.
abstract contract ShareToken is IERC20Metadata, EIP712, Nonces {
    /// @dev `base` {share} at `since`, `issued` {share}, `since` {s}.
    struct SupplyWord {
        uint112 base;
        uint112 issued;
        uint32 since;
    }

    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    uint8 public constant decimals = 18;
    string public name;
    string public symbol;

    SupplyWord internal _supply;
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
        (uint256 supply,) = _effectiveSupply();
        return supply;
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

    /// @dev {share} now, and the D18{1} growth since the base was set.
    function _effectiveSupply() internal view returns (uint256 supply, uint256 growth) {
        SupplyWord memory word = _supply;
        growth = FeeMath.growth(_streamingRate(), block.timestamp - word.since);
        supply = FeeMath.effectiveSupply(word.base, word.issued, growth);
    }

    /// @dev Adds `received` shares of `account` to what exists and `entered` shares to the effective supply.
    /// The caller has checked that the supply after it is at most the cap, which fits the word.
    function _enter(address account, uint256 received, uint256 entered, uint256 growth) internal {
        require(account != address(0), Errors.ReceiverInvalid(account));
        SupplyWord memory word = _supply;
        uint256 base = word.base + FeeMath.baseDown(entered, growth);
        uint256 issued = word.issued + received;
        require(base <= type(uint112).max && issued <= type(uint112).max, Errors.SupplyOverflow(entered));
        _supply = SupplyWord(uint112(base), uint112(issued), word.since);
        unchecked {
            balanceOf[account] += received; // at most `issued`
        }
        emit Transfer(address(0), account, received);
    }

    /// @dev Burns `burned` shares of `account` and takes `left` shares out of the effective supply.
    /// Never reverts for a holder who has the shares: the base saturates at zero.
    function _leave(address account, uint256 burned, uint256 left, uint256 growth) internal {
        _takeShares(account, burned);
        SupplyWord memory word = _supply;
        uint256 base = FeeMath.baseUp(left, growth);
        base = base < word.base ? word.base - base : 0;
        _supply = SupplyWord(uint112(base), uint112(word.issued - burned), word.since);
        emit Transfer(account, address(0), burned);
    }

    function _transfer(address from, address to, uint256 shares) private {
        require(to != address(0), Errors.ReceiverInvalid(to));
        _takeShares(from, shares);
        unchecked {
            balanceOf[to] += shares; // at most `issued`
        }
        emit Transfer(from, to, shares);
    }

    function _takeShares(address account, uint256 shares) private {
        uint256 balance = balanceOf[account];
        require(balance >= shares, Errors.BalanceTooLow(account, balance, shares));
        unchecked {
            balanceOf[account] = balance - shares;
        }
    }

    function _spendAllowance(address owner, address spender, uint256 shares) internal {
        uint256 allowed = allowance[owner][spender];
        if (allowed == type(uint256).max) return;
        require(allowed >= shares, Errors.AllowanceTooLow(owner, spender, allowed, shares));
        unchecked {
            allowance[owner][spender] = allowed - shares;
        }
    }

    function _approve(address owner, address spender, uint256 shares) private {
        allowance[owner][spender] = shares;
        emit Approval(owner, spender, shares);
    }
}
