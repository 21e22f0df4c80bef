// A whole treatment on the treatment room's page, in a real browser, with the network cut.
//
//   PROGRAMS=target/debug SCREENSHOTS=folder npm run e2e:room
//
// Starts a server, a driver and an emulated gun in a temporary folder and ends them again. The
// server hands its protocol library to the room and is then taken away until the treatment is
// over. CHROMIUM names another browser than /usr/bin/chromium.
import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

import { checks } from './checks.mjs';

const root = resolve(import.meta.dirname, '../../..');
const programs = resolve(root, process.env.PROGRAMS ?? 'target/debug');
const pictures = process.env.SCREENSHOTS;
const axe = createRequire(import.meta.url)('axe-core').source;

const DESKTOP = { width: 1280, height: 800 };
const TABLET = { width: 820, height: 1180 };
/** How long anything may take to appear, in ms: generous, for a busy machine. */
const PATIENCE_MS = 30_000;
const PIN = '2468';
const GUN = 'GUN-0001';

const folder = mkdtempSync(join(tmpdir(), 'mesofleet-room-'));
const running = new Set();

function program(name, args, options = {}) {
  const child = spawn(join(programs, name), args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  child.said = () => said;
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}

function run(name, args, input) {
  return execFileSync(join(programs, name), args, { input, encoding: 'utf8', cwd: folder });
}

function end(child) {
  return new Promise((done) => {
    child.on('exit', done);
    child.kill('SIGINT');
  });
}

function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

function must(condition, message) {
  if (!condition) throw new Error(message);
}

const { outcome, check } = checks({ stopsAtFailure: true });

// --- A clinic ---------------------------------------------------------------------------------

const [httpPort, brokerPort] = [await freePort(), await freePort()];
const key = run('mesofleet', ['protocol', 'key', 'new', 'signer.key']).match(/[0-9a-f]{64}/)[0];
const library = `[library]\nsigners = ["${key}"]\nsignatures_needed = 1\n`;
writeFileSync(
  join(folder, 'server.toml'),
  `version = 1\n[server]\ndata_dir = "server"\n[[clinics]]\nid = "example-clinic"\n` +
    `time_zone = "Europe/Vienna"\n[http]\nbind = "127.0.0.1:${httpPort}"\n` +
    `[broker]\nbind = "127.0.0.1:${brokerPort}"\n[ledger]\norigin = "log.example.org/room"\n${library}`,
);
mkdirSync(join(folder, 'ports'));
mkdirSync(join(folder, 'driver'));
writeFileSync(
  join(folder, 'driver.toml'),
  `version = 1\n[driver]\nid = "room-1"\nclinic = "example-clinic"\ntime_zone = "Europe/Vienna"\n` +
    `data_dir = "driver"\n[ports]\nsource = "folder"\nfolder = "ports"\nrescan_ms = 100\n` +
    `[broker]\nhost = "127.0.0.1"\nport = ${brokerPort}\n[room]\nhttp = "127.0.0.1:0"\n${library}`,
);
const protocols = join(root, 'config/protocols');
const files = readdirSync(protocols).filter((name) => name.endsWith('.toml'));
run('mesofleet', [
  ...['protocol', 'draft', '--version', '1', '--demo', '--out', 'draft.json'],
  ...files.map((name) => join(protocols, name)),
]);
run('mesofleet', ['protocol', 'sign', '--yes', '--key', 'signer.key', 'draft.json']);
mkdirSync(join(folder, 'server'));
run('mesofleet', ['protocol', 'release', '--yes', '--config', 'server.toml', 'draft.json']);
for (const [id, name] of [['op-07', 'Dr Example'], ['op-12', 'Nurse Example']]) {
  run('mesofleet-driver', ['people', 'add', id, '--name', name, '--data-dir', 'driver'], `${PIN}\n`);
}

const startServer = () => program('mesofleet', ['serve', '--config', 'server.toml'], { cwd: folder });
let server = startServer();
const driver = program('mesofleet-driver', ['run', '--config', 'driver.toml'], { cwd: folder });

function access() {
  try {
    return JSON.parse(readFileSync(join(folder, 'driver/room.json'), 'utf8'));
  } catch {
    return null;
  }
}

async function live() {
  const { address, token } = access() ?? {};
  if (!address) return null;
  try {
    const answer = await fetch(`http://${address}/api/v1/live`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

const gunState = async () => (await live())?.guns.find((it) => it.gun.serial === GUN);

let gun;
function plugIn() {
  gun = program('mesofleet', [
    ...['gun', 'emulate', '--ports', join(folder, 'ports'), '--serial', GUN],
    ...['--habit', 'wait-for-trigger', '--breach', 'too-deep'],
  ]);
  // Where its plan wants an operator to act, the page is the operator.
  createInterface({ input: gun.stdout }).on('line', (line) => {
    if (line.includes('"operator"')) gun.stdin.write('{"do":"continue"}\n');
  });
}

/** Pulls the trigger and waits until the driver has the shot. */
async function fire() {
  const before = (await gunState())?.last_shot?.counter ?? 0;
  gun.stdin.write('{"do":"trigger"}\n');
  await until('the shot is read', async () => ((await gunState())?.last_shot?.counter ?? 0) > before);
}

// --- A browser --------------------------------------------------------------------------------

const profile = mkdtempSync(join(tmpdir(), 'mesofleet-e2e-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  viewport: DESKTOP,
  args: [
    ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ],
});
const page = browser.pages()[0] ?? (await browser.newPage());
page.setDefaultTimeout(PATIENCE_MS);
const complaints = [];
const foreign = [];
page.on('console', (message) => {
  // A PIN that is asked for once more is an answer 401 or 403, which browsers call an error.
  if (message.type() === 'error' && !/status of 40[13]/.test(message.text())) complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));

async function look(name) {
  for (const theme of ['light', 'dark']) {
    await page.evaluate((theme) => document.documentElement.setAttribute('data-theme', theme), theme);
    for (const [size, view] of [['desktop', DESKTOP], ['tablet', TABLET]]) {
      await page.setViewportSize(view);
      if (pictures) {
        mkdirSync(pictures, { recursive: true });
        await page.screenshot({ path: join(pictures, `room-${name}-${theme}-${size}.png`) });
      }
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const result = await globalThis.axe.run(document, { resultTypes: ['violations'] });
        return result.violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.target).join('; ')}`);
      });
      must(found.length === 0, `${name}, ${theme}, ${size}: ${found.join('\n      ')}`);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('button')]
          .filter((it) => it.offsetParent && it.getBoundingClientRect().height < 47.5)
          .map((it) => it.textContent),
      );
      must(small.length === 0, `${name}: lower than 48 px: ${small}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      must(wide <= view.width, `${name}: the page is ${wide} wide, the screen ${view.width}`);
    }
  }
  await page.setViewportSize(DESKTOP);
}

async function typePin() {
  await page.getByLabel('PIN', { exact: true }).fill(PIN);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

const button = (name) => page.getByRole('button', { name, exact: true });
const gauge = (name) => page.getByRole('article', { name, exact: true });

let session;
/** Patient shots of the session, as the driver counted them. */
let treated = 0;

try {
  await until('the library is in force', async () => (await live())?.room.library_version === 1);
  await end(server);
  const base = `http://${access().address}`;
  page.on('request', (request) => {
    if (!request.url().startsWith(base)) foreign.push(request.url());
  });

  await check('a person signs in with a PIN, and a wrong one is refused', async () => {
    await page.goto(base);
    await page.getByRole('heading', { name: 'Who are you?' }).waitFor();
    await look('sign-in');
    await page.getByRole('button', { name: /Dr Example/ }).click();
    await page.getByLabel('PIN', { exact: true }).fill('1111');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('that is not right').waitFor();
    await typePin();
    await page.getByText('Dr Example').waitFor();
  });

  await check('the room says that it is offline and that nothing is lost', async () => {
    await page.getByText(/Offline: .* nothing is lost/).waitFor();
  });

  await check('a gun that is plugged in is there at once', async () => {
    await page.getByText('No gun is plugged in').waitFor();
    plugIn();
    await button(GUN).waitFor();
    await button(`STOP ${GUN}`).waitFor();
  });

  await check('protocol, zone, technique, lots and checklist are chosen, scanned and ticked', async () => {
    await page.getByLabel('Find a protocol').fill('mesolift');
    await page.getByRole('group', { name: 'Protocol' }).getByRole('button').first().click();
    await page.getByRole('group', { name: 'Zone' }).getByRole('button').first().click();
    await page.getByRole('group', { name: 'Technique' }).getByRole('button').first().click();
    await page.getByLabel('Product', { exact: true }).fill('hyaluronic acid');
    await page.getByLabel('Concentration').fill('1 %');
    const scan = page.getByLabel('Scan or type a code');
    await scan.first().fill('(01)09506000134352(17)200101(10)OLD-1');
    await scan.first().press('Enter');
    await page.getByText('This lot expired on 2020-01-01').waitFor();
    await scan.first().fill(']d2010950600013435217491231' + '10HA-77\u001d21S1');
    await scan.first().press('Enter');
    await page.getByText('Use by 2049-12-31').waitFor();
    must((await page.getByLabel('Lot', { exact: true }).inputValue()) === 'HA-77', 'the lot is not filled in');
    await scan.last().fill('(01)09506000134352(10)N-30');
    await scan.last().press('Enter');
    await page.getByRole('textbox', { name: /^Patient code/ }).fill('P-0042');
    for (const done of await page.getByRole('button', { name: 'Done', exact: true }).all()) await done.click();
    await page.getByRole('button', { name: 'Skip', exact: true }).nth(2).click();
    await page.getByLabel('Why it is skipped').fill('prepared by the nurse');
    await look('prepare');
    await button('Begin treatment').click();
    await gauge('Needle depth').waitFor();
    session = (await live()).sessions[0].session;
  });

  await check('a shot past a hard limit is loud, and the next ones are within', async () => {
    await fire();
    await gauge('Needle depth').getByText('PAST THE HARD LIMIT').waitFor();
    await look('hard');
    await until('the breach is over', async () => {
      await fire();
      return (await gunState()).gauges[0].standing !== 'hard';
    });
    for (let shot = 0; shot < 5; shot += 1) await fire();
    await page.getByText('Patient shots').waitFor();
    await look('treat');
  });

  await check('STOP stops the gun although the interlock is off', async () => {
    await page.getByText('Interlock off').waitFor();
    await button(`STOP ${GUN}`).click();
    await page.getByText('Stopped', { exact: true }).waitFor();
    const before = (await gunState()).last_shot.counter;
    gun.stdin.write('{"do":"trigger"}\n');
    await until('the gun says that it is inhibited', async () => (await gunState()).gun.inhibited);
    await look('stopped');
    must((await gunState()).last_shot.counter === before, 'it went on firing');
  });

  await check('a person lets it fire again, with a PIN and a reason', async () => {
    await button('Let it fire again').click();
    await button('Pressed by mistake').click();
    await look('resume');
    await page.getByRole('dialog').getByRole('button', { name: 'Let it fire again' }).click();
    const pin = page.getByLabel('PIN', { exact: true });
    const stop = button(`STOP ${GUN}`);
    await pin.or(stop).first().waitFor();
    if (await pin.isVisible()) await typePin();
    await stop.waitFor();
    await fire();
  });

  await check('the session is paused, goes on, and is handed over in a new segment', async () => {
    await button('Pause').click();
    await page.getByText('Paused', { exact: true }).waitFor();
    await button('Go on').click();
    await button('Pause').waitFor();
    await button('Sign out').click();
    await page.getByRole('button', { name: /Nurse Example/ }).click();
    await typePin();
    await button('Hand over').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Product', { exact: true }).fill('hyaluronic acid');
    await dialog.getByLabel('Concentration').fill('1 %');
    await dialog.getByLabel('Lot', { exact: true }).fill('HA-77');
    await dialog.getByLabel('Lot of the needle').fill('N-31');
    await look('hand-over');
    await dialog.getByRole('button', { name: 'Begin segment' }).click();
    await page.getByText('By op-12').waitFor();
    await fire();
  });

  await check('the session ends with an outcome', async () => {
    await button('End').click();
    await look('end');
    treated = (await live()).sessions[0].patient_shot_count;
    await button('Completed').click();
    await page.getByRole('heading', { name: 'Protocol', exact: true }).waitFor();
  });

  await check('after reconnection the server holds every step and every shot', async () => {
    const fired = (await gunState()).last_shot.counter;
    server = startServer();
    const ask = async (path) => {
      try {
        const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`);
        return answer.ok ? await answer.json() : null;
      } catch {
        return null;
      }
    };
    const held = await until('the server holds the session', async () => {
      const stored = await ask(`/api/v1/sessions/${session}`);
      const gun = await ask(`/api/v1/guns/${GUN}`);
      const isWhole = stored?.state === 'sealed' && stored.patient_shot_count === treated;
      return isWhole && gun?.last_shot?.counter === fired && stored;
    }).catch(async (error) => {
      throw new Error(`${error.message}: treated ${treated}, fired ${fired}, ${JSON.stringify(await ask(`/api/v1/sessions/${session}`))}, ${JSON.stringify(await ask(`/api/v1/guns/${GUN}`))}`);
    });
    must(held.outcome === 'completed', `it ended as ${held.outcome}`);
    must(held.operator === 'op-07', `it was begun by ${held.operator}`);
    // What was settled is stored and logged: with nothing left, every step has arrived.
    await until('nothing waits any more', async () => (await live()).waiting_record_count === 0);
    await page.getByText('Connected', { exact: true }).waitFor();
  });

  await check('the page asked nobody but the driver, and did not complain', () => {
    must(foreign.length === 0, `asked ${foreign.join(', ')}`);
    must(complaints.length === 0, complaints.join('\n      '));
  });
} catch (error) {
  outcome.failed += 1;
  console.log(`FAIL  ${error instanceof Error ? error.stack : error}`);
}

if (outcome.failed > 0) console.log(`the driver said:\n${driver.said().slice(-4_000)}`);
await browser.close();
for (const child of running) child.kill('SIGKILL');
rmSync(profile, { recursive: true, force: true });
rmSync(folder, { recursive: true, force: true });
console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
process.exitCode = outcome.failed === 0 ? 0 : 1;
