// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ExchangeGuard} from "../../contracts/ExchangeGuard.sol";
import {IndexToken} from "../../contracts/IndexToken.sol";
import {PriceOracle} from "../../contracts/PriceOracle.sol";
import {Rebalancer} from "../../contracts/Rebalancer.sol";
import {IExchangeGuard} from "../../contracts/interfaces/IExchangeGuard.sol";
import {IIndexToken} from "../../contracts/interfaces/IIndexToken.sol";
import {IRebalancer} from "../../contracts/interfaces/IRebalancer.sol";

/// @dev The part of Foundry's and Halmos' cheat codes that is used here.
interface Cheats {
    function prank(address caller) external;
    function assume(bool condition) external pure;
    function createCalldata(string memory contractName) external pure returns (bytes memory data);
}

/// @dev An authority that lets nobody do anything: the world as every caller without a role sees it.
contract DenyingAuthority {
    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (false, 0);
    }
}

/// @dev A feed that a stranger could name.
contract SilentFeed {
    address public constant token = address(0x70C);
}

/// @dev What guard and rebalancer ask of an index, answered without loops.
contract SilentIndex {
    address public immutable authority;
    address public constant factory = address(0xFAC);
    bool public constant locked = false;

    constructor(address authority_) {
        authority = authority_;
    }

    function components() external pure returns (address[] memory) {}

    function totalSupply() external pure returns (uint256) {
        return 1e18;
    }

    function claimsOwed(address) external pure returns (uint256) {
        return 0;
    }

    function version() external pure returns (uint256) {
        return 1;
    }
}

/// @title StrangerProofs
/// @notice For any caller without a role and any calldata of any function: what roles protect is as it was.
/// @dev Run by Halmos on the bytecode. Each `check_` has its canary in `stranger_proofs.py`: the same proof about a contract that
/// forgot its guard must fail.
contract StrangerProofs {
    Cheats private constant VM = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    Cheats private constant SVM = Cheats(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
    address private constant REBALANCER = address(0xBA1);
    address private constant GUARD = address(0x60A);

    IndexToken private token;
    PriceOracle private oracle;
    ExchangeGuard private guard;
    Rebalancer private rebalancer;
    SilentIndex private index;
    address private authority;
    address private feed;

    function setUp() public {
        authority = address(new DenyingAuthority());
        oracle = new PriceOracle(authority);
        feed = address(new SilentFeed());
        guard = new ExchangeGuard(address(oracle));
        rebalancer = new Rebalancer(address(oracle));
        index = new SilentIndex(authority);
        IIndexToken.IndexParams memory params;
        params.authority = authority;
        params.rebalancer = REBALANCER;
        params.guard = GUARD;
        params.feeRecipient = address(0xFEE);
        params.mintFee = 1e15;
        token = new IndexToken(params);
        VM.prank(address(0xFAC));
        guard.register(address(index), IExchangeGuard.Limits(1e15, 3600, 1e18, 3600, 3600));
        VM.prank(address(0xFAC));
        rebalancer.register(address(index), IRebalancer.Policy(1e4, 0, 3600, 86_400, 1e18, 1e18), new address[](0));
    }

    function _as(address caller, address target, string memory name) private returns (bool ok) {
        bytes memory data = SVM.createCalldata(name);
        VM.prank(caller);
        (ok,) = target.call(data);
    }

    /// @notice PriceOracle: no feed appears.
    function check_nobody_sets_a_feed(address caller, address asked) public {
        VM.assume(caller != authority);
        _as(caller, address(oracle), "PriceOracle");
        assert(oracle.feedOf(asked) == address(0) && oracle.feedOf(SilentFeed(feed).token()) == address(0));
        assert(oracle.authority() == authority);
    }

    /// @notice ExchangeGuard: limits of a registered index stay, and its budget is only charged by itself.
    function check_nobody_changes_limits_or_budget(address caller) public {
        VM.assume(caller != address(index) && caller != address(0xFAC));
        IExchangeGuard.Limits memory limits = guard.limitsOf(address(index));
        IExchangeGuard.Budget memory budget = guard.budgetOf(address(index));
        _as(caller, address(guard), "ExchangeGuard");
        IExchangeGuard.Limits memory after_ = guard.limitsOf(address(index));
        assert(after_.lossCapacity == limits.lossCapacity && after_.lossWindow == limits.lossWindow);
        assert(after_.turnoverCapacity == limits.turnoverCapacity && after_.turnoverWindow == limits.turnoverWindow);
        assert(after_.valuationMaxAge == limits.valuationMaxAge);
        IExchangeGuard.Budget memory used = guard.budgetOf(address(index));
        assert(used.lossUsed == budget.lossUsed && used.turnoverUsed == budget.turnoverUsed);
    }

    /// @notice Rebalancer: no policy, allowed token or plan of a registered index changes.
    function check_nobody_changes_policy_or_plan(address caller, address asked) public {
        VM.assume(caller != address(0xFAC));
        IRebalancer.Policy memory policy = rebalancer.policyOf(address(index));
        _as(caller, address(rebalancer), "Rebalancer");
        IRebalancer.Policy memory after_ = rebalancer.policyOf(address(index));
        assert(after_.maxSlippage == policy.maxSlippage && after_.cooldown == policy.cooldown);
        assert(after_.minInterval == policy.minInterval && after_.maxDuration == policy.maxDuration);
        assert(after_.maxTrade == policy.maxTrade && after_.maxWeight == policy.maxWeight);
        assert(!rebalancer.isAllowed(address(index), asked));
        assert(rebalancer.planOf(address(index)).id == 0);
    }

    /// @notice IndexToken: wiring, terms, pauses and authority stay, whatever a stranger calls.
    function check_nobody_changes_wiring_or_terms(address caller, bytes4 selector) public {
        VM.assume(caller != authority && caller != REBALANCER && caller != address(this));
        _as(caller, address(token), "IndexToken");
        assert(token.rebalancer() == REBALANCER && token.guard() == GUARD && token.authority() == authority);
        assert(token.feeModule() == address(0) && !token.abdicated(selector));
        assert(token.version() == 1 && token.mintFee() == 1e15 && token.redeemFee() == 0 && token.streamingFee() == 0);
        assert(token.feeRecipient() == address(0xFEE) && token.components().length == 0);
        assert(token.mintPausedUntil() == 0 && token.exchangePausedUntil() == 0);
    }

    /// @notice IndexToken: no shares come into being without a mint that is paid, a bootstrap by the factory or a module.
    function check_nobody_makes_shares(address caller, address asked) public {
        VM.assume(caller != authority && caller != REBALANCER && caller != address(this));
        _as(caller, address(token), "IndexToken");
        assert(token.totalSupply() == 0 && token.balanceOf(asked) == 0);
    }
}
