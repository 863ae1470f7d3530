// deno run --allow-net=127.0.0.1 examples/autobahn_client.ts
//
// The client that the Autobahn test suite tests: `wstest --mode fuzzingserver --spec
// spec.json` must be running. It asks how many cases there are, sends back every
// message of each, and asks for the report, which is written by the server.

import { requestUpgrade } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";
import { connect } from "./connect.ts";
import { echo } from "./echo_server.ts";
import { fail, interruption, messageOf, parse } from "./program.ts";
import { transportOf } from "./transport.ts";
import { WebSocketStream } from "./websocket_stream.ts";

const HELP = `
Runs the cases of the Autobahn test suite as a client.

  deno run --allow-net=127.0.0.1 examples/autobahn_client.ts [options] [url]

  [url]           where the suite's server listens [ws://127.0.0.1:9001]
  --agent=<name>  the name in the report [noio-ws]
  --help          this

Exits with 0 once the report is written, with 1 if it cannot be or after Ctrl-C.
`;

const { values: { agent }, positionals } = parse(HELP, {
  agent: { type: "string", default: "noio-ws" },
});
const [base = "ws://127.0.0.1:9001"] = positionals;
const leaving = interruption();
const extensions = [permessageDeflate({ threshold: 0 })];

/** The URL of something that the suite's server does. */
function urlOf(path: string, query: Record<string, string> = {}): URL {
  const url = new URL(path, base);
  url.search = `${new URLSearchParams({ agent, ...query })}`;
  return url;
}

/** The one message that the server has to say, `undefined` if there is none. */
async function ask(path: string): Promise<unknown> {
  const ws = new WebSocketStream(urlOf(path), { signal: leaving });
  const { readable } = await ws.opened;
  const messages = await Array.fromAsync(readable);
  await ws.closed;
  return messages[0];
}

async function runCase(number: number): Promise<void> {
  const url = urlOf("runCase", { case: `${number}` });
  const conn = await connect(url, {}, leaving);
  const upgrade = await requestUpgrade(conn, url, {
    extensions,
    signal: leaving,
  });
  if (!upgrade.accepted) throw new Error(`Refused: ${upgrade.response.status}`);
  // A case may well end with a connection that breaks.
  await echo(transportOf(conn), upgrade.connection, leaving).catch(() => {});
}

try {
  const count = Number(await ask("getCaseCount"));
  for (let number = 1; number <= count && !leaving.aborted; number++) {
    await runCase(number);
    if (number % 50 === 0 || number === count) {
      console.log(`${number} of ${count} cases`);
    }
  }
  await ask("updateReports");
  console.log("The report is written");
} catch (error) {
  fail(leaving.aborted ? "Interrupted, without a report" : messageOf(error));
}
