// Visits every kind of page that a server has, as people do, and prints what it found as one JSON value.
//
//   node visit.mjs BASE-URL [FOLDER-FOR-SCREENSHOTS]
//
// Looks at: answers, errors of the browser's console, what axe-core finds (light, dark, phone), whether the HTML is valid,
// whether a page is wider than a phone, what works without a script, the keyboard, the buttons that copy.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { HtmlValidate } from "html-validate";
import { chromium } from "playwright-core";

const [base, pictures] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const validator = new HtmlValidate({ extends: ["html-validate:standard"] });

// Of pages that differ by their query alone, or are folders, so many are enough.
const OF_A_KIND = 4;
const LOOKS = [
  { name: "light", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  { name: "dark", viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
  { name: "phone", viewport: { width: 360, height: 740 }, colorScheme: "light" },
];

const found = [];
const report = (page, what) => found.push(`${page}: ${what}`);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});

/** All pages that links lead to, starting at the first. */
async function crawl() {
  const context = await browser.newContext();
  const page = await context.newPage();
  let current = "/";
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) report(current, `console: ${message.text()}`);
  });
  page.on("pageerror", (error) => report(current, `script: ${error.message}`));
  page.on("requestfailed", (request) => report(current, `failed: ${request.url()}`));
  page.on("response", (response) => {
    if (response.status() >= 400) report(current, `${response.status()} for ${response.url()}`);
  });
  const kinds = new Map();
  const seen = new Set();
  const pages = [];
  const waiting = ["/"];
  while (waiting.length > 0) {
    current = waiting.shift();
    const { pathname } = new URL(current, base);
    const kind = pathname.endsWith("/") && pathname !== "/" ? "folder" : pathname;
    if (seen.has(current) || (kinds.get(kind) ?? 0) >= OF_A_KIND) continue;
    seen.add(current);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const response = await page.goto(base + current);
    const source = await response.text();
    const validity = await validator.validateString(source);
    for (const result of validity.results) {
      for (const { ruleId, message, line } of result.messages) report(current, `HTML line ${line}: ${message} (${ruleId})`);
    }
    pages.push(current);
    for (const href of await page.$$eval("a[href]", (links) => links.map((link) => link.href))) {
      const url = new URL(href);
      if (url.origin !== new URL(base).origin || /\.(apk|gz|sh)$/.test(url.pathname)) continue;
      waiting.push(url.pathname + url.search);
    }
    // What a form leads to is no link.
    if (pathname === "/snapshots") waiting.push("/diff?from=1&to=2");
  }
  await context.close();
  return { pages, kinds: Object.fromEntries(kinds) };
}

/** What somebody who uses a screen reader, a dark room or a phone would stumble over. */
async function look(pages) {
  let checked = 0;
  for (const { name, ...options } of LOOKS) {
    // axe-core comes from outside of the page, which its policy would refuse.
    const context = await browser.newContext({ ...options, bypassCSP: true });
    const page = await context.newPage();
    for (const path of pages) {
      await page.goto(base + path);
      for (const details of await page.$$("details")) await details.evaluate((one) => { one.open = true; });
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => window.axe.run());
      checked += passes.length;
      for (const { id, impact, help, nodes } of violations) {
        report(path, `${name}: ${impact}: ${help} (${id}): ${nodes[0].html.slice(0, 160)}`);
      }
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wider > 0) report(path, `${name}: ${wider} pixels wider than the window`);
      if (pictures) {
        const file = `${pictures}/${name}${path.replace(/[^a-z0-9]+/gi, "_")}.png`;
        await page.screenshot({ path: file, fullPage: true });
      }
    }
    await context.close();
  }
  return checked;
}

const expect = (page, is, what) => { if (!is) report(page, what); };

async function use() {
  const still = await browser.newContext({ javaScriptEnabled: false });
  const page = await still.newPage();
  await page.goto(`${base}/`);
  await page.keyboard.press("Tab");
  expect("/", (await page.locator(":focus").textContent()) === "To the content", "the first stop of the keyboard is not the skip link");
  await page.getByRole("searchbox", { name: "Find a package" }).fill("cmd:rope");
  await page.keyboard.press("Enter");
  await page.waitForURL(/search\?q=/);
  const result = page.getByRole("link", { name: "rope", exact: true });
  expect("/search", await result.count() === 1, "no result without a script");
  await result.click();
  await page.waitForURL(/package\?name=/);
  expect("/package", (await page.getByRole("heading", { level: 1 }).textContent()).startsWith("rope "), "the result leads elsewhere");
  expect("/package", await page.getByRole("link", { name: "hammock" }).count() === 1, "what needs it is not told");
  await page.goto(`${base}/snapshots`);
  await page.getByRole("button", { name: "Compare" }).first().click();
  await page.waitForURL(/diff\?/);
  expect("/diff", (await page.getByRole("heading", { level: 1 }).textContent()) === "What changed", "generations are not compared");
  await page.goto(`${base}/setup`);
  expect("/setup", await page.getByRole("button", { name: "Copy" }).count() === 0, "a button that does nothing without a script");
  await still.close();

  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  const setup = await context.newPage();
  await setup.goto(`${base}/setup`);
  const buttons = setup.getByRole("button", { name: "Copy" });
  expect("/setup", await buttons.count() >= 4, "no buttons to copy");
  await buttons.first().click();
  await setup.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await setup.evaluate(() => navigator.clipboard.readText());
  expect("/setup", /^wget -O setup.sh http.*\/setup.sh\nsh setup.sh [0-9a-f]{64}$/.test(copied), `copied: ${copied}`);
  await context.close();
}

const { pages, kinds } = await crawl();
const checked = await look(pages);
await use();
await browser.close();
console.log(JSON.stringify({ pages, kinds, checked, found }, null, 1));
