/** What a client's ack, nack or reject does, at once or with the commit of a transaction. */
import type { ChannelSession } from './channel-session.js';
import type { Settlement } from './unacked.js';

/** Settles, or adds to the transaction of the channel. */
export function settle(session: ChannelSession, settlement: Settlement): void {
  const settlements = session.transaction?.settlements;
  if (!settlements) {
    applySettlement(session, settlement);
    return;
  }
  const last = settlements.at(-1);
  const { how, isFailure, deliveries } = settlement;
  // What is settled in one way, step after step, RabbitMQ joins to one settlement.
  if (last?.how === how && last.isFailure === isFailure) {
    settlements.pop();
    settlements.push({ how, isFailure, deliveries: [...last.deliveries, ...deliveries] });
  } else {
    settlements.push(settlement);
  }
}

export function applySettlement(session: ChannelSession, { how, isFailure, deliveries }: Settlement): void {
  session.settle(deliveries, (portion) => {
    if (how === 'requeue') {
      session.requeue(portion, isFailure);
      return;
    }
    for (const { queue, queued } of portion.deliveries) {
      if (how === 'ack') queue.acknowledge(queued);
      else queue.reject(queued, isFailure);
    }
  });
}
