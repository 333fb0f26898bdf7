/** `leveret/amqp`: an AMQP 0-9-1 client for RabbitMQ. No dependencies, no Nest. */
export { Delivery, ReceivedMessage, ReturnedMessage, sequenceHeader, type SettlementResult } from './channel/index.js';
export type { MessageBody, PublishProperties } from './client/arguments.js';
export {
  Channel,
  type BasicPublishOptions,
  type ChannelEvents,
  type ChannelOptions,
  type ConsumeStreamOptions,
  type ExchangeDeclareOptions,
  type PublishOptions,
  type QueueDeclared,
  type QueueDeclareOptions,
} from './client/channel.js';
export { connect } from './client/connect.js';
export { Connection, type ConnectionEvents, type RestoredCounts } from './client/connection.js';
export type { Consumer, ConsumeOptions, DeliveryCallback } from './client/consumer.js';
export type { DeliveryStream } from './client/delivery-stream.js';
export type {
  ConnectionParameters,
  Credentials,
  CredentialsSource,
  EndpointParameters,
  PublishBufferParameters,
  RecoveryParameters,
} from './connection/index.js';
export {
  AmqpError,
  ArgumentError,
  ParametersError,
  WrongStateError,
  AlreadySettledError,
  TimeoutError,
  FrameError,
  FrameSyntaxError,
  UnexpectedFrameError,
  ConnectionError,
  ConnectionRefusedError,
  AuthenticationError,
  AccessRefusedError,
  ProtocolMismatchError,
  ConnectionLostError,
  HeartbeatTimeoutError,
  BlockedTimeoutError,
  ConnectionClosedByBrokerError,
  ConnectionClosedError,
  ChannelError,
  ChannelClosedByBrokerError,
  ChannelClosedError,
  DuplicateConsumerTagError,
  ConsumerCancelledError,
  PublishError,
  UnroutableError,
  NackError,
  UnknownOutcomeError,
  NotSentError,
  type BrokerReply,
} from './errors.js';
export {
  TypedField,
  type BasicProperties,
  type FieldTable,
  type FieldType,
  type FieldValue,
} from './protocol/index.js';
export type {
  BindingRecord,
  BrokenEntity,
  ConnectionState,
  ExchangeRecord,
  QueueRecord,
  TopologyRecord,
} from './recovery/index.js';
export {
  connectTcp,
  memoryPair,
  streamTransport,
  type Endpoint,
  type StreamTransportOptions,
  type TcpOptions,
  type TlsOptions,
  type Transport,
  type TransportFactory,
  type TransportListener,
} from './transport/index.js';
