// The pinned wasm compiler as a process that stays: one standard JSON request a line, one answer a line.
//
//   node solc_server.js <project folder>
//
// A warm compiler answers several times faster than one started anew. Imports are read below the folder, once.

"use strict";

const fs = require("fs");
const path = require("path");
const readline = require("readline");

const root = path.resolve(process.argv[2]);
const solc = require(path.join(root, "node_modules", "solc"));
const read = new Map();

function readImport(name) {
    if (!read.has(name)) {
        try {
            read.set(name, { contents: fs.readFileSync(path.join(root, name), "utf8") });
        } catch (problem) {
            return { error: `${name} not found below ${root} (${problem.code})` };
        }
    }
    return read.get(name);
}

readline.createInterface({ input: process.stdin }).on("line", (request) => {
    process.stdout.write(solc.compile(request, { import: readImport }) + "\n");
});
