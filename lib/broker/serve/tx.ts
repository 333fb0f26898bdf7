/** Class tx: publishes and settlements that wait for commit or rollback. */
import { channelRefusal } from '../store/reply-error.js';
import type { ChannelSession, Transaction } from './channel-session.js';
import type { Handlers } from './handler.js';
import { applySettlement } from './settlement.js';

export const txHandlers: Handlers<'tx.select' | 'tx.commit' | 'tx.rollback'> = {
  'tx.select': (session) => {
    if (session.confirms) throw channelRefusal('preconditionFailed', 'cannot switch from confirm to tx mode');
    session.transaction ??= { publishes: [], settlements: [] };
    session.send('tx.select-ok', {});
  },

  'tx.commit': (session) => {
    const { publishes, settlements } = transactionOf(session);
    // The steps run outside of the transaction they end.
    session.transaction = undefined;
    let isComplete = true;
    try {
      for (const publish of publishes) isComplete = publish() && isComplete;
      for (const settlement of settlements) applySettlement(session, settlement);
    } finally {
      session.transaction = { publishes: [], settlements: [] };
    }
    if (!isComplete) throw channelRefusal('preconditionFailed', 'partial tx completion');
    session.send('tx.commit-ok', {});
  },

  'tx.rollback': (session) => {
    const { settlements } = transactionOf(session);
    session.transaction = { publishes: [], settlements: [] };
    session.restoreUnacked(settlements);
    session.send('tx.rollback-ok', {});
  },
};

function transactionOf(session: ChannelSession): Transaction {
  if (!session.transaction) throw channelRefusal('preconditionFailed', 'channel is not transactional');
  return session.transaction;
}
