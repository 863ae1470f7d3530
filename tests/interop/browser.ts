// Chromium, of the package `chromium`.

import { type Browser, chromium, type Page } from "npm:playwright-core@1.65.1";
import type { Scope } from "./helpers.ts";

export type { Browser, Page } from "npm:playwright-core@1.65.1";

/** Where the package has it. */
export const CHROMIUM = "/usr/bin/chromium";

const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts a browser with a profile of its own. */
export async function startBrowser(scope: Scope): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ARGS,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  scope.defer(() => browser.close());
  return browser;
}

/** What went wrong in a page, which is nothing. */
export class Troubles {
  readonly list: string[] = [];

  /** Notes what goes wrong in a page from now on. */
  watch(page: Page): void {
    page.on("pageerror", ({ message }) => this.list.push(message));
    page.on("dialog", (dialog) => {
      this.list.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {}); // the page may be gone
    });
    page.on("console", (message) => {
      // To find no server is what a page is for that connects again.
      const isExpected = message.text().startsWith("WebSocket connection to");
      if (message.type() === "error" && !isExpected) {
        this.list.push(message.text());
      }
    });
  }
}
