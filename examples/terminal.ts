// What a program shows where somebody may look on: colours on a terminal, and no
// characters there that are commands to it.

const isTerminal = Deno.stdout.isTerminal();

/** Colours, by their codes. */
export const GREY = 90;
export const CYAN = 36;

/** A text in a colour, where the output is a terminal that shows colours. */
export function paint(colour: number, text: string): string {
  return isTerminal && !Deno.noColor ? `\x1b[${colour}m${text}\x1b[0m` : text;
}

/** A message as a line. A server is not to send commands to our terminal. */
export function lineOf(message: string | Uint8Array<ArrayBuffer>): string {
  if (typeof message !== "string") return paint(CYAN, message.toHex());
  if (!isTerminal) return message;
  // deno-lint-ignore no-control-regex
  return message.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
