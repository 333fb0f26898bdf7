/** Whether a client may ask for what connection.tune-ok says. Pure. */
import type { Behaviour } from '../store/behaviour.js';
import { connectionRefusal } from '../store/reply-error.js';

/** Limits in bytes and channels; 0 is no limit. */
export interface Tuning {
  readonly frameMax: number;
  readonly channelMax: number;
}

/** Throws where the client asks for more than was offered, or for less than works. */
export function assertTuning(asked: Tuning, offered: Tuning, behaviour: Behaviour): void {
  assertAtMost('frame_max', asked.frameMax, offered.frameMax);
  assertAtMost('channel_max', asked.channelMax, offered.channelMax);
  const { leastFrameMax } = behaviour;
  if (asked.frameMax === 0 || asked.frameMax >= leastFrameMax) return;
  throw connectionRefusal(
    'notAllowed',
    `negotiated frame_max = ${asked.frameMax} is lower than the minimum allowed value (${leastFrameMax})`,
  );
}

function assertAtMost(name: string, asked: number, offered: number): void {
  if (offered === 0 || (asked !== 0 && asked <= offered)) return;
  const value = asked === 0 ? 'unlimited' : String(asked);
  throw connectionRefusal(
    'notAllowed',
    `negotiated ${name} = ${value} is higher than the maximum allowed value (${offered})`,
  );
}
