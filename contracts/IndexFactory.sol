// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SSTORE2} from "solady/src/utils/SSTORE2.sol";

import {IndexToken} from "./IndexToken.sol";
import {IExchangeGuard} from "./interfaces/IExchangeGuard.sol";
import {IIndexFactory} from "./interfaces/IIndexFactory.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Errors} from "./libraries/Errors.sol";

/// @title IndexFactory
/// @notice Makes indexes. Has no power over them afterwards.
/// @dev The creation code of the index is longer than a contract may be, so the constructor stores it in two pieces.
contract IndexFactory is IIndexFactory {
    using SafeERC20 for IERC20;

    bytes32 public immutable creationCodeHash;
    address private immutable _codeHead;
    address private immutable _codeTail;

    mapping(address index => bool) public isIndex;

    constructor() {
        bytes memory code = type(IndexToken).creationCode;
        creationCodeHash = keccak256(code);
        uint256 length = code.length;
        uint256 half = length / 2;
        bytes memory tail;
        assembly ("memory-safe") {
            mstore(code, half) // the first half
        }
        _codeHead = SSTORE2.write(code);
        assembly ("memory-safe") {
            tail := add(code, half) // the second half: its length takes the place of bytes that are written already
            mstore(tail, sub(length, half))
        }
        _codeTail = SSTORE2.write(tail);
    }

    /// @inheritdoc IIndexFactory
    function create(CreateParams calldata params) external returns (address index) {
        address[] calldata components = params.index.components;
        uint256 n = components.length;
        require(n != 0 && params.seedAmounts.length == n, Errors.LengthMismatch(params.seedAmounts.length, n));

        index = _deploy(_salt(msg.sender, params.salt), _initCode(params.index));
        isIndex[index] = true;

        for (uint256 i; i < n; ++i) {
            _seed(IERC20(components[i]), index, params.seedAmounts[i]);
        }
        IIndexToken(index).bootstrap(params.seedShares, params.receiver);
        IRebalancer(params.index.rebalancer).register(index, params.policy, params.allowed);
        IExchangeGuard(params.index.guard).register(index, params.limits);

        emit Create(index, msg.sender, params.index.symbol);
    }

    /// @inheritdoc IIndexFactory
    function predict(address creator, bytes32 salt, IIndexToken.IndexParams calldata params)
        external
        view
        returns (address)
    {
        bytes32 hash = keccak256(
            abi.encodePacked(bytes1(0xff), address(this), _salt(creator, salt), keccak256(_initCode(params)))
        );
        return address(uint160(uint256(hash)));
    }

    /// @dev CREATE2; a revert of the constructor comes through as it is.
    function _deploy(bytes32 salt, bytes memory initCode) private returns (address index) {
        assembly ("memory-safe") {
            index := create2(0, add(initCode, 0x20), mload(initCode), salt)
            if and(iszero(index), gt(returndatasize(), 0)) {
                let reason := mload(0x40)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
        }
        require(index != address(0), Errors.AddressTaken(salt)); // nothing else fails without a reason
    }

    function _seed(IERC20 token, address index, uint256 amount) private {
        uint256 before = token.balanceOf(index);
        token.safeTransferFrom(msg.sender, index, amount);
        uint256 received = token.balanceOf(index) - before;
        require(received >= amount, Errors.ShortDelivery(address(token), received, amount));
    }

    function _initCode(IIndexToken.IndexParams calldata params) private view returns (bytes memory) {
        return bytes.concat(SSTORE2.read(_codeHead), SSTORE2.read(_codeTail), abi.encode(params));
    }

    /// @dev Nobody else can take the address that a creator's salt stands for.
    function _salt(address creator, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(creator, salt));
    }
}
