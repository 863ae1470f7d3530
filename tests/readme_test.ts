// The client and the server that the README shows do talk to each other.

import { assert, assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);

/** The block of code under a heading of the README. */
async function blockUnder(heading: string): Promise<string> {
  const text = await Deno.readTextFile(new URL("README.md", root));
  const [, section] = text.split(`\n## ${heading}\n`);
  assert(section !== undefined, `The README has no section "${heading}"`);
  const [, code] = section.split("```ts ignore\n");
  assert(code !== undefined, `There is no code under "${heading}"`);
  return code.slice(0, code.indexOf("\n```"));
}

function run(script: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    cwd: root,
    args: [
      "run",
      "--quiet",
      "--config=deno.json",
      "--no-lock",
      "--check",
      "--allow-net=127.0.0.1",
      script,
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

Deno.test("README.md shows a client and a server of under 30 lines that talk", async () => {
  const client = await blockUnder("A client");
  const server = await blockUnder("A server");
  for (const block of [client, server]) {
    assert(block.split("\n").length < 30);
  }

  // A port that is free, and files where `@noio/ws` is known.
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr;
  probe.close();
  const folder = await Deno.makeTempDir();
  try {
    const files = new Map([["client", client], ["server", server]]);
    for (const [name, block] of files) {
      await Deno.writeTextFile(
        `${folder}/${name}.ts`,
        block.replaceAll("8080", `${port}`),
      );
    }
    const serving = run(`${folder}/server.ts`);
    try {
      let exited = false;
      serving.status.then(() => exited = true);
      await listening(port, () => exited);
      const { stdout, success } = await run(`${folder}/client.ts`).output();
      assertEquals(new TextDecoder().decode(stdout), "hello\n");
      assert(success);
    } finally {
      serving.kill();
      await serving.stdout.cancel();
      await serving.status;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Resolves when somebody listens, rejects when nobody will. */
async function listening(port: number, exited: () => boolean): Promise<void> {
  for (;;) {
    assert(!exited(), "The server has ended");
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
