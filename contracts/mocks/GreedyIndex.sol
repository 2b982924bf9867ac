// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title GreedyIndex
/// @notice Looks like an index to a zap, asks to be approved for all there is, and takes nothing until later.
contract GreedyIndex {
    uint256 public constant version = 1;
    uint256 public constant totalSupply = 1e18;

    address private immutable _component;
    uint256 private immutable _reserve;

    constructor(address component, uint256 reserve) {
        _component = component;
        _reserve = reserve;
    }

    function components() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = _component;
    }

    function reserves() external view returns (uint256[] memory amounts) {
        amounts = new uint256[](1);
        amounts[0] = _reserve;
    }

    function previewMint(uint256 shares) external view returns (uint256[] memory amounts, uint256) {
        amounts = new uint256[](1);
        amounts[0] = shares * _reserve / totalSupply;
        return (amounts, 0);
    }

    function mint(uint256, uint256, uint256[] calldata amounts, address) external pure returns (uint256[] memory) {
        return amounts;
    }

    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }
}
