/** `leveret/amqp`: an AMQP 0-9-1 client for RabbitMQ. No dependencies, no Nest. */
export {
  Delivery,
  ReceivedMessage,
  ReturnedMessage,
  sequenceHeader,
  type AckOptions,
  type NackOptions,
  type ReceivedProperties,
  type RejectOptions,
  type SettlementResult,
} from './channel/index.js';
export type { CloseOptions, MessageBody, PublishProperties } from './client/arguments.js';
export { Channel } from './client/channel.js';
export type {
  BasicPublishOptions,
  ChannelEvents,
  ChannelOptions,
  ConsumeStreamOptions,
  ExchangeDeclareOptions,
  ExchangeType,
  PublishOptions,
  QueueDeclared,
  QueueDeclareOptions,
} from './client/channel-options.js';
export { Connection, type ConnectedEndpoint, type ConnectionEvents, type RestoredCounts } from './client/connection.js';
export type { Consumer, ConsumeOptions, DeliveryCallback } from './client/consumer.js';
export type { DeliveryStream } from './client/delivery-stream.js';
export type {
  ConnectionParameters,
  Credentials,
  CredentialsSource,
  EndpointParameters,
  ExternalCredentials,
  IoThreadParameters,
  PasswordCredentials,
  PlaintextPolicy,
  PublishBufferParameters,
  RecoveryParameters,
  SaslCredentials,
  Tuning,
} from './connection/index.js';
export type {
  ChannelIdentity,
  CloseDiagnostics,
  ConnectDiagnostics,
  ConnectionIdentity,
  DeliverDiagnostics,
  PublishDiagnostics,
  PublishOutcomeDiagnostics,
  RecoverDiagnostics,
  SettleDiagnostics,
} from './diagnostics.js';
export {
  AmqpError,
  ArgumentError,
  ParametersError,
  WrongStateError,
  NoFreeChannelsError,
  AlreadySettledError,
  TimeoutError,
  MessageFormatError,
  FrameError,
  FrameSyntaxError,
  UnexpectedFrameError,
  ConnectionError,
  ConnectionRefusedError,
  TlsError,
  AuthenticationError,
  PlaintextLoginError,
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
  TransactionLostError,
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
export { connect, connectShared, type SharedConnectionParameters } from './threads/index.js';
export {
  connectTcp,
  memoryPair,
  streamTransport,
  type Endpoint,
  type StreamTransportOptions,
  type TcpOptions,
  type TcpTimeouts,
  type TlsOptions,
  type Transport,
  type TransportFactory,
  type TransportListener,
} from './transport/index.js';
