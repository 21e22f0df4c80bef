// Looks at the pages of a running server in a real browser.
//
//   BASE_URL=http://127.0.0.1:8080 SCREENSHOTS=folder npm run e2e
//
// Without SCREENSHOTS no pictures are kept.
// The server must have a live fleet (`mesofleet demo`, or the fake_fleet example of meso-web).
// CHROMIUM names another browser than /usr/bin/chromium.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { checks } from './checks.mjs';

const base = process.env.BASE_URL ?? 'http://127.0.0.1:8080';
const folder = process.env.SCREENSHOTS ?? process.argv[2];
const axe = createRequire(import.meta.url)('axe-core').source;

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
/** How long anything may take to appear, in ms: generous, for a busy machine. */
const PATIENCE_MS = 30_000;
/** How long a fleet that has just started may take until a breach has its alert, in ms. */
const BREACH_MS = 90_000;

const profile = mkdtempSync(join(tmpdir(), 'mesofleet-e2e-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  viewport: DESKTOP,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const page = browser.pages()[0] ?? (await browser.newPage());
page.setDefaultTimeout(PATIENCE_MS);

const complaints = [];
page.on('console', (message) => {
  if (message.type() === 'error') complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));

const { outcome, check } = checks({ stopsAtFailure: false });

function must(condition, text) {
  if (!condition) throw new Error(text);
}

/** Waits for something that no element of a page tells. */
async function until(holds, text, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  while (!(await holds())) {
    must(Date.now() < end, text);
    await new Promise((again) => setTimeout(again, 100));
  }
}

async function openAlerts() {
  const answer = await page.request.get(`${base}/api/v1/alerts?state=open&limit=1`);
  return (await answer.json()).items.length;
}

async function open(hash) {
  await page.goto(`${base}/${hash}`);
  await page.locator('main h1').first().waitFor({ state: 'attached' });
  await page.locator('.link.live').waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes('Reading'));
}

async function setTheme(theme) {
  await page.evaluate((name) => localStorage.setItem('mesofleet-theme', name), theme);
  await page.reload();
}

async function shot(name, fullPage = false) {
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.waitForTimeout(600); // only so that charts have something to show in the picture
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
}

async function violations() {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations.map((v) => `${v.id} (${v.nodes.length}): ${v.nodes[0]?.html.slice(0, 140)}`);
}

async function firstSession() {
  const answer = await page.request.get(`${base}/api/v1/sessions?limit=50`);
  const sessions = (await answer.json()).items;
  // One with a shot past a limit shows the most.
  return (sessions.find((s) => s.hard_count > 0) ?? sessions[0])?.id;
}

async function pages() {
  const session = await firstSession();
  const list = [
    ['board', '#/'],
    ['sessions', '#/sessions'],
    ['alerts', '#/alerts'],
    ['trends', '#/trends'],
    ['report', '#/report'],
  ];
  if (session) list.push(['session', `#/sessions/${session}`]);
  return list;
}

await check('the board is live: shots of today grow by themselves', async () => {
  await open('#/');
  await page.locator('article').first().waitFor();
  const number = () =>
    page.locator('dl.stats div', { hasText: 'Shots today' }).locator('dd').innerText();
  const before = await number();
  await page.waitForFunction((old) => {
    const tile = [...document.querySelectorAll('dl.stats div')].find((d) =>
      d.textContent?.includes('Shots today'),
    );
    const now = tile?.querySelector('dd')?.textContent?.trim();
    return now !== undefined && now !== old.trim();
  }, before);
});

await check('a chart has dots and they move', async () => {
  await open('#/');
  const picture = () => page.locator('article canvas').first().evaluate((c) => c.toDataURL());
  const first = await picture();
  await page.waitForFunction((old) => {
    const canvas = document.querySelector('article canvas');
    return canvas !== null && canvas.toDataURL() !== old;
  }, first);
});

await check('the waiting gun fires when its trigger is pressed on the page', async () => {
  await open('#/');
  const card = page.locator('article', { has: page.getByRole('button', { name: 'Press the trigger' }) });
  const serial = await card.first().getAttribute('aria-label');
  const fired = async () =>
    (await (await page.request.get(`${base}/api/v1/guns/${serial}`)).json()).shot_count;
  const before = await fired();
  const answer = page.waitForResponse((r) => r.url().includes('/trigger'));
  await card.first().getByRole('button').click();
  must((await answer).status() === 204, `the server answered ${(await answer).status()}`);
  await until(async () => (await fired()) > before, `${serial} fired nothing`);
  await card.first().locator('.rows').waitFor();
});

await check('one Tab and Enter skips to the content', async () => {
  await open('#/');
  await page.reload(); // so that the focus is where a reader begins
  await page.locator('.link.live').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  must((await page.evaluate(() => document.activeElement?.id)) === 'main', 'main is not focused');
});

await check('a breach has its alert', async () => {
  await until(async () => (await openAlerts()) > 0, 'no alert is open', BREACH_MS);
});

const list = await pages();
for (const theme of ['dark', 'light']) {
  await setTheme(theme);
  for (const [name, hash] of list) {
    await check(`axe finds nothing on ${name}, ${theme}`, async () => {
      await open(hash);
      await shot(`${name}-${theme}`, name !== 'board');
      const found = await violations();
      must(found.length === 0, found.join('\n      '));
    });
  }
}

await page.setViewportSize(PHONE);
for (const [name, hash] of list) {
  await check(`${name} fits a phone`, async () => {
    await open(hash);
    await shot(`${name}-phone`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    must(wide <= PHONE.width, `the page is ${wide} wide, the screen ${PHONE.width}`);
    const found = await violations();
    must(found.length === 0, found.join('\n      '));
  });
}
await page.setViewportSize(DESKTOP);

await check('an open alert is acknowledged by a person', async () => {
  await open('#/alerts');
  const button = page.getByRole('button', { name: /^Acknowledge / }).first();
  await button.click();
  await page.getByLabel('Staff number or alias').fill('op-09');
  const found = await violations();
  must(found.length === 0, found.join('\n      '));
  await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  // A breach that is past is resolved by it, and then only the whole list still shows it.
  await page.getByRole('button', { name: 'All', exact: true }).click();
  await page.getByText('seen by op-09').first().waitFor();
});

await check('a report is exported into the downloads', async () => {
  await open('#/report');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export report' }).click();
  const file = await download;
  must(/^mesofleet-report.*\.zip$/.test(file.suggestedFilename()), file.suggestedFilename());
  const bytes = readFileSync(await file.path());
  must(bytes.subarray(0, 2).toString() === 'PK', 'the file is not a ZIP archive');
  await page.getByText('is in your downloads').waitFor();
});

await check('no page complained in the console', () => {
  must(complaints.length === 0, complaints.join('\n      '));
});

await check('a stream that is refused is said to be lost and comes back by itself', async () => {
  const stream = '**/api/v1/events';
  await page.route(stream, (route) => route.abort());
  await page.goto(`${base}/#/alerts`);
  await page.reload();
  await page.locator('.link.lost').waitFor();
  await page.unroute(stream);
  await page.locator('.link.live').waitFor();
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
});

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
process.exitCode = outcome.failed === 0 ? 0 : 1;
