// What must be there before a measurement: the benchmark's own dependencies, and a build of leveret no older than its
// sources. Both are made with the commands a person would type. Uses nothing but Node itself.
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { installPackages, modified, runNpm } from '../scripts/install-packages.mjs';

const bench = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(bench);

/** Those of the benchmark, or of another folder in it. */
export function installDependencies(folder = bench) {
  installPackages(folder);
}

/** `npm run build:esm` at the root, when dist/esm is missing or older than lib/, or the last pass failed. */
export function buildLeveret() {
  const built = path.join(root, 'dist', 'esm');
  // A pass that failed leaves files behind, but not the compiler's record.
  const complete = [path.join(built, 'amqp', 'index.js'), path.join(root, 'build', 'esm.tsbuildinfo')].every(
    existsSync,
  );
  if (complete && newest(built) >= newest(path.join(root, 'lib'))) return;
  runNpm(['run', 'build:esm', '--prefix', root]);
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

function newest(directory) {
  if (!existsSync(directory)) return 0;
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((latest, { parentPath, name }) => Math.max(latest, modified(path.join(parentPath, name))), 0);
}
