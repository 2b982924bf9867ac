// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {BasketMath} from "./BasketMath.sol";
import {Errors} from "./Errors.sol";
import {TokenLib} from "./TokenLib.sol";

/// @title MintLib
/// @notice Minting from what a contract holds, for contracts that hold tokens only while they are called.
library MintLib {
    using SafeERC20 for IERC20;

    /// @notice Mints `shares` {share} to `receiver` from the balances of this contract, which leaves no allowance behind.
    /// @dev The index may be anybody's: it gets what it says it takes, at most what is here, and nothing later.
    function mint(address index, uint256 shares, uint256 expectedVersion, address receiver) internal {
        address[] memory tokens = IIndexToken(index).components();
        (uint256[] memory amounts,) = IIndexToken(index).previewMint(shares);
        if (amounts.length != tokens.length) revert Errors.LengthMismatch(amounts.length, tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            if (amounts[i] == 0) continue;
            uint256 held = TokenLib.balance(tokens[i]);
            if (amounts[i] > held) revert Errors.AmountInTooHigh(tokens[i], amounts[i], held);
            IERC20(tokens[i]).forceApprove(index, amounts[i]);
        }
        IIndexToken(index).mint(shares, expectedVersion, amounts, receiver);
        for (uint256 i; i < tokens.length; ++i) {
            if (IERC20(tokens[i]).allowance(address(this), index) != 0) IERC20(tokens[i]).forceApprove(index, 0);
        }
    }

    /// @notice {share} The most whose mint takes no more of any component than this contract holds.
    function mintable(address index) internal view returns (uint256 shares) {
        address[] memory tokens = IIndexToken(index).components();
        uint256[] memory reserves = IIndexToken(index).reserves();
        if (reserves.length != tokens.length) revert Errors.LengthMismatch(reserves.length, tokens.length);
        uint256 supply = IERC20(index).totalSupply();
        shares = type(uint256).max;
        for (uint256 i; i < tokens.length; ++i) {
            if (reserves[i] == 0) continue; // a mint takes none of it
            uint256 most = BasketMath.sharesFor(TokenLib.balance(tokens[i]), reserves[i], supply);
            if (most < shares) shares = most;
        }
        if (shares == type(uint256).max) revert Errors.NothingBacking();
    }
}
