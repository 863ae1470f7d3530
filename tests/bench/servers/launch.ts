// The servers that `echo.ts` and `idle.ts` compare: how each is started, in a
// process of its own, and how it ends. And the load generator, `wsload.c`.

const HERE = import.meta.dirname ?? ".";
const ROOT = `${HERE}/../../..`;

/** How long a server may take to say where it listens, in milliseconds. */
const PATIENCE = 20_000;

/** A server that can be started. */
export interface Contender {
  /** Its name in the tables. */
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** What is run in place of that with compression; none: it has none. */
  readonly deflating: readonly string[] | undefined;
}

/** What there is to compare, and what there is not, and why. */
export interface Field {
  readonly contenders: readonly Contender[];
  readonly skipped: readonly string[];
}

/** The name of ours. */
export const OURS = "noio";
/** The name of the runtime's own. */
export const BUILT_IN = "Deno.upgradeWebSocket";

/** The servers that run, for when the program is interrupted. */
const running = new Set<Deno.ChildProcess>();

const INTERRUPTIONS = ["SIGINT", "SIGTERM"] as const;

/**
 * A temporary directory, and what is put there. It goes with `dispose`; and if the
 * program is interrupted it goes too, and all servers end.
 */
export class Workshop implements AsyncDisposable {
  readonly #directory: string;
  readonly #interrupted = () => {
    for (const child of running) kill(child);
    Deno.removeSync(this.#directory, { recursive: true });
    Deno.exit(130);
  };

  private constructor(directory: string) {
    this.#directory = directory;
    for (const signal of INTERRUPTIONS) {
      Deno.addSignalListener(signal, this.#interrupted);
    }
  }

  /** Makes the directory. */
  static async open(): Promise<Workshop> {
    return new Workshop(await Deno.makeTempDir({ prefix: "noio-ws-bench-" }));
  }

  /** Removes the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const signal of INTERRUPTIONS) {
      Deno.removeSignalListener(signal, this.#interrupted);
    }
    await Deno.remove(this.#directory, { recursive: true });
  }

  /** Puts a file there; gives its path. */
  async write(name: string, bytes: Uint8Array): Promise<string> {
    const path = `${this.#directory}/${name}`;
    await Deno.writeFile(path, bytes);
    return path;
  }

  /** Compiles the load generator; gives the path of the program. */
  async compileLoad(): Promise<string> {
    const program = `${this.#directory}/wsload`;
    const source = `${HERE}/../wsload.c`;
    const failure = await run(["gcc", "-O2", "-o", program, source]);
    if (failure === undefined) return program;
    throw new Error(
      `The load generator needs a C compiler, gcc, on Linux: ${failure}`,
    );
  }

  /** Finds out which servers can be run here. */
  async field(): Promise<Field> {
    const deno = [Deno.execPath(), "run", "--quiet", "--no-lock"];
    const local = [...deno, "--allow-net=127.0.0.1"];
    const onDeno = [...deno, "--allow-all", `${HERE}/ws_echo.js`];
    const contenders: Contender[] = [
      {
        name: OURS,
        command: [...local, `${ROOT}/examples/echo_server.ts`, "0"],
        deflating: [...deno, "--allow-all", `${HERE}/deflate_echo.ts`],
      },
      {
        name: BUILT_IN,
        command: [...local, `${HERE}/upgrade_websocket.ts`],
        deflating: undefined,
      },
      {
        name: "ws on Deno",
        command: onDeno,
        deflating: [...onDeno, "deflate"],
      },
    ];
    const skipped: string[] = [];
    const onNode = await this.#installWs();
    if (typeof onNode === "string") skipped.push(`ws on Node: ${onNode}`);
    else contenders.push(onNode);
    const bun = await findBun();
    if (typeof bun === "string") skipped.push(`Bun: ${bun}`);
    else contenders.push(bun);
    return { contenders, skipped };
  }

  /** `ws` for Node, of the same version; or why there is none. */
  async #installWs(): Promise<Contender | string> {
    const missing = await run(["node", "--version"]);
    if (missing !== undefined) return `there is no Node (${missing})`;
    const config: { readonly imports: Record<string, string> } = JSON.parse(
      await Deno.readTextFile(`${ROOT}/deno.json`),
    );
    const packages = ["ws", "bufferutil"].map((name) =>
      (config.imports[name] ?? name).replace(/^npm:/, "")
    );
    const failure = await run([
      "npm",
      "install",
      "--no-audit",
      "--no-fund",
      "--silent",
      "--prefix",
      this.#directory,
      ...packages,
    ]);
    if (failure !== undefined) {
      return `npm could not install it (${failure})`;
    }
    const source = await Deno.readFile(`${HERE}/ws_echo.js`);
    const program = await this.write("ws_echo.mjs", source);
    return {
      name: "ws on Node",
      command: ["node", program],
      deflating: ["node", program, "deflate"],
    };
  }
}

