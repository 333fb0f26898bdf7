/** The channel layer's face. */
export { ChannelLife, sequenceHeader, type ChannelLifeListener } from './channel-life.js';
export type { LifeConsumer } from './consumption.js';
export type { UnconfirmedPublish } from './confirm-window.js';
export {
  ackOptionNames,
  checkSettlementOptions,
  Delivery,
  nackOptionNames,
  ReceivedMessage,
  ReturnedMessage,
  rejectOptionNames,
  type AckOptions,
  type NackOptions,
  type ReceivedProperties,
  type RejectOptions,
  type SettlementKind,
  type SettlementResult,
} from './delivery.js';
export type { OutgoingMessage } from './outgoing-message.js';
