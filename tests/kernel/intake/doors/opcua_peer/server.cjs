// An OPC UA server that is not ours: node-opcua. One pump whose values change, one ill sensor.
// node server.cjs PORT FOLDER_WITH_node_modules
const { createRequire } = require("node:module");
const need = createRequire(process.argv[3] + "/package.json");
const { OPCUAServer } = need("node-opcua-server");
const { Variant, DataType } = need("node-opcua-variant");
const { StatusCodes } = need("node-opcua-status-code");
const { DataValue } = need("node-opcua-data-value");
const { MessageSecurityMode, SecurityPolicy } = need("node-opcua-secure-channel");
const { OPCUACertificateManager } = need("node-opcua-certificate-manager");

(async () => {
  const trust = new OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: true,
    rootFolder: process.argv[3] + "/pki-" + process.argv[2],
  });
  const server = new OPCUAServer({
    port: Number(process.argv[2]),
    host: "127.0.0.1",
    hostname: "localhost",
    serverCertificateManager: trust,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    allowAnonymous: true,
    userManager: { isValidUser: (user, password) => user === "foreman" && password === "right" },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const plant = own.addFolder(space.rootFolder.objects, { browseName: "Plant" });
  const pump = own.addObject({ organizedBy: plant, browseName: "Pump1" });
  let temperature = 20;
  const of = (name, dataType, value) =>
    own.addVariable({
      componentOf: pump, browseName: name, nodeId: "s=Pump1." + name, dataType,
      value: new Variant({ dataType: DataType[dataType], value }),
    });
  const warm = of("Temperature", "Double", temperature);
  of("Running", "Boolean", true);
  of("Label", "String", "北一泵");
  const ill = of("Flow", "Double", 0);
  ill.setValueFromSource(
    new Variant({ dataType: DataType.Double, value: 3 }), StatusCodes.BadSensorFailure);
  setInterval(() => {
    temperature += 1;
    warm.setValueFromSource(new Variant({ dataType: DataType.Double, value: temperature }));
  }, 100);
  await server.start();
  console.log("ready");
})().catch((error) => { console.error(error); process.exit(1); });
