// deno run --allow-net=127.0.0.1 --allow-read=cert.pem,key.pem examples/tls_server.ts
//
// Sends back every message, over TLS. For a certificate to try it with:
//
//   openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
//     -addext basicConstraints=critical,CA:FALSE \
//     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
//     -keyout key.pem -out cert.pem
//   deno run --allow-net --allow-read=cert.pem examples/wscat.ts \
//     --ca=cert.pem wss://localhost:8443/

import {
  fail,
  hostOf,
  interruption,
  messageOf,
  numberOf,
  parse,
  SERVER_HELP,
  SERVER_OPTIONS,
  serveWebSockets,
  timeoutOf,
} from "./program.ts";

const HELP = `
Sends back every message, over TLS.

  deno run --allow-net=127.0.0.1 --allow-read=cert.pem,key.pem \\
    examples/tls_server.ts [options] [port]

  [port]                    where to listen, 0 for any that is free [8443]
  --cert=<file>             the certificate and those up to its root, in PEM [cert.pem]
  --key=<file>              its key, in PEM [key.pem]
${SERVER_HELP}
`;

const { values, positionals } = parse(HELP, {
  ...SERVER_OPTIONS,
  cert: { type: "string", default: "cert.pem" },
  key: { type: "string", default: "key.pem" },
});
const port = numberOf("port", positionals[0] ?? "8443");
const handshakeTimeout = timeoutOf(values);

let listener: Deno.TlsListener;
try {
  listener = Deno.listenTls({
    hostname: values.hostname,
    port,
    cert: await Deno.readTextFile(values.cert),
    key: await Deno.readTextFile(values.key),
    alpnProtocols: ["http/1.1"], // the handshake is one of HTTP/1.1
  });
} catch (error) {
  fail(`Cannot listen: ${messageOf(error)}`);
}
console.log(`Echoing on wss://${hostOf(listener)}/ (Ctrl-C ends it)`);

// From here on it is as without TLS; the time is for both handshakes.
await serveWebSockets(
  listener,
  { handshakeTimeout },
  (_ws, { readable, writable }) => readable.pipeTo(writable),
  interruption(),
);
