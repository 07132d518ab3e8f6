// What the drivers of outside JavaScript clients share: steps that print a line each, a listener.
"use strict";
const http = require("http");

async function step(name, work) {
    try {
        const found = await work();
        console.log(JSON.stringify({ step: name, ok: true, detail: "" }));
        return found;
    } catch (error) {
        const told = `${error.name}: ${error.message || JSON.stringify(error)}`;
        console.log(JSON.stringify({ step: name, ok: false, detail: told.slice(0, 400) }));
        return undefined;
    }
}

function equal(expected, actual) {
    if (JSON.stringify(expected) !== JSON.stringify(actual)) {
        throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
    }
}

async function until(what, holds, seconds = 10) {
    const ends = Date.now() + seconds * 1000;
    while (Date.now() < ends) {
        const found = await holds();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${what} did not come within ${seconds} s`);
}

function listening() {
    const bodies = [];
    const server = http.createServer((request, response) => {
        let text = "";
        request.on("data", (part) => { text += part; });
        request.on("end", () => { bodies.push(JSON.parse(text)); response.end(); });
    });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => {
        resolve({ bodies, server, url: `http://127.0.0.1:${server.address().port}/notify` });
    }));
}

module.exports = { step, equal, until, listening, broker: `http://${process.argv[2]}:${process.argv[3]}` };
