// The chat of `examples/chat`, in Chromium: pages on two servers, which share a
// Redis, of the packages chromium and redis-server.

import { assert, assertEquals } from "@std/assert";
import {
  type Browser,
  CHROMIUM,
  type Page,
  startBrowser,
  Troubles,
} from "./browser.ts";
import { interopTest, type Scope } from "./helpers.ts";
import { needing, Program, runExample } from "./programs.ts";

const REDIS = "/usr/bin/redis-server";

/** A chat server that runs. */
interface Server {
  readonly program: Program;
  readonly url: string;
  readonly port: string;
}

async function startServer(
  scope: Scope,
  { port = "0", redis }: { port?: string; redis?: number } = {},
): Promise<Server> {
  const args = ["--port", port];
  if (redis !== undefined) args.push("--redis", `redis://127.0.0.1:${redis}`);
  const program = runExample(scope, "chat/server.ts", args, ["--allow-net"]);
  const [, url, bound] = await program.line(/(http:\/\/127\.0\.0\.1:(\d+)\/)/);
  return { program, url, port: bound };
}

/** Starts two servers that share a Redis, and a browser. */
async function startAll(scope: Scope) {
  const redis = freePort();
  await startRedis(scope, redis);
  const [one, two, browser] = await Promise.all([
    startServer(scope, { redis }),
    startServer(scope, { redis }),
    startBrowser(scope),
  ]);
  return { one, two, browser };
}

async function stop({ program }: Server): Promise<void> {
  const { code, errors } = await program.interrupt();
  assertEquals({ code, errors }, { code: 0, errors: "" });
}

/** Starts Redis with nothing in it and nothing kept. */
async function startRedis(scope: Scope, port: number): Promise<Program> {
  const dir = await Deno.makeTempDir();
  scope.defer(() => Deno.remove(dir, { recursive: true }));
  const options = { port: `${port}`, bind: "127.0.0.1", dir, save: "" };
  const redis = new Program(
    scope,
    REDIS,
    Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
  );
  await redis.line(/Ready to accept connections/);
  return redis;
}

/** A port that was free just now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Opens the page as somebody would, and joins. */
async function join(
  browser: Browser,
  troubles: Troubles,
  url: string,
  name: string,
  look: Parameters<Browser["newContext"]>[0] = {},
): Promise<Page> {
  const context = await browser.newContext(look);
  const page = await context.newPage();
  troubles.watch(page);
  await page.goto(url);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Join the chat" }).click();
  await connected(page);
  return page;
}

