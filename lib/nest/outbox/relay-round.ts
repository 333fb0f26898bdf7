/**
 * Publishes the messages of one round: of one key one after the other, the rest beside each other, and says what became of each.
 * Knows no store and no timer.
 */
import {
  AmqpError,
  ArgumentError,
  ChannelClosedByBrokerError,
  ConnectionClosedByBrokerError,
  NackError,
  TimeoutError,
  UnknownOutcomeError,
  UnroutableError,
} from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { DelayUnavailableError } from '../retrying/delay-queues.js';
import type { RelayVerdict, StoredMessage } from './outbox-store.js';

/** What the relay does with what the broker refuses. */
export interface RefusalPolicy {
  readonly attempts: number;
  readonly initialDelay: number;
  readonly maxDelay: number;
  readonly blocks: boolean;
}

export interface Round {
  readonly verdicts: readonly RelayVerdict[];
  /** Why the broker could not be reached, or did not answer; undefined: it did. */
  readonly interruption: unknown;
}

/** connection.close of an operator, or of a broker that stops: no message's fault. */
const forced = 320;
const longestError = 500;

/** `publish` resolves when the broker confirmed. Once `isOver`, nothing more is begun. Never rejects. */
export async function publishRound(
  messages: readonly StoredMessage[],
  publish: (message: StoredMessage) => Promise<void>,
  policy: RefusalPolicy,
  isOver: () => boolean,
): Promise<Round> {
  const verdicts: RelayVerdict[] = [];
  const unanswered: { readonly message: StoredMessage; readonly error: unknown }[] = [];
  let interruption: unknown;
  const publishChain = async (chain: readonly StoredMessage[]): Promise<void> => {
    for (const message of chain) {
      if (interruption !== undefined || isOver()) return;
      try {
        await publish(message);
        verdicts.push({ id: message.id, outcome: 'published' });
      } catch (error) {
        const fault = faultOf(error);
        if (fault === 'unanswered') unanswered.push({ message, error });
        if (fault === 'away') interruption ??= error;
        if (fault === 'unanswered' || fault === 'away') return;
        const verdict = verdictOf(message, error, fault, policy);
        verdicts.push(verdict);
        // What follows of its key waits for it.
        if (verdict.outcome === 'refused' || policy.blocks) return;
      }
    }
  };
  const { fresh, refused } = chainsOf(messages);
  await Promise.all(fresh.map(publishChain));
  // What a channel was closed for is not known among several: those of which it may be are tried by themselves.
  for (const chain of refused) await publishChain(chain);
  const [first] = unanswered;
  // A broker that answered others, but not this one: a queue without its majority, for instance.
  if (first && interruption === undefined && verdicts.some(({ outcome }) => outcome === 'published')) {
    verdicts.push(...unanswered.map(({ message, error }) => verdictOf(message, error, 'refused', policy)));
    return { verdicts, interruption: undefined };
  }
  return { verdicts, interruption: interruption ?? first?.error };
}

/** Those with one key are one chain; `refused` hold one that the broker did not take before. */
function chainsOf(messages: readonly StoredMessage[]): Record<'fresh' | 'refused', StoredMessage[][]> {
  const keyed = new Map<string, StoredMessage[]>();
  const chains: StoredMessage[][] = [];
  for (const message of messages) {
    const known = message.key === undefined ? undefined : keyed.get(message.key);
    if (known) {
      known.push(message);
      continue;
    }
    const chain = [message];
    chains.push(chain);
    if (message.key !== undefined) keyed.set(message.key, chain);
  }
  const wasRefused = (chain: readonly StoredMessage[]): boolean => chain.some(({ attempts }) => attempts > 0);
  return { fresh: chains.filter((chain) => !wasRefused(chain)), refused: chains.filter(wasRefused) };
}

/**
 * - `hopeless`: it cannot be sent at all.
 * - `refused`: the broker did not take it, or closed a channel or connection over it or one beside it.
 * - `unanswered`: the broker did not say what it did with it.
 * - `away`: it has nothing to do with the message.
 */
type Fault = 'hopeless' | 'refused' | 'unanswered' | 'away';

function faultOf(error: unknown): Fault {
  if (error instanceof UnroutableError || error instanceof NackError) return 'refused';
  for (let link: unknown = error, depth = 0; link instanceof Error && depth < 8; link = link.cause, depth += 1) {
    if (link instanceof ArgumentError) return 'hopeless';
    if (link instanceof ChannelClosedByBrokerError || link instanceof DelayUnavailableError) return 'refused';
    if (link instanceof ConnectionClosedByBrokerError && link.replyCode !== forced) return 'refused';
    if (link instanceof TimeoutError && error instanceof UnknownOutcomeError) return 'unanswered';
  }
  // What is no error of the client was thrown over the message, too: it would be thrown in each round.
  return error instanceof AmqpError ? 'away' : 'hopeless';
}

/** The broker's own reason, where it closed a channel or connection over it: that its outcome is unknown says less. */
function reasonOf(thrown: unknown): unknown {
  for (let link: unknown = thrown, depth = 0; link instanceof Error && depth < 8; link = link.cause, depth += 1) {
    if (link instanceof ChannelClosedByBrokerError || link instanceof ConnectionClosedByBrokerError) return link;
  }
  return thrown;
}

function verdictOf(message: StoredMessage, thrown: unknown, fault: Fault, policy: RefusalPolicy): RelayVerdict {
  const { id, attempts } = message;
  const { name, message: text } = describeError(reasonOf(thrown), longestError);
  const error = `${name}: ${text}`;
  if (fault === 'hopeless' || attempts + 1 >= policy.attempts) {
    return { id, outcome: 'set-aside', error, blocks: policy.blocks };
  }
  const longest = Math.min(policy.initialDelay * 2 ** Math.min(attempts, 30), policy.maxDelay);
  return { id, outcome: 'refused', error, delay: Math.round(longest * (0.75 + Math.random() / 4)) };
}
