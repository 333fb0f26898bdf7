// What must be there before a measurement: the benchmark's own dependencies, and a build of leveret no older than its
// sources. Both are made with the commands a person would type. Uses nothing but Node itself.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const bench = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(bench);

/** `npm ci` in a folder (bench/), when it was never done or the lock file is newer than what it installed. */
export function installDependencies(folder = bench) {
  const installed = path.join(folder, 'node_modules', '.package-lock.json');
  if (modified(installed) >= modified(path.join(folder, 'package-lock.json'))) return;
  run(['ci', '--prefix', folder, '--no-audit', '--no-fund']);
}

/** `npm run build:esm` at the root, when dist/esm is missing or older than lib/, or the last pass failed. */
export function buildLeveret() {
  const built = path.join(root, 'dist', 'esm');
  // A pass that failed leaves files behind, but not the compiler's record.
  const complete = [path.join(built, 'amqp', 'index.js'), path.join(root, 'build', 'esm.tsbuildinfo')].every(
    existsSync,
  );
  if (complete && newest(built) >= newest(path.join(root, 'lib'))) return;
  run(['run', 'build:esm', '--prefix', root]);
}

/**
 * Puts the build into the packages of a folder as npm would put the package there: a copy, for a link would lead to the
 * repository's own NestJS.
 */
export function installLeveret(folder) {
  const installed = path.join(folder, 'node_modules', 'leveret');
  rmSync(installed, { recursive: true, force: true });
  cpSync(path.join(root, 'dist', 'esm'), path.join(installed, 'dist', 'esm'), { recursive: true });
  cpSync(path.join(root, 'package.json'), path.join(installed, 'package.json'));
}

/** Runs npm; what it prints goes to standard error, for standard output belongs to the results. */
function run(args) {
  const { status, error } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (error || status !== 0) throw new Error(`npm ${args[0] === 'run' ? args[1] : args[0]} failed`);
}

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

function newest(directory) {
  if (!existsSync(directory)) return 0;
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((latest, { parentPath, name }) => Math.max(latest, modified(path.join(parentPath, name))), 0);
}
