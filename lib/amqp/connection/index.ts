/** The connection layer's face. */
export { clientVersion } from './client-properties.js';
export type { ChannelSink } from './channel-table.js';
export { ConnectionLife, type ConnectionLifeListener } from './connection-life.js';
export type { Credentials, CredentialsSource } from './credentials.js';
export { openEndpoint } from './open-endpoint.js';
export type { Tuning } from './handshake.js';
export {
  resolveParameters,
  type ConnectionParameters,
  type EndpointParameters,
  type PublishBufferParameters,
  type RecoveryParameters,
  type ResolvedEndpoint,
  type ResolvedParameters,
} from './parameters.js';
