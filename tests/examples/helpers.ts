// What the tests of the examples share: an example as a process, started with the
// permissions that its first line names.

import { TextLineStream } from "@std/streams";
import { Queue, Scope } from "../interop/helpers.ts";

export { Scope } from "../interop/helpers.ts";

const ROOT = new URL("../../", import.meta.url);

/** How long one test may take, in milliseconds. */
const TIMEOUT = 90_000;

/** A test that closes what it has opened, and fails when it takes too long. */
export function exampleTest(
  name: string,
  run: (scope: Scope) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const scope = new Scope();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`${scope.at}: not done in time`)),
      TIMEOUT,
    );
    try {
      await Promise.race([run(scope), late.promise]);
    } finally {
      clearTimeout(timer);
      await scope.close();
    }
  });
}

/** The flags of the `deno run` line that an example begins with. */
export async function flagsOf(name: string): Promise<string[]> {
  const [line] = (await Deno.readTextFile(new URL(`examples/${name}`, ROOT)))
    .split("\n");
  const match = /^\/\/ deno run (.*?)examples\/([\w/.]+)/.exec(line);
  if (match?.[2] !== name) {
    throw new Error(`examples/${name} does not begin with how it is run`);
  }
  return match[1].split(" ").filter((flag) => flag !== "");
}

/** An example that is running. */
export class Program {
  /** Its lines of output that nobody has waited for yet. */
  readonly #lines = new Queue<string>();
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<unknown>;
  /** What it has said of errors. */
  stderr = "";
  /** All that it has said. */
  stdout = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#ended = Promise.all([this.#readOut(), this.#readErr()]);
  }

  /**
   * Starts an example; it ends with the scope.
   *
   * @param scope What it ends with
   * @param name Its file
   * @param args Its arguments
   * @param flags In place of those of its first line
   */
  static async start(
    scope: Scope,
    name: string,
    args: readonly string[] = [],
    flags?: readonly string[],
  ): Promise<Program> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-lock", "--no-prompt"],
        ...(flags ?? await flagsOf(name)),
        `examples/${name}`,
        ...args,
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const program = new Program(child);
    scope.defer(async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.stdin.close().catch(() => {});
      await child.status;
      await program.#ended;
    });
    return program;
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Writes lines to its input. */
  async write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }

  /** Ends its input. */
  closeInput(): Promise<void> {
    return this.#child.stdin.close();
  }

  /** The next line of output that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(await this.#lines.next());
      if (match !== null) return match;
    }
  }

  /** The port that it says it listens on. */
  async port(): Promise<number> {
    return Number((await this.line(/\bwss?:\/\/127\.0\.0\.1:(\d+)\//))[1]);
  }

  /** Its exit code, once it has ended and all of its output is read. */
  async code(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#ended;
    return code;
  }

  /** Ctrl-C. */
  interrupt(): Promise<number> {
    this.#child.kill("SIGINT");
    return this.code();
  }

  async #readOut(): Promise<void> {
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.stdout += `${line}\n`;
      this.#lines.push(line);
    }
    await this.#child.status;
    this.#lines.fail(new Error(`It has ended: ${this.stderr}`));
  }

  async #readErr(): Promise<void> {
    const text = this.#child.stderr.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) this.stderr += chunk;
  }
}

/** Runs an example to its end. */
export async function runExample(
  scope: Scope,
  name: string,
  args: readonly string[] = [],
  input = "",
  flags?: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = await Program.start(scope, name, args, flags);
  await program.write(input).catch(() => {});
  await program.closeInput().catch(() => {});
  const code = await program.code();
  return { code, stdout: program.stdout, stderr: program.stderr };
}
