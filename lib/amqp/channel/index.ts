/** The channel layer's face. */
export {
  ChannelLife,
  ReturnedMessage,
  sequenceHeader,
  type ChannelLifeListener,
  type LifeConsumer,
  type OutgoingMessage,
} from './channel-life.js';
export type { UnconfirmedPublish } from './confirm-window.js';
export { Delivery, ReceivedMessage, type SettlementResult } from './delivery.js';