async function findBun(): Promise<Contender | string> {
  const program = `${HERE}/bun_echo.js`;
  for (const bun of ["bun", `${ROOT}/node_modules/.bin/bun`]) {
    if (await run([bun, "--version"]) === undefined) {
      return {
        name: "Bun",
        command: [bun, "run", program],
        deflating: [bun, "run", program, "deflate"],
      };
    }
  }
  return "it is not installed";
}

/** Runs a program to its end; gives what went wrong, if anything did. */
async function run(
  [program = "", ...args]: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: AbortSignal.timeout(120_000),
    }).output();
    if (success) return undefined;
    const [line = ""] = new TextDecoder().decode(stderr).trim().split("\n");
    return `${program} has failed: ${line}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `no ${program}`;
    throw error;
  }
}

/** A server that runs. It ends with `dispose`. */
export class Server implements AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>;

  private constructor(
    name: string,
    port: number,
    child: Deno.ChildProcess,
    output: Promise<void>,
  ) {
    this.name = name;
    this.port = port;
    this.#child = child;
    this.#output = output;
  }

  /** Starts a server, and waits until it listens. */
  static async start(
    name: string,
    [program = "", ...args]: readonly string[],
  ): Promise<Server> {
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "null", // it may complain of clients that just go
    }).spawn();
    running.add(child);
    const timer = setTimeout(() => kill(child), PATIENCE);
    const reader = child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        clearTimeout(timer);
        await child.status;
        running.delete(child);
        throw new Error(`${name} does not start: ${program} ${args.join(" ")}`);
      }
      text += value;
      const found = /:(\d+)\D/.exec(text);
      if (found !== null) {
        clearTimeout(timer);
        const drained = (async () => {
          while (!(await reader.read()).done);
        })();
        return new Server(name, Number(found[1]), child, drained);
      }
    }
  }

  /** A line of what the system knows of its memory, in bytes; NaN if unknown. */
  async memory(line: "VmHWM" | "VmRSS"): Promise<number> {
    try {
      const status = await Deno.readTextFile(`/proc/${this.#child.pid}/status`);
      const found = new RegExp(`^${line}:\\s+(\\d+) kB`, "m").exec(status);
      return found === null ? NaN : Number(found[1]) * 1024;
    } catch {
      return NaN; // not on Linux
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    kill(this.#child);
    await this.#child.status;
    running.delete(this.#child);
    await this.#output;
  }
}

/** Starts several servers: all, or none. */
export async function startAll(
  commands: readonly (readonly [name: string, command: readonly string[]])[],
): Promise<AsyncDisposableStack & { readonly servers: Server[] }> {
  const stack = Object.assign(new AsyncDisposableStack(), {
    servers: new Array<Server>(),
  });
  try {
    for (const [name, command] of commands) {
      stack.servers.push(stack.use(await Server.start(name, command)));
    }
    return stack;
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
