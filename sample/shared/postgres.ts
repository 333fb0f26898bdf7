/** Where a sample keeps its books: in the PostgreSQL that it is told of, or in one of its own, where it is installed. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as script from '../../scripts/postgres-node.mjs';

export interface DatabaseServer {
  /** For people: no password in it. */
  readonly description: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** Undefined: there is none. */
export async function openPostgres(): Promise<DatabaseServer | undefined> {
  for (const name of ['DATABASE_URL', 'LEVERET_POSTGRES_URL']) {
    const url = process.env[name];
    if (url) return { description: `the PostgreSQL that ${name} names`, url, stop: () => Promise.resolve() };
  }
  const { isPostgresInstalled, startPostgresNode } = await loadScript();
  if (!isPostgresInstalled()) return undefined;
  const node = startPostgresNode();
  process.on('exit', () => {
    node.stopNow();
  });
  const { url, port } = await node.ready;
  return { description: `a PostgreSQL of its own on port ${String(port)}`, url, stop: () => node.stop() };
}

/** It is no part of what is compiled; samples are run in the folder of the repository. */
async function loadScript() {
  const file = pathToFileURL(resolve('scripts/postgres-node.mjs'));
  return (await import(file.href)) as typeof script;
}
