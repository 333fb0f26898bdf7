/** What TypeScript needs to know of postgres-node.mjs: only what tests use. */
export interface PostgresNode {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
}

export interface PostgresNodeHandle {
  readonly ready: Promise<PostgresNode>;
  stop(): Promise<void>;
  stopNow(): void;
  halt(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export function isPostgresInstalled(): boolean;
export function startPostgresNode(): PostgresNodeHandle;
