/** What TypeScript needs to know of rabbitmq-node.mjs: only what tests use. */
export interface RabbitmqNode {
  readonly url: string;
  readonly tlsUrl: string | undefined;
  readonly managementUrl: string;
  /** Empty where the broker does not say it. */
  readonly version: string;
  /** A program that runs rabbitmqctl against this node. */
  readonly control: string;
  readonly name: string;
  readonly directory: string;
}

export interface RabbitmqNodeHandle {
  readonly ready: Promise<RabbitmqNode>;
  stop(): Promise<void>;
  stopNow(): void;
  halt(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<string>;
  freeze(): void;
  thaw(): void;
}

export function isRabbitmqInstalled(): boolean;
export function freePortsForServers(count: number): Promise<number[]>;
export function askVersion(host: string, port: number, limit?: number): Promise<string>;
export function startRabbitmqNode(options?: { certificates?: string; configuration?: string }): RabbitmqNodeHandle;
