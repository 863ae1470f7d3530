// How far something is: a bar that grows on a terminal, elsewhere a line for each
// tenth, so that a log is not filled with it.

const WIDTH = 40;

/**
 * Begins a bar.
 *
 * @param total How much there is to do
 * @returns What is to be told how much is done
 */
export function progressBar(total: number): (done: number) => void {
  const isTerminal = Deno.stderr.isTerminal();
  const steps = isTerminal ? 100 : 10;
  let shown = -1;
  const show = (done: number) => {
    const step = total === 0 ? steps : Math.floor(steps * done / total);
    if (step === shown) return;
    const isFirst = shown === -1;
    shown = step;
    const bar = "#".repeat(step * WIDTH / steps).padEnd(WIDTH, ".");
    const line = `[${bar}] ${step * 100 / steps} %`;
    // On a terminal it takes the place of the one before.
    console.error(isTerminal && !isFirst ? `\x1b[1A\x1b[2K${line}` : line);
  };
  show(0);
  return show;
}
