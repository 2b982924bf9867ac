// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {TokenLib} from "../libraries/TokenLib.sol";
import {IMoved} from "./ModalToken.sol";

/// @title ObedientTaker
/// @notice Delivers exactly the amounts it is told, `abi.encode(uint256[])`, however little that is.
contract ObedientTaker is ITaker {
    using SafeERC20 for IERC20;

    function onExchange(Leg[] calldata, Leg[] calldata ins, bytes calldata data) external {
        uint256[] memory amounts = abi.decode(data, (uint256[]));
        for (uint256 i; i < ins.length; ++i) {
            if (amounts[i] != 0) IERC20(ins[i].token).safeTransfer(msg.sender, amounts[i]);
        }
    }
}

/// @title NodGuard
/// @notice A guard that agrees to everything, for the machine that tests the index alone.
contract NodGuard {
    function check(Leg[] calldata, Leg[] calldata, uint256) external {}

    function chargeFee(uint256, uint256) external {}
}

/// @title MidCallProbe
/// @notice Makes its calls whenever a token tells it that something moves, and counts which of them got through.
contract MidCallProbe is IMoved {
    struct Call {
        address target;
        bytes data;
    }

    Call[] private _program;
    uint256 public runs;
    mapping(uint256 call => uint256 count) public successes;
    bool private _running;

    function program(address target, bytes calldata data) external {
        _program.push(Call(target, data));
    }

    function moved() external {
        if (_running) return; // one of our own calls led back here
        _running = true;
        ++runs;
        for (uint256 i; i < _program.length; ++i) {
            (bool ok,) = _program[i].target.call{gas: 1_000_000}(_program[i].data);
            if (ok) ++successes[i];
        }
        _running = false;
    }

    /// @notice Successes of every call of the program, in order.
    function tally() external view returns (uint256[] memory counts) {
        counts = new uint256[](_program.length);
        for (uint256 i; i < counts.length; ++i) {
            counts[i] = successes[i];
        }
    }
}

/// @title StateReader
/// @notice Everything a machine compares after a step, in one call.
contract StateReader {
    struct State {
        uint256 base;
        uint256 issued;
        uint256 since;
        uint256 supply;
        uint256 pending;
        uint256 claimsMask;
        uint256 version;
        uint256 mintPausedUntil;
        uint256 exchangePausedUntil;
        uint256[4] fees; // streaming fee, streaming rate, mint fee, redeem fee
        uint256 supplyCap;
        address feeRecipient;
        address feeModule;
        uint256 moduleFeeLeft;
        address[] components;
        uint256[] shares; // of each account
        uint256[] balances; // of the index in each token, zero if unreadable
        uint256[] owed; // of each token
        uint256[] claims; // of each token and account, accounts running fastest
    }

    function read(IIndexToken index, address[] calldata tokens, address[] calldata accounts)
        external
        view
        returns (State memory state)
    {
        (state.base, state.issued, state.since) = index.supplyWord();
        state.supply = IERC20(address(index)).totalSupply();
        state.pending = index.pendingFeeShares();
        state.claimsMask = index.claimsMask();
        state.version = index.version();
        state.mintPausedUntil = index.mintPausedUntil();
        state.exchangePausedUntil = index.exchangePausedUntil();
        state.fees = [index.streamingFee(), index.streamingRate(), index.mintFee(), index.redeemFee()];
        state.supplyCap = index.supplyCap();
        state.feeRecipient = index.feeRecipient();
        state.feeModule = index.feeModule();
        state.moduleFeeLeft = index.moduleFeeLeft();
        state.components = index.components();
        state.shares = new uint256[](accounts.length);
        for (uint256 j; j < accounts.length; ++j) {
            state.shares[j] = IERC20(address(index)).balanceOf(accounts[j]);
        }
        _readTokens(state, index, tokens, accounts);
    }

    function _readTokens(
        State memory state,
        IIndexToken index,
        address[] calldata tokens,
        address[] calldata accounts
    ) private view {
        state.balances = new uint256[](tokens.length);
        state.owed = new uint256[](tokens.length);
        state.claims = new uint256[](tokens.length * accounts.length);
        for (uint256 i; i < tokens.length; ++i) {
            (, state.balances[i]) = TokenLib.tryBalanceOf(tokens[i], address(index), 100_000);
            state.owed[i] = index.claimsOwed(tokens[i]);
            for (uint256 j; j < accounts.length; ++j) {
                state.claims[i * accounts.length + j] = index.claimOf(tokens[i], accounts[j]);
            }
        }
    }
}
