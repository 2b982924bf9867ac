// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title RebasingToken
/// @notice Balances are shares times a scale that anyone may move up or down, as a staking reward or a slash would.
/// @dev A transfer rounds the shares up, so that at least the amount arrives.
contract RebasingToken {
    string public symbol;
    uint8 public immutable decimals;
    uint256 public scale = 1e18; // D18{tok/part}

    mapping(address account => uint256) private _parts;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    constructor(string memory symbol_, uint8 decimals_) {
        symbol = symbol_;
        decimals = decimals_;
    }

    /// @notice Multiplies every balance: 1.1e18 is a reward of 10 %, 0.7e18 a slash of 30 %.
    function rebase(uint256 factor) external {
        scale = scale * factor / 1e18;
    }

    function mint(address to, uint256 amount) external {
        _parts[to] += _partsUp(amount);
        emit Transfer(address(0), to, amount);
    }

    function balanceOf(address account) external view returns (uint256) {
        return _parts[account] * scale / 1e18;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        uint256 parts = _partsUp(amount);
        _parts[from] -= parts;
        _parts[to] += parts;
        emit Transfer(from, to, amount);
        return true;
    }

    function _partsUp(uint256 amount) private view returns (uint256) {
        return (amount * 1e18 + scale - 1) / scale;
    }
}
