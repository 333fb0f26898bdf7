/** What faults, for as long as they last, make a connection do otherwise than it would. */
import { Layers } from './layers.js';

export class Conditions {
  /** Publishing is blocked, for this reason. */
  readonly blocked: Layers<string>;
  /** Milliseconds by which confirms are late; Infinity: they are lost. */
  readonly confirmDelay = new Layers<number>();
  /** Publishes reach no queue: each is refused with basic.nack, or is unroutable. */
  readonly publishes = new Layers<'nack' | 'return'>();
  /** The login is refused, whatever the password. */
  readonly refusedLogin = new Layers<true>();

  constructor(onBlockedChange: () => void) {
    this.blocked = new Layers(onBlockedChange);
  }
}
