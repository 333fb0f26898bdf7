/** Class confirm: publisher confirms, once on never off. */
import { channelRefusal } from '../store/reply-error.js';
import type { Handlers } from './handler.js';

export const confirmHandlers: Handlers<'confirm.select'> = {
  'confirm.select': (session, { noWait }) => {
    if (session.transaction) throw channelRefusal('preconditionFailed', 'cannot switch from tx to confirm mode');
    session.selectConfirms();
    if (!noWait) session.send('confirm.select-ok', {});
  },
};
