// The pinned wasm compiler behind the command line that py-solc-x and brownie call.
//
//   node solc.js <npm package> --version
//   node solc.js <npm package> --standard-json [--allow-paths <paths>] < input.json > output.json
//
// Same version, same commit and same settings as the native compiler, hence the same bytecode. Imports are read relative
// to the working directory, as native solc does; brownie changes to the project folder before it compiles.

"use strict";

const fs = require("fs");
const path = require("path");

const [packageName, ...flags] = process.argv.slice(2);
const solc = require(path.join(__dirname, "..", "..", "node_modules", packageName));

// Compiled by Emscripten, but reported as the Linux build: several tools parse this line and know no other spelling.
function versionLine() {
    return solc.version().replace(".Emscripten.clang", ".Linux.g++");
}

function readImport(name) {
    try {
        return { contents: fs.readFileSync(path.resolve(name), "utf8") };
    } catch (problem) {
        return { error: `${name} not found below ${process.cwd()} (${problem.code})` };
    }
}

if (flags.includes("--version")) {
    console.log(`solc, the solidity compiler commandline interface\nVersion: ${versionLine()}`);
} else if (flags.includes("--standard-json")) {
    const input = fs.readFileSync(0, "utf8");
    process.stdout.write(solc.compile(input, { import: readImport }));
} else {
    console.error(`solc.js understands --version and --standard-json, got: ${flags.join(" ") || "nothing"}`);
    process.exitCode = 1;
}
