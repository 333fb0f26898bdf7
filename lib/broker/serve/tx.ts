/** Class tx: publishes and settlements that wait for commit or rollback. */
import { channelRefusal } from '../store/reply-error.js';
import type { ChannelSession, Transaction } from './channel-session.js';
import type { Handlers } from './handler.js';

export const txHandlers: Handlers<'tx.select' | 'tx.commit' | 'tx.rollback'> = {
  'tx.select': (session) => {
    if (session.confirms) throw channelRefusal('preconditionFailed', 'cannot switch from confirm to tx mode');
    session.transaction ??= newTransaction();
    session.send('tx.select-ok', {});
  },

  'tx.commit': (session) => {
    const transaction = transactionOf(session);
    // The steps run outside of the transaction they end.
    session.transaction = undefined;
    let isComplete = true;
    try {
      for (const step of transaction.steps) isComplete = step() && isComplete;
    } finally {
      session.virtualHost.memory.remove(transaction.heldBytes);
      session.transaction = newTransaction();
    }
    if (!isComplete) throw channelRefusal('preconditionFailed', 'partial tx completion');
    session.send('tx.commit-ok', {});
  },

  'tx.rollback': (session) => {
    const { settled, heldBytes } = transactionOf(session);
    session.transaction = newTransaction();
    session.virtualHost.memory.remove(heldBytes);
    session.restoreUnacked(settled);
    session.send('tx.rollback-ok', {});
  },
};

function newTransaction(): Transaction {
  return { steps: [], settled: [], heldBytes: 0 };
}

function transactionOf(session: ChannelSession): Transaction {
  if (!session.transaction) throw channelRefusal('preconditionFailed', 'channel is not transactional');
  return session.transaction;
}
