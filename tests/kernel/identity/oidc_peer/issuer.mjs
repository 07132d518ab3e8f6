// An independent OpenID provider: node issuer.mjs PORT FOLDER_WITH_node_modules REDIRECT SECRET
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, folder, redirect, secret] = process.argv.slice(2);
const found = createRequire(`${folder}/package.json`).resolve("oidc-provider");
const { Provider } = await import(pathToFileURL(found).href);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "pintu", client_secret: secret, redirect_uris: [redirect],
    grant_types: ["authorization_code"], response_types: ["code"],
  }],
  claims: { openid: ["sub"], profile: ["name"] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, name: `${id} 演示`, email: "root@city.example", email_verified: true }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
