// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Told by a ModalToken before and after a transfer.
interface IMoved {
    function moved() external;
}

/// @title ModalToken
/// @notice One token that can misbehave in every way the state machines know, one switch for each, at any moment.
/// @dev Everyone may do everything: mint, set balances, switch modes. `transferFrom` asks no allowance, so that a machine
/// spends its steps on the index and not on approvals. The other bad tokens in this folder each have one vice and are
/// stricter; use them for tests of one behaviour.
contract ModalToken {
    uint256 public constant PAUSED = 1; // transfers revert
    uint256 public constant RETURNS_FALSE = 2; // transfers do nothing and say so
    uint256 public constant TAKES_FEE = 4; // one percent of a transfer, rounded up, vanishes
    uint256 public constant MUTE = 8; // balanceOf reverts
    uint256 public constant BURNS_GAS_MOVING = 16; // transfers burn all gas
    uint256 public constant BURNS_GAS_READING = 32; // balanceOf burns all gas
    uint256 public constant BOMBS = 64; // transfers revert with a huge reason
    uint256 public constant SHORT_ANSWER = 128; // balanceOf answers with less than a word
    uint256 public constant CALLS_OUT = 256; // tells `hook` before and after a transfer
    uint256 public constant LONG_ANSWER = 512; // balanceOf appends a huge tail to the truth
    uint256 public constant NO_ANSWER = 1024; // transfers work and return nothing, as USDT's

    uint8 public immutable decimals;
    string public symbol;
    uint256 public modes;
    address public hook;
    mapping(address account => bool) public isBlocked;
    mapping(address account => uint256 amount) private _balances;

    event Transfer(address indexed from, address indexed to, uint256 amount);

    error TokenRefused();

    constructor(string memory symbol_, uint8 decimals_) {
        symbol = symbol_;
        decimals = decimals_;
    }

    /* HOSTILE OWNER */

    function setModes(uint256 modes_) external {
        modes = modes_;
    }

    function setHook(address hook_) external {
        hook = hook_;
    }

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    /// @notice A rebase, a faucet or a confiscation: the account has `amount` from now on.
    function setBalance(address account, uint256 amount) external {
        _balances[account] = amount;
    }

    /* ERC-20 */

    function balanceOf(address account) external view returns (uint256) {
        uint256 modes_ = modes;
        require(modes_ & MUTE == 0, TokenRefused());
        if (modes_ & BURNS_GAS_READING != 0) _burnGas();
        uint256 amount = _balances[account];
        if (modes_ & SHORT_ANSWER != 0) {
            assembly {
                mstore(0, amount)
                return(0, 31)
            }
        }
        if (modes_ & LONG_ANSWER != 0) {
            assembly {
                mstore(0, amount)
                return(0, 8192)
            }
        }
        return amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        uint256 modes_ = modes;
        require(modes_ & PAUSED == 0 && !isBlocked[from] && !isBlocked[to], TokenRefused());
        if (modes_ & RETURNS_FALSE != 0) return false;
        if (modes_ & BURNS_GAS_MOVING != 0) _burnGas();
        if (modes_ & BOMBS != 0) {
            assembly {
                revert(0, 65536)
            }
        }
        require(_balances[from] >= amount, TokenRefused());
        if (modes_ & CALLS_OUT != 0) IMoved(hook).moved();
        _balances[from] -= amount;
        _balances[to] += modes_ & TAKES_FEE == 0 ? amount : amount - (amount + 99) / 100;
        emit Transfer(from, to, amount);
        if (modes_ & CALLS_OUT != 0) IMoved(hook).moved();
        if (modes_ & NO_ANSWER != 0) {
            assembly {
                return(0, 0)
            }
        }
        return true;
    }

    function _burnGas() private view {
        uint256 burned;
        while (gasleft() > 500) ++burned;
        require(burned == type(uint256).max, TokenRefused());
    }
}
