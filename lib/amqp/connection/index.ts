/** The connection layer's face. */
export { clientVersion } from './client-properties.js';
export { ConnectionLife, type ChannelSink, type ConnectionLifeListener, type Tuning } from './connection-life.js';
export type { Credentials, CredentialsSource } from './credentials.js';
export { openEndpoint } from './open-endpoint.js';
export {
  resolveParameters,
  type ConnectionParameters,
  type EndpointParameters,
  type PublishBufferParameters,
  type RecoveryParameters,
  type ResolvedEndpoint,
  type ResolvedParameters,
} from './parameters.js';
