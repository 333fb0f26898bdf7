// The programs of the runtimes: where they are, how they come from npm, what version they say they are.
//
// `key` is the npm package, with a major version for Node.js: `bun`, `deno`, `node@22`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** What the environment names (LEVERET_TEST_BUN, LEVERET_TEST_NODE_22), else the installed one, else PATH's. */
export function findProgram(key, folder) {
  const [name, major] = key.split('@');
  const named = process.env[`LEVERET_TEST_${key.toUpperCase().replace('@', '_')}`];
  if (named) return named;
  const installed = join(folder, key, 'node_modules', '.bin', name);
  if (existsSync(installed)) return installed;
  // A Node.js on the path has some version, hardly the one that is asked for.
  if (major !== undefined) return undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** Fetches it into a folder of its own below `folder`. Answers the program, or undefined where npm failed. */
export async function installProgram(key, folder) {
  const home = join(folder, key);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'package.json'), '{ "private": true }\n');
  // These packages put their program in place in an install script.
  const command = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts=false', key];
  const { status } = spawnSync('npm', command, { cwd: home, stdio: 'inherit' });
  if (status !== 0) await rm(home, { recursive: true, force: true });
  return findProgram(key, folder);
}

export function versionOf(program) {
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const version = /\d+\.\d+\.\d+\S*/.exec(stdout ?? '')?.[0];
  if (version === undefined) throw new Error(`${program} does not say its version: ${error?.message ?? stdout}`);
  return version;
}
