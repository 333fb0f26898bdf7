/** Class tx: publishes and settlements that wait for commit or rollback. */
import { channelRefusal } from '../store/reply-error.js';
import type { ChannelSession, Transaction } from './channel-session.js';
import type { Handlers } from './handler.js';
import { applySettlement } from './settlement.js';

export const txHandlers: Handlers<'tx.select' | 'tx.commit' | 'tx.rollback'> = {
  'tx.select': (session) => {
    if (session.confirms) throw channelRefusal('preconditionFailed', 'cannot switch from confirm to tx mode');
    session.transaction ??= newTransaction();
    session.send('tx.select-ok', {});
  },

  'tx.commit': (session) => {
    const transaction = transactionOf(session);
    // They run outside of the transaction they end.
    session.transaction = undefined;
    let isComplete = true;
    try {
      for (const publish of transaction.publishes) isComplete = publish() && isComplete;
      for (const settlement of transaction.settlements) applySettlement(session, settlement);
    } finally {
      session.virtualHost.memory.remove(transaction.heldBytes);
      session.transaction = newTransaction();
    }
    if (!isComplete) throw channelRefusal('preconditionFailed', 'partial tx completion');
    session.send('tx.commit-ok', {});
  },

  'tx.rollback': (session) => {
    const { settlements, heldBytes } = transactionOf(session);
    session.transaction = newTransaction();
    session.virtualHost.memory.remove(heldBytes);
    session.restoreUnacked(settlements);
    session.send('tx.rollback-ok', {});
  },
};

function newTransaction(): Transaction {
  return { publishes: [], settlements: [], heldBytes: 0 };
}

function transactionOf(session: ChannelSession): Transaction {
  if (!session.transaction) throw channelRefusal('preconditionFailed', 'channel is not transactional');
  return session.transaction;
}
