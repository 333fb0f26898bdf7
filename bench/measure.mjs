// One measurement from outside: prepares the broker, runs the worker, looks at what it left behind.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/**
 * @param suite see suites.mjs
 * @param {string} mode
 * @param client an entry of the suite's clients
 * @param {{ url: string, messages: number, size: number }} options
 * @param broker what `openBroker` made
 * @returns what worker.mjs printed
 */
export async function measureOnce(
  { modes, messageOf, modesFile, folder },
  mode,
  client,
  { url, messages, size },
  broker,
) {
  const queue = `leveret.bench.${process.pid}.${Date.now().toString(36)}`;
  const { jobs, verify, queues } = await modes[mode].prepare(broker, {
    messages,
    queue,
    message: messageOf(size),
    client,
  });
  try {
    const { method = mode } = modes[mode];
    const task = { clientFile: client.file, modesFile, folder, method, url, size, jobs };
    const result = await runWorker(task, timeLimit(messages, size));
    if (result.supported) await verify();
    return result;
  } catch (error) {
    throw new Error(`${mode} with ${client.name}: ${firstLine(error)}`, { cause: error });
  } finally {
    for (const name of queues) await broker.deleteQueue(name);
  }
}

/** A minute, and for each message and each 4 KiB of its body 2 ms more: a client that hangs ends. In milliseconds. */
function timeLimit(messages, size) {
  return 60_000 + 2 * messages * Math.ceil(size / 4096);
}

async function runWorker(task, limit) {
  const worker = spawn(process.execPath, [
    ...process.execArgv,
    fileURLToPath(new URL('./worker.mjs', import.meta.url)),
  ]);
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
