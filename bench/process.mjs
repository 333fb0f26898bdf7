// A measurement is a process of its own: it gets its task as JSON on standard input and prints one line of JSON.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/**
 * @param {URL} file the program
 * @param {object} task
 * @param {{ limit: number, nodeOptions?: string[] }} options `limit` in milliseconds: a client that hangs ends
 * @returns {Promise<object>} what it printed
 */
export async function inProcess(file, task, { limit, nodeOptions = [] }) {
  const worker = spawn(process.execPath, [...process.execArgv, ...nodeOptions, fileURLToPath(file)]);
  const timer = setTimeout(() => worker.kill('SIGKILL'), limit);
  worker.stdin.on('error', () => {}); // it ended before it read its task: its exit code says more
  worker.stdin.end(JSON.stringify(task));
  const ended = new Promise((resolve, reject) => worker.once('close', resolve).once('error', reject));
  const [code, output, errors] = await Promise.all([ended, text(worker.stdout), text(worker.stderr)]);
  clearTimeout(timer);
  if (worker.killed) throw new Error(`no end after ${limit / 1000} s`);
  if (code !== 0) throw new Error(errors.trim() || `its process ended with code ${code}`);
  return JSON.parse(output);
}

/** Connection errors of several addresses come as an AggregateError without a message. */
export function firstLine(error) {
  const message = error.message || error.errors?.[0]?.message || error.code || String(error);
  if (message.startsWith('Expected ConnectionOpenOk')) return 'it refused the virtual host';
  const lines = message.split('\n').map((line) => line.trim());
  return lines.find((line) => /^(\w*Error|Error)\b/.test(line)) ?? lines[0];
}
