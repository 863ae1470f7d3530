// What the programs are told on the command line, and what they say of it.

import { parseArgs, type ParseArgsConfig } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What the arguments are, as the options say. */
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{
    options: T & { help: { type: "boolean" } };
    allowPositionals: true;
  }>
>;

/**
 * Parses the arguments. For `--help` it prints the help and exits with 0, for a
 * mistake it says so and exits with 2.
 *
 * @param help The help
 * @param options The options, as `parseArgs` of `node:util` takes them
 * @param most How many arguments there may be besides
 * @returns The options and the other arguments
 */
export function parse<const T extends Options>(
  help: string,
  options: T,
  most = 1,
): Parsed<T> {
  try {
    const parsed = parseArgs({
      options: { ...options, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    }) as Parsed<T>; // the option that was added is in it
    if ((parsed.values as { help?: boolean }).help) {
      console.log(help.trim());
      Deno.exit(0);
    }
    if (parsed.positionals.length <= most) return parsed;
    throw new TypeError(`Unexpected argument '${parsed.positionals[most]}'`);
  } catch (error) {
    // What it says after that is how to get by the mistake.
    const [mistake] = messageOf(error).split(/\.\s/);
    return fail(`${mistake}; see --help`, 2);
  }
}

/** A whole number out of an argument. */
export function numberOf(name: string, text: string, most = 65_535): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= most) return number;
  return fail(`Cannot use '${text}' as ${name}: 0 to ${most} is possible`, 2);
}

/** Says what went wrong, and exits. */
export function fail(message: string, code = 1): never {
  console.error(message);
  Deno.exit(code);
}

/** What an error says, and those that it comes from. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause instanceof Error ? `${message}: ${messageOf(cause)}` : message;
}

/** The options that the servers have in common, for `parse`. */
export const SERVER_OPTIONS = {
  hostname: { type: "string", default: "127.0.0.1" },
  "handshake-timeout": { type: "string", default: "10000" },
} as const;

/** The time that `--handshake-timeout` gives, in milliseconds. */
export function timeoutOf(values: { "handshake-timeout": string }): number {
  const name = "handshake-timeout";
  return numberOf(name, values[name], 3_600_000);
}

/** Their help. */
export const SERVER_HELP = `\
  --hostname=<name>         where to listen; 0.0.0.0 is everywhere [127.0.0.1]
  --handshake-timeout=<ms>  how long a client may take to ask [10000]
  --help                    this`;
