/**
 * The states of a connection over its lives, and the moves between them: all of them, here and nowhere else.
 *
 *   connecting --a life is there--> restoring --all is back--> open
 *       ^  \                          |                         |
 *       |   \--the round failed--+    | it ended meanwhile      | lost
 *       |                        v    v                         |
 *       +------the delay is----backing-off <--------------------+
 *              over
 *
 *   connecting, restoring, open --no attempt is left, or none is wanted--> failed
 *   every state but itself --close()--> closed
 *
 * Must not know time, sockets or users.
 */
import { WrongStateError } from '../errors.js';

/** Where the retry state machine stands. */
export type RetryState = 'connecting' | 'restoring' | 'open' | 'backing-off' | 'failed' | 'closed';

/** From each state, the states that may follow. */
export const legalMoves: Readonly<Record<RetryState, readonly RetryState[]>> = {
  connecting: ['restoring', 'backing-off', 'failed', 'closed'],
  restoring: ['open', 'backing-off', 'failed', 'closed'],
  open: ['backing-off', 'failed', 'closed'],
  'backing-off': ['connecting', 'closed'],
  failed: ['closed'],
  closed: [],
};

/** `connecting`, `open`, `recovering` (lost, and being rebuilt), `closed` (by you) or `failed` (given up). */
export type ConnectionState = 'connecting' | 'open' | 'recovering' | 'closed' | 'failed';

export class RetryStates {
  #state: RetryState = 'connecting';
  #epoch = 0;

  get state(): RetryState {
    return this.#state;
  }

  /** How often `open` was reached. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What users are told: before the first life it connects, after it it recovers. */
  get visible(): ConnectionState {
    if (this.#state === 'open' || this.#state === 'failed' || this.#state === 'closed') return this.#state;
    return this.#epoch === 0 ? 'connecting' : 'recovering';
  }

  /** The one place that changes the state. Throws WrongStateError for a move that is not legal. */
  move(to: RetryState): void {
    if (!legalMoves[this.#state].includes(to)) {
      throw new WrongStateError(`a connection that is ${this.#state} cannot become ${to}`);
    }
    this.#state = to;
    if (to === 'open') this.#epoch += 1;
  }
}
