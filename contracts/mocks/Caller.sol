// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Caller
/// @notice Makes programmed calls at a moment its child chooses, and remembers how each of them ended.
/// @dev The heart of the re-entering mocks: any target, any calldata, changes and reads alike.
abstract contract Caller {
    struct Call {
        address target;
        bytes data;
    }

    struct Outcome {
        bool ok;
        bytes result; // return data, or the reason
    }

    Call[] private _program;
    Outcome[] private _outcomes;
    bool private _running;

    /// @notice Adds a call to the program.
    function program(address target, bytes calldata data) external {
        _program.push(Call(target, data));
    }

    /// @notice Forgets the program and its outcomes.
    function forget() external {
        delete _program;
        delete _outcomes;
    }

    /// @notice Makes a call now, for example to approve what the program will need.
    function execute(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory result) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
        return result;
    }

    /// @notice How the calls made so far ended, in order.
    function outcomes() external view returns (Outcome[] memory) {
        return _outcomes;
    }

    function _runProgram() internal {
        if (_running) return; // a call of the program led back here
        _running = true;
        for (uint256 i; i < _program.length; ++i) {
            (bool ok, bytes memory result) = _program[i].target.call(_program[i].data);
            _outcomes.push(Outcome(ok, result));
        }
        _running = false;
    }
}
