// Folders of this repository with packages of their own: the benchmark, NestJS 11. Uses nothing but Node itself.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** `npm ci` in the folder, when it was never done or the lock file is newer than what it installed. Throws if it fails. */
export function installPackages(folder) {
  const installed = join(folder, 'node_modules', '.package-lock.json');
  if (modified(installed) < modified(join(folder, 'package-lock.json'))) runNpm(['ci', '--prefix', folder]);
}

/** Runs npm; what it prints goes to standard error, for standard output belongs to the results. */
export function runNpm(npmArguments) {
  const { status, error } = spawnSync('npm', npmArguments, {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (error || status !== 0) throw new Error(`npm ${npmArguments.slice(0, 2).join(' ')} failed`);
}

/** In milliseconds; 0 for what is not there. */
export const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);
