// The interface, as strangers implement it: a handshake that agrees on two toy
// extensions, and a connection with them.
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type ClientExtension,
  Connection,
  ExtensionError,
  type ServerExtension,
} from "@noio/ws";
import { ClientHandshake, ServerHandshake } from "../../handshake.ts";
import { toHex } from "../helpers/bytes.ts";
import { drain, event } from "../helpers/events.ts";
import { Twice, xor } from "../helpers/extensions.ts";

const twice: ClientExtension & ServerExtension = {
  name: "twice",
  reserved: [0, 0, 0],
  offers: () => [[]],
  accept: () => new Twice(),
  answer: (parameters) => ({ parameters, extension: new Twice() }),
};

Deno.test("ExtensionError() has a name, a code, a message and perhaps a cause", () => {
  const cause = new Error("why");
  const error = new ExtensionError(1007, "The data is corrupt", { cause });
  assertInstanceOf(error, Error);
  assertEquals(error.name, "ExtensionError");
  assertEquals(error.code, 1007);
  assertEquals(error.message, "The data is corrupt");
  assertEquals(error.cause, cause);
  assertEquals("cause" in new ExtensionError(4000, ""), false);
});

Deno.test("two extensions of a stranger are agreed on and used", () => {
  const extensions = [twice, xor(0x20)];
  const shake = new ClientHandshake("ws://example.com/", { extensions });
  assertEquals(
    shake.request.headers.get("Sec-WebSocket-Extensions"),
    "twice, xor; by=32",
  );
  const judged = new ServerHandshake({ extensions }).judge(shake.request);
  assert(judged.accepted);
  assertEquals(
    judged.response.headers.get("Sec-WebSocket-Extensions"),
    "twice, xor; by=32",
  );
  const agreed = shake.verify(judged.response);
  assert(agreed.accepted);

  const client = new Connection("client", { extensions: agreed.extensions });
  const server = new Connection("server", { extensions: judged.extensions });
  const bytes = server.send({ type: "text", message: "Hi" });
  // RSV2; each byte twice, then XOR 0x20: "hhII" in the order of the answer.
  assertEquals(toHex(bytes), "a1 04 68 68 49 49");
  client.recv(bytes);
  assertEquals(drain(client), [event("text", "Hi")]);
  server.recv(client.send({ type: "binary", message: "Hi" }));
  assertEquals(drain(server), [event("binary", new Uint8Array([72, 105]))]);
});

Deno.test("what one side does not have is not agreed on", () => {
  const shake = new ClientHandshake("ws://example.com/", {
    extensions: [xor(1), twice],
  });
  const judged = new ServerHandshake({ extensions: [twice] })
    .judge(shake.request);
  assert(judged.accepted);
  const agreed = shake.verify(judged.response);
  assert(agreed.accepted);
  assertEquals(agreed.extensions.map(({ name }) => name), ["twice"]);
});