async function connected(page: Page): Promise<void> {
  await page.getByText("Connected", { exact: true }).waitFor();
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

/** Waits until a page shows something that was said. */
async function sees(page: Page, text: string): Promise<void> {
  await page.locator(".bubble").getByText(text, { exact: true }).waitFor();
}

/** Waits until a page shows these people, in this order and no others. */
async function seesPeople(page: Page, names: string[]): Promise<void> {
  const items = names.map((name) =>
    String.raw`\s*.?\s*${RegExp.escape(name)}(\s*\(you\))?\s*`
  );
  const hasText = new RegExp(`^${items.join("")}$`, "u");
  await page.locator("#people ul", { hasText }).waitFor({ state: "attached" });
}

async function textsOf(page: Page, selector: string): Promise<string[]> {
  return await page.locator(selector).allTextContents();
}

needing(
  { chromium: CHROMIUM, "redis-server": REDIS },
  "the chat in Chromium, with Redis",
  () => {
    interopTest(
      "the chat in Chromium: pages on two servers talk through Redis",
      async (scope) => {
        const { one, two, browser } = await startAll(scope);
        const troubles = new Troubles();

        scope.at = "both are here";
        const ada = await join(browser, troubles, one.url, "Ada");
        const grace = await join(browser, troubles, two.url, "Grace");
        await seesPeople(ada, ["Ada", "Grace"]);
        await seesPeople(grace, ["Ada", "Grace"]);

        scope.at = "they talk";
        await say(ada, "Hello, Grace 👋");
        await sees(grace, "Hello, Grace 👋");
        await say(grace, "Hello, Ada");
        await sees(ada, "Hello, Ada");

        scope.at = "markup stays text";
        const markup =
          "<img src=x onerror=alert(1)><script>alert(2)</script> </div>";
        await say(grace, markup);
        await sees(ada, markup);
        assertEquals(await ada.locator("#log img, #log script").count(), 0);

        assertEquals(troubles.list, []);
        await browser.close();
        await stop(one);
        await stop(two);
      },
    );

    interopTest(
      "the chat in Chromium: who is here, and what was said before",
      async (scope) => {
        const { one, two, browser } = await startAll(scope);
        const troubles = new Troubles();
        const ada = await join(browser, troubles, one.url, "Ada");
        await say(ada, "first");
        await say(ada, "second");
        await sees(ada, "second");

        scope.at = "a name that is taken, on another server";
        const other = await join(browser, troubles, two.url, "Ada");
        await seesPeople(ada, ["Ada", "Ada 2"]);
        await seesPeople(other, ["Ada", "Ada 2"]);
        scope.at = "who comes later sees what was said, once";
        assertEquals(await textsOf(other, ".bubble"), ["first", "second"]);

        scope.at = "markup in a name stays text";
        const bold = await join(browser, troubles, two.url, "<b>Bold</b>");
        await seesPeople(ada, ["<b>Bold</b>", "Ada", "Ada 2"]);

        scope.at = "who leaves is not here, and that is said";
        await other.getByRole("button", { name: "Leave" }).click();
        await bold.close();
        await seesPeople(ada, ["Ada"]);
        await ada.getByText("Ada 2 has left").waitFor();

        assertEquals(troubles.list, []);
        await browser.close();
        await stop(one);
        await stop(two);
      },
    );

    interopTest(
      "the chat in Chromium: a page comes back when its server does",
      async (scope) => {
        const [server, browser] = await Promise.all([
          startServer(scope),
          startBrowser(scope),
        ]);
        const troubles = new Troubles();
        const page = await join(browser, troubles, server.url, "Ada");
        await say(page, "before");
        await sees(page, "before");

        scope.at = "the server goes away";
        await stop(server);
        await page.getByText(/Reconnecting/).waitFor();
        await say(page, "meanwhile");
        await page.getByText(/Not connected/).waitFor();

        scope.at = "it is there again";
        const again = await startServer(scope, { port: server.port });
        await connected(page);
        await page.keyboard.press("Enter"); // it was kept
        await sees(page, "meanwhile");
        assertEquals(await textsOf(page, ".bubble"), ["before", "meanwhile"]);
        await seesPeople(page, ["Ada"]);

        assertEquals(troubles.list, []);
        await browser.close();
        await stop(again);
      },
    );

    interopTest(
      "the chat in Chromium: Redis may go away for a moment",
      async (scope) => {
        const port = freePort();
        const redis = await startRedis(scope, port);
        const [one, two, browser] = await Promise.all([
          startServer(scope, { redis: port }),
          startServer(scope, { redis: port }),
          startBrowser(scope),
        ]);
        const troubles = new Troubles();
        const ada = await join(browser, troubles, one.url, "Ada");
        const grace = await join(browser, troubles, two.url, "Grace");
        await seesPeople(ada, ["Ada", "Grace"]);

        scope.at = "it is away";
        await redis.interrupt();
        await say(ada, "while it is away");
        await sees(ada, "while it is away"); // on its own server, at once

        scope.at = "it is back";
        await startRedis(scope, port);
        await sees(grace, "while it is away");
        await say(grace, "and back");
        await sees(ada, "and back");
        assertEquals(await textsOf(ada, ".bubble"), [
          "while it is away",
          "and back",
        ]);
        assertEquals(troubles.list, []);
        await browser.close();
        for (const { program } of [one, two]) {
          const { code, errors } = await program.interrupt();
          assertEquals(code, 0);
          assert(/Redis is away.*\nRedis is back\n$/s.test(errors), errors);
        }
      },
    );

    interopTest(
      "the chat in Chromium: it fits a phone, in light and dark",
      async (scope) => {
        const [server, browser] = await Promise.all([
          startServer(scope),
          startBrowser(scope),
        ]);
        const troubles = new Troubles();
        const page = await join(browser, troubles, server.url, "Ada", {
          viewport: { width: 390, height: 844 },
          isMobile: true,
          hasTouch: true,
        });
        await say(page, `https://example.com/${"long".repeat(100)}`);
        await page.locator(".bubble").waitFor();
        const width = await page.evaluate("document.body.scrollWidth");
        assertEquals(width, 390);

        const people = page.getByRole("button", { name: "1 here" });
        assertEquals(await people.getAttribute("aria-expanded"), "false");
        await people.tap();
        assertEquals(await people.getAttribute("aria-expanded"), "true");
        await page.getByText("(you)").waitFor();

        const grounds = new Set<unknown>();
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          grounds.add(
            await page.evaluate(
              "getComputedStyle(document.body).backgroundColor",
            ),
          );
        }
        assertEquals(grounds.size, 2);
        assertEquals(troubles.list, []);
        await browser.close();
        await stop(server);
      },
    );
  },
);
