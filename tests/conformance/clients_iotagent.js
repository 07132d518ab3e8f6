// Drives iotagent-node-lib (npm) in its NGSI-LD mode: a device is registered, measures land, a
// command that somebody gives to the broker reaches the device.
"use strict";
const http = require("http");
const { step, equal, until, broker } = require("./clients_driving.js");
const agent = require("iotagent-node-lib");

const CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";
const TENANT = "iotagent";
const LAMP = "urn:ngsi-ld:Streetlight:outside1";
const [host, port, agentPort] = process.argv.slice(2);
const agentServer = Number(agentPort) || 9219;

const settings = {
    logLevel: "FATAL",
    contextBroker: { host, port, ngsiVersion: "ld", jsonLdContext: CORE },
    server: { port: agentServer, host: "127.0.0.1", ldSupport: { datasetId: true } },
    types: {
        Streetlight: {
            type: "Streetlight", commands: [{ name: "dim", type: "command" }], lazy: [],
            active: [{ name: "power", type: "Number" }, { name: "state", type: "Text" }],
            staticAttributes: [{ name: "maker", type: "Text", value: "demo" }],
        },
    },
    deviceRegistry: { type: "memory" },
    service: TENANT, subservice: "/", providerUrl: `http://127.0.0.1:${agentServer}`,
    deviceRegistrationDuration: "P1M",
};

function promised(call) {
    return new Promise((resolve, reject) => call((error, found) => (error ? reject(error) : resolve(found))));
}

function asked(method, path, body) {
    return new Promise((resolve, reject) => {
        const headers = { "ngsild-tenant": TENANT, "content-type": "application/json" };
        const request = http.request(broker + path, { method, headers }, (response) => {
            let text = "";
            response.on("data", (part) => { text += part; });
            response.on("end", () => resolve({ status: response.statusCode, text }));
        });
        request.on("error", reject);
        request.end(body ? JSON.stringify(body) : undefined);
    });
}

async function shown(attribute) {
    const found = await asked("GET", `/ngsi-ld/v1/entities/${LAMP}?options=keyValues&local=true`);
    return found.status === 200 ? JSON.parse(found.text)[attribute] : undefined;
}

async function measures(device) {
    const send = (values) => promised((done) => agent.update("outside1", "Streetlight", "", values, device, done));
    await step("send measures", () => send([
        { name: "power", type: "Number", value: 41.5 }, { name: "state", type: "Text", value: "on" },
    ]));
    await step("the measures land", async () => {
        equal(41.5, await shown("power"));
        equal("on", await shown("state"));
    });
    await step("send a later one", () => send([{ name: "power", type: "Number", value: 12 }]));
    await step("it lands, too", async () => equal(12, await shown("power")));
    await step("what was not sent stays", async () => equal("on", await shown("state")));
    await step("static attributes land", async () => equal("demo", await shown("maker")));
    await step("query by the agent", () => promised((done) => agent.query(
        "outside1", "Streetlight", "", ["power"], device, done)));
}

async function commands() {
    const given = [];
    agent.setCommandHandler((id, type, service, subservice, attributes, callback) => {
        given.push(attributes[0]);
        callback(null, { id, type, attributes });
    });
    await step("give a command to the broker", async () => {
        const answer = await asked("PATCH", `/ngsi-ld/v1/entities/${LAMP}/attrs/dim`, { type: "Property", value: 30 });
        if (answer.status !== 204) throw new Error(`${answer.status} ${answer.text}`);
    });
    await step("the command reaches the device", () => until("the command", () => given.find(
        (one) => one.name === "dim" && one.value === 30), 5));
}

async function main() {
    await step("start the agent", () => promised((done) => agent.activate(settings, done)));
    const device = { id: "outside1", type: "Streetlight", name: LAMP, service: TENANT, subservice: "/" };
    await step("register a device", () => promised((done) => agent.register({ ...settings.types.Streetlight, ...device }, done)));
    await step("the broker knows the agent as a source", async () => {
        const found = await asked("GET", "/ngsi-ld/v1/csourceRegistrations?type=Streetlight");
        if (!found.text.includes("dim")) throw new Error(`${found.status} ${found.text.slice(0, 200)}`);
    });
    await measures(await promised((done) => agent.getDevice("outside1", "", TENANT, "/", done)));
    await commands();
    await step("unregister the device", () => promised((done) => agent.unregister("outside1", "", TENANT, "/", done)));
}

main().then(() => process.exit(0));
