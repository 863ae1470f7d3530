// Makes `@std/*` resolvable where JSR cannot be reached: `deno task std`.
//
// Does nothing where `.std/` is there already or JSR answers. Otherwise copies
// the stand-ins of `tests/npm_std/` to `.std/`, where the workspace glob of
// `deno.json` finds them. It imports nothing, as nothing may be resolvable yet.

const root = new URL("../", import.meta.url);
const target = new URL(".std/", root);

/** Whether the canonical packages can be had, asked of Deno itself. */
async function jsrAnswers(packages: string[]): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--no-config", "--no-lock", ...packages],
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(20_000),
  });
  return (await command.output()).success;
}

async function exists(path: URL): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (!await exists(target)) {
  const { imports } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  ) as { imports: Record<string, string> };
  const packages = Object.entries(imports)
    .filter(([name]) => name.startsWith("@std/"));

  if (!await jsrAnswers(packages.map(([, specifier]) => specifier))) {
    for (const [name] of packages) {
      const from = new URL(
        `tests/npm_std/${name.slice("@std/".length)}/`,
        root,
      );
      const to = new URL(`${name.slice("@std/".length)}/`, target);
      await Deno.mkdir(to, { recursive: true });
      for await (const file of Deno.readDir(from)) {
        await Deno.copyFile(new URL(file.name, from), new URL(file.name, to));
      }
    }
    await Deno.stdout.write(
      new TextEncoder().encode(
        "std: JSR does not answer, so @std/* comes from npm (tests/npm_std copied to .std)\n",
      ),
    );
  }
}
