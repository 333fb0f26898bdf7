// The file of results: one JSON object with a part for each command, so that what is measured later stands beside what was
// measured before.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What was there when it was measured. `load` is that of the minute before, on all cores. */
export function setting() {
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    load: Number(os.loadavg()[0].toFixed(2)),
  };
}

/** `part` replaces what the file has under that name. */
export function writePart(file, name, part) {
  const before = existsSync(file) ? readResults(file) : {};
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...before, [name]: part }, null, 1)}\n`);
  console.error(`bench: ${name} are in ${file}`);
}

export function readResults(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}
