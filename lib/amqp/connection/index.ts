/** The connection layer's face. */
export { clientVersion } from './client-properties.js';
export type { ChannelSink } from './channel-table.js';
export { ConnectionLife, ordinaryClose, type CloseReason, type ConnectionLifeListener } from './connection-life.js';
export type {
  Credentials,
  CredentialsSource,
  ExternalCredentials,
  PasswordCredentials,
  SaslCredentials,
} from './credentials.js';
export { openEndpoint } from './open-endpoint.js';
export type { Tuning } from './handshake.js';
export { isAbortSignal } from './parameter-checks.js';
export type { IoThreadOpener, IoThreadParameters } from './io-thread-parameters.js';
export type {
  ConnectionParameters,
  EndpointParameters,
  PublishBufferParameters,
  RecoveryParameters,
  ResolvedEndpoint,
  ResolvedParameters,
} from './parameters.js';
export type { PlaintextPolicy } from './plaintext.js';
export { publishBufferDefaults } from './parameters.js';
export { resolveParameters } from './resolve-parameters.js';
