// Drives ngsijs (npm) as its users do; runs where it is installed.
"use strict";
const { step, equal, until, listening, broker } = require("./clients_driving.js");
const NGSI = require("ngsijs");

const LAMP = "urn:ngsi-ld:Streetlight:outside-1";
const CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";

function lamp() {
    return {
        id: LAMP,
        type: "Streetlight",
        power: { type: "Property", value: 40, unitCode: "WTT" },
        location: { type: "GeoProperty", value: { type: "Point", coordinates: [121.47, 31.23] } },
        partOf: { type: "Relationship", object: "urn:ngsi-ld:Road:demo" },
        "@context": [CORE],
    };
}

async function entities(ld, tenant) {
    await step("create", () => ld.createEntity(lamp(), { tenant }));
    const read = async () => (await ld.getEntity({ id: LAMP, tenant })).entity;
    await step("retrieve", async () => equal(40, (await read()).power.value));
    await step("retrieve simplified", async () => {
        equal(40, (await ld.getEntity({ id: LAMP, tenant, keyValues: true })).entity.power);
    });
    const ids = async (asked) => {
        const found = await ld.queryEntities({ type: "Streetlight", tenant, ...asked });
        return found.results.map((one) => one.id);
    };
    await step("query by type", async () => equal([LAMP], await ids({})));
    await step("query by q", async () => equal([LAMP], await ids({ q: "power>30" })));
    await step("query finds none", async () => equal([], await ids({ q: "power>50" })));
    await step("count", async () => {
        const found = await ld.queryEntities({ type: "Streetlight", tenant, count: true });
        equal(1, found.count);
    });
    await step("query by place", async () => equal([LAMP], await ids({
        georel: "near;maxDistance==1000", geometry: "Point", coordinates: "[121.47,31.23]",
    })));
    await step("update an attribute", () => ld.updateEntityAttribute(
        { type: "Property", value: 50 }, { id: LAMP, attribute: "power", tenant, "@context": CORE }));
    await step("read it", async () => equal(50, (await read()).power.value));
    await step("update attributes", () => ld.updateEntityAttributes({
        id: LAMP, power: { type: "Property", value: 55 },
    }, { tenant }));
    await step("append attributes", () => ld.appendEntityAttributes({
        id: LAMP, note: { type: "Property", value: "demo" },
    }, { tenant, "@context": CORE }));
    await step("read them", async () => equal("demo", (await read()).note.value));
    await step("delete an attribute", () => ld.deleteEntityAttribute({ id: LAMP, attribute: "note", tenant }));
    await step("types", async () => {
        const found = await ld.listTypes({ tenant });
        equal(true, JSON.stringify(found).includes("Streetlight"));
    });
}

async function subscribed(ld, tenant) {
    const heard = await listening();
    const id = "urn:ngsi-ld:Subscription:outside-ngsijs";
    await step("subscribe", () => ld.createSubscription({
        id, type: "Subscription", entities: [{ type: "Streetlight" }], watchedAttributes: ["power"],
        notification: { format: "keyValues", endpoint: { uri: heard.url, accept: "application/json" } },
        "@context": [CORE],
    }, { tenant }));
    await step("update what is watched", () => ld.updateEntityAttributes({
        id: LAMP, power: { type: "Property", value: 77 },
    }, { tenant }));
    await step("notified", () => until("the notification", () => heard.bodies.find(
        (body) => body.data[0].id === LAMP && body.data[0].power === 77)));
    await step("read the subscription", async () => {
        equal(id, (await ld.getSubscription({ id, tenant })).subscription.id);
    });
    await step("list subscriptions", async () => {
        equal(1, (await ld.listSubscriptions({ tenant })).results.length);
    });
    await step("change the subscription", () => ld.updateSubscription(
        { id, description: "changed" }, { tenant, "@context": CORE }));
    await step("unsubscribe", () => ld.deleteSubscription({ id, tenant }));
    heard.server.close();
}

async function main() {
    const tenant = "ngsijs";
    const ld = new NGSI.Connection(broker).ld;
    await entities(ld, tenant);
    await subscribed(ld, tenant);
    await step("delete", () => ld.deleteEntity({ id: LAMP, tenant }));
    await step("it is gone", async () => {
        const gone = await ld.getEntity({ id: LAMP, tenant }).then(() => false, () => true);
        equal(true, gone);
    });
}

main().then(() => process.exit(0));
