// Runs test files one after the other: `node run.mjs e2e/a.test.mjs ...`. Files with a test that failed are run a second time, by themselves:
// real browsers and encoders on two shared cores stand still for seconds now and then, and a red run tells nothing if it is always another
// test (docs/decisions/0020). What passes only then is named at the end. More than MOST files: something is broken, and nothing is tried again.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const MOST = 3;

const directory = mkdtempSync(join(tmpdir(), 'unisono-tests-'));
const report = join(directory, 'failed');
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

/** Which tests failed; `null` where the run itself ended in another way. */
function run(files) {
  const reporter = new URL('./lib/failed.mjs', import.meta.url).href;
  const to = ['--test-reporter=spec', '--test-reporter-destination=stdout', `--test-reporter=${reporter}`, `--test-reporter-destination=${report}`];
  const { status, signal } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...to, ...files], { stdio: 'inherit' });
  const lines = existsSync(report) ? readFileSync(report, 'utf8') : '';
  const failed = lines.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  if (status === 0) return [];
  return signal || failed.length === 0 ? null : failed;
}

const files = process.argv.slice(2);
const first = run(files);
const again = [...new Set((first ?? []).map(({ file }) => relative('.', file)))];
if (!first || again.length > MOST) process.exit(1);
if (again.length > 0) {
  console.log(`\n== a second time: ${again.join(' ')}\n`);
  const second = run(again);
  if (!second || second.length > 0) process.exit(1);
  console.log('\n== FLAKY: passed at the second time only. Each is a bug, of the test or of the product, and its failure stands above:');
  for (const { file, name } of first) console.log(`   ${relative('.', file)}: ${name}`);
}
