// The embedded broker in a process of its own, as `npx leveret broker` starts it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../dist/esm/cli/main.js', import.meta.url));

/** @returns {Promise<{ url: string, milliseconds: number, stop: () => Promise<void> }>} once it has printed its URL */
export async function startProgram() {
  const started = performance.now();
  const child = spawn(process.execPath, [...process.execArgv, program, 'broker', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  // Whatever ends us ends it.
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  const url = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([line]) => line),
    ended.then(([code]) => Promise.reject(new Error(`the broker's program ended with code ${code}`))),
  ]);
  const milliseconds = performance.now() - started;
  return {
    url,
    milliseconds,
    async stop() {
      process.off('exit', kill);
      child.kill('SIGTERM');
      await ended;
    },
  };
}
