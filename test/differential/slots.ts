/** What a run knows of each channel of a sequence: what it awaits, what it holds, and who consumes there. */
import type { MethodName } from '../../lib/amqp/protocol/index.js';
import type { Slot } from './steps.js';

export interface Outstanding {
  readonly step: number;
  readonly stream: string;
  readonly tag: number;
}

export interface SlotState {
  isOpen: boolean;
  awaiting: readonly MethodName[];
  syncs: number;
  published: number;
  unconfirmed: Set<number>;
  isConfirming: boolean;
  isTransactional: boolean;
  outstanding: Outstanding[];
  settledInTransaction: Outstanding[];
  consumers: Map<string, { readonly queue: string; readonly noAck: boolean }>;
  isLimitedAsWhole: boolean;
  /** The basic.get under way is one in no-ack mode. */
  isGetNoAck: boolean;
}

export function newSlot(): SlotState {
  return {
    isOpen: false,
    awaiting: [],
    syncs: 0,
    published: 0,
    unconfirmed: new Set(),
    isConfirming: false,
    isTransactional: false,
    outstanding: [],
    settledInTransaction: [],
    consumers: new Map(),
    isLimitedAsWhole: false,
    isGetNoAck: false,
  };
}

export const connectionOf = (slot: Slot): 0 | 1 => (slot < 2 ? 0 : 1);
export const channelOf = (slot: Slot): number => (slot % 2) + 1;
export const slotsOf = (connection: 0 | 1): readonly Slot[] => (connection === 0 ? [0, 1] : [2, 3]);
