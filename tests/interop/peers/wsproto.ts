// Python's `wsproto`, in a process of its own: `wsproto_peer.py`.

/** The Python that has the package of the distribution. */
const PYTHON = "/usr/bin/python3";

const SCRIPT = `${import.meta.dirname}/wsproto_peer.py`;

/** A stream to decode. */
export interface Question {
  readonly role: "client" | "server";
  readonly bytes: Uint8Array;
}

/** What it makes of one. */
export interface Answer {
  readonly events: readonly (readonly [type: string, payload: string])[];
  readonly end: readonly (string | number)[] | null;
}

/** A process that decodes any number of streams. */
export interface WsprotoProcess extends AsyncDisposable {
  /** Gives what it makes of each, in order. */
  decode(questions: readonly Question[]): AsyncIterable<Answer>;
}

/** Starts one. */
export function wsprotoProcess(): WsprotoProcess {
  const child = new Deno.Command(PYTHON, {
    args: ["-I", SCRIPT],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let writing: Promise<void> = Promise.resolve();
  return {
    async *decode(questions) {
      writing = write(child.stdin, questions);
      let text = "";
      const decoder = new TextDecoder();
      for await (const chunk of child.stdout) {
        text += decoder.decode(chunk, { stream: true });
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        // It is our own script that writes them.
        for (const line of lines) yield JSON.parse(line) as Answer;
      }
      await writing;
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
      await writing.catch(() => {});
    },
  };
}

async function write(
  stdin: WritableStream<Uint8Array>,
  questions: readonly Question[],
): Promise<void> {
  const writer = stdin.getWriter();
  const encoder = new TextEncoder();
  for (const { role, bytes } of questions) {
    const line = JSON.stringify({ role, bytes: bytes.toBase64() });
    await writer.write(encoder.encode(`${line}\n`));
  }
  await writer.close();
}

/** The version that is installed, `undefined` if there is none. */
export function installedVersion(): string | undefined {
  const code = "import wsproto; print(wsproto.__version__)";
  try {
    const { success, stdout } = new Deno.Command(PYTHON, {
      args: ["-I", "-c", code],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
