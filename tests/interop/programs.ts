// Programs that tests start: ours and those of the distribution. When its test is
// over, none of them is left.

import { Queue, type Scope } from "./helpers.ts";

const ROOT = new URL("../../", import.meta.url);

/** A program that runs. */
export class Program {
  /** The lines that it writes to its standard output. */
  readonly lines = new Queue<string>();
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly #errors: Promise<string>;

  /** Starts a program, which is killed after the test if it still runs. */
  constructor(
    scope: Scope,
    command: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      cwd: ROOT,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#errors = new Response(this.#child.stderr).text();
    this.#reading = this.#read();
    scope.defer(async () => {
      this.#signal("SIGKILL");
      await this.end();
    });
  }

  /** Waits until it has written a line that matches, and gives the match. */
  async line(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = (await this.lines.next()).match(pattern);
      if (match !== null) return match;
    }
  }

  /** Sends it Ctrl-C, and gives how it ends. */
  interrupt(): Promise<{ code: number; errors: string }> {
    this.#signal("SIGINT");
    return this.end();
  }

  /** Waits until it has ended. */
  async end(): Promise<{ code: number; errors: string }> {
    const { code } = await this.#child.status;
    await this.#reading;
    return { code, errors: await this.#errors };
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoderStream();
    for await (const text of this.#child.stdout.pipeThrough(decoder)) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.lines.push(line);
    }
    if (rest !== "") this.lines.push(rest);
    const errors = await this.#errors;
    this.lines.fail(new Error(`the program has ended: ${errors}`));
  }
}

/** Runs a program of `examples/`, with no more permissions than are given. */
export function runExample(
  scope: Scope,
  path: string,
  args: readonly string[],
  permissions: readonly string[],
): Program {
  const flags = ["run", "--quiet", "--no-lock", "--no-prompt", ...permissions];
  return new Program(scope, Deno.execPath(), [
    ...flags,
    `examples/${path}`,
    ...args,
  ]);
}

/** Whether a program of the distribution is there. */
export function isInstalled(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Registers tests that need a package of the distribution; or, where that is not
 * installed, one that says so: an error in CI, ignored elsewhere.
 */
export function needing(
  packages: Readonly<Record<string, string>>,
  what: string,
  register: () => void,
): void {
  const missing = Object.keys(packages)
    .filter((name) => !isInstalled(packages[name]));
  if (missing.length === 0) return register();
  Deno.test({
    name: `${what}: ${missing.join(" and ")} not installed`,
    ignore: Deno.env.get("CI") !== "true",
    fn() {
      throw new Error(`Install ${missing.join(" ")}: in CI its tests must run`);
    },
  });
}
